"""Lockstep's settings: one file, fed by the environment, safe by default.

Each variable has a line in `.env.example`; what the parts of the house mean stands in docs/.
"""

from urllib.parse import urlsplit

from config import keys, logs
from config.database import database
from config.embedded_servers import Postgres, Valkey
from config.environment import BASE_DIR, data_dir, days, env, flag, text, url

DATA_DIR = data_dir()
# Which part of Lockstep this process is: web, worker, beat, run (a sync, which cron may start every
# few minutes), or (any other) command.
PART = text("LOCKSTEP_PART", "command")

# Keys and addresses ---------------------------------------------------------------------------
SECRET_KEY = keys.secret_key()
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
TOKEN_ENCRYPTION_KEYS = keys.token_keys()
DEBUG = flag("DEBUG")

PUBLIC_URL = url("PUBLIC_URL", ("http", "https"), "https://lockstep.example.com").rstrip("/")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[]) or [
    host for host in ("localhost", "127.0.0.1", "[::1]", urlsplit(PUBLIC_URL).hostname) if host
]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []

# The house ------------------------------------------------------------------------------------
_FOR_PEOPLE = [  # loading these takes a third of the time of a run that finds nothing to do
    "django.contrib.admin",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
]
INSTALLED_APPS = [
    *(_FOR_PEOPLE if PART != "run" else ()),
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "integrations",
    "calendars",
    "sync",
    "conflicts",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576  # bytes; a delivery of a service is far smaller

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}

# Database and queue: an empty address means the embedded server of the data folder ------------
DATABASE_URL = url(
    "DATABASE_URL", ("postgresql", "postgres"), "postgresql://user:password@host:5432/name"
)
DATABASES = {"default": database(DATABASE_URL or Postgres(DATA_DIR).url, PART)}
REDIS_URL = (
    url("REDIS_URL", ("redis", "rediss", "unix"), "redis://:password@host:6379/0")
    or Valkey(DATA_DIR).url
)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "lockstep",
    }
}

# Security -------------------------------------------------------------------------------------
# Lockstep on its own machine is plain HTTP; with a public https address all of it is HTTPS.
HTTPS = PUBLIC_URL.startswith("https://")
SECURE_SSL_REDIRECT = HTTPS
SECURE_SSL_HOST = urlsplit(PUBLIC_URL).netloc if HTTPS else None
SECURE_HSTS_SECONDS = 30 * 24 * 3600 if HTTPS else 0
# Whether other names of the domain speak HTTPS only is not ours to promise.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator")
] + [{"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"}]

REST_FRAMEWORK = {
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
SPECTACULAR_SETTINGS = {"TITLE": "Lockstep", "VERSION": "0.1.0", "OAS_VERSION": "3.1.0"}

LOGGING = logs.configuration(
    style=text("LOG_FORMAT", "plain"), level=text("LOG_LEVEL", "INFO").upper()
)

# How long is kept: the journal of what was done, the memory of what was deleted ----------------
LOCKSTEP_JOURNAL_DAYS = days("LOCKSTEP_JOURNAL_DAYS", 180)
LOCKSTEP_GRAVE_DAYS = days("LOCKSTEP_GRAVE_DAYS", 60)

# The services ---------------------------------------------------------------------------------
GOOGLE_CLIENT_ID = text("GOOGLE_CLIENT_ID")
GOOGLE_CLIENT_SECRET = text("GOOGLE_CLIENT_SECRET")
GOOGLE_API_ROOT = text("GOOGLE_API_ROOT")
GOOGLE_AUTH_URI = text("GOOGLE_AUTH_URI", "https://accounts.google.com/o/oauth2/v2/auth")
GOOGLE_TOKEN_URI = text("GOOGLE_TOKEN_URI", "https://oauth2.googleapis.com/token")
GOOGLE_REVOKE_URI = text("GOOGLE_REVOKE_URI", "https://oauth2.googleapis.com/revoke")
