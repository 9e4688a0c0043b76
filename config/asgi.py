"""The ASGI entry point: the web part."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ["LOCKSTEP_PART"] = "web"
from django.core.asgi import get_asgi_application

application = get_asgi_application()
