"""Lockstep's settings for its tests: a data folder of their own and nobody's `.env`."""

import os
from pathlib import Path

os.environ["LOCKSTEP_ENV_FILE"] = os.devnull
os.environ.setdefault("LOCKSTEP_DATA_DIR", str(Path(__file__).parent.parent / "var" / "test"))

from config.settings import *  # noqa: F403 - the environment comes first

# Nothing here has to survive a power cut: no commit waits for the disk.
DATABASES["default"]["OPTIONS"]["options"] += " -c synchronous_commit=off"  # noqa: F405
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405 - WhiteNoise warns where it is missing
