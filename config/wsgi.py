"""The WSGI entry point: the web part."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ["LOCKSTEP_PART"] = "web"
from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
