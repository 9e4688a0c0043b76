"""Where the admin's pages are."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.urls import reverse

from tests.admin.team import OURS

MODELS = [model for model in admin.site._registry if model._meta.app_label in OURS]
NAMES = [model.__name__ for model in MODELS]


def list_of(model: type[Model]) -> str:
    return reverse(f"admin:{_name(model)}_changelist")


def page_of(row: Any, page: str = "change") -> str:
    return reverse(f"admin:{_name(type(row))}_{page}", args=[quote(row.pk)])


def form_for_new(model: type[Model]) -> str:
    return reverse(f"admin:{_name(model)}_add")


def _name(model: type[Model]) -> str:
    return f"{model._meta.app_label}_{model._meta.model_name}"
