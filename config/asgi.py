"""The ASGI entry point: the web part."""

import os
import warnings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ["LOCKSTEP_PART"] = "web"
from django.core.asgi import get_asgi_application

# WhiteNoise hands out files with synchronous iterators, which are read in whole and correct.
warnings.filterwarnings("ignore", "StreamingHttpResponse must consume synchronous iterators")
application = get_asgi_application()
