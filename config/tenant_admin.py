"""What every admin of Lockstep's own rows keeps to: nobody sees another workspace's rows."""

from collections.abc import Collection
from typing import Any, ClassVar, Final

from django.contrib import admin, messages
from django.contrib.admin.filters import RelatedFieldListFilter
from django.db.models import ForeignKey, Model, Q, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest

from integrations.models import Membership

_MORE_THAN_VIEWERS: Final = {*Membership.Role.values} - {Membership.Role.VIEWER}


class TenantAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """An admin in which staff see the rows of their own workspaces, and superusers all rows.

    `workspace_path` is the lookup from a row to its workspace. What a person may do with the rows
    they see is a matter of Django's permissions; a workspace's viewers only ever look. `heavy`
    names columns too big for lists, `when_empty` says what to do when there are no rows yet.
    """

    workspace_path: ClassVar[str]
    heavy: ClassVar[tuple[str, ...]] = ()
    when_empty: ClassVar[str] = ""
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows that this person may see."""
        rows: QuerySet[Any] = super().get_queryset(request).defer(*self.heavy)
        return rows.filter(self._within(request.user))

    def changeable(self, request: HttpRequest, rows: QuerySet[Any]) -> Any:
        """Return those of the rows that this person may change or set in motion.

        They come as the query set of their model, which knows what can be done to many of them.
        """
        plain = self.model._default_manager.filter(pk__in=rows.values("pk"))
        return plain.filter(self._within(request.user, _MORE_THAN_VIEWERS))

    def report(
        self, request: HttpRequest, chosen: QuerySet[Any], done: int, what: str, others: str
    ) -> None:
        """Tell how many of the chosen rows an action was done to, and why not to the others."""
        rest = chosen.count() - done
        level = messages.SUCCESS if done else messages.WARNING
        self.message_user(request, f"{done} {what}.", level)
        if rest:
            self.message_user(request, f"{rest} left alone: {others}.", messages.WARNING)

    def _within(self, user: Any, roles: Collection[str] = Membership.Role.values) -> Q:
        if user.is_superuser:
            return Q()
        memberships = Membership.objects.filter(user=user, role__in=roles)
        return Q(**{f"{self.workspace_path}__in": memberships.values("workspace")})

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Say whether rows may be changed; with a row, whether this one may."""
        return super().has_change_permission(request, obj) and self._reaches(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Say whether rows may be deleted; with a row, whether this one may."""
        return super().has_delete_permission(request, obj) and self._reaches(request, obj)

    def has_steer_permission(self, request: HttpRequest) -> bool:
        """Say whether actions may be set in motion, also where rows themselves are read-only."""
        return super().has_change_permission(request)

    def _reaches(self, request: HttpRequest, obj: Model | None) -> bool:
        if obj is None:
            return True
        rows = self.model._default_manager.filter(pk=obj.pk)
        return bool(self.changeable(request, rows).exists())

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> "ModelChoiceField[Any] | None":
        """Offer only rows that this person may change as the other end of a relation."""
        related = self.admin_site._registry.get(db_field.remote_field.model)
        if isinstance(related, TenantAdmin):
            rows = related.changeable(request, related.get_queryset(request))
            kwargs["queryset"] = _as_listed(related, rows)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class ReadOnlyAdmin(TenantAdmin):
    """An admin of rows with rules: they are looked at here, and changed by what keeps the rules."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds rows by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody changes rows by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody deletes rows by hand."""
        return False


class OwnRowsFilter(RelatedFieldListFilter):
    """A filter by a related row that offers only rows that this person may see."""

    def field_choices(
        self, field: Any, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]"
    ) -> list[tuple[str, Any]]:
        """Return the choices as (key, label)."""
        related = model_admin.admin_site._registry[field.remote_field.model]
        rows = _as_listed(related, related.get_queryset(request))
        return [(str(row.pk), str(row)) for row in rows]


def _as_listed(related: "admin.ModelAdmin[Any]", rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return rows in the order of their own list, with what their names need."""
    with_names = related.list_select_related
    rows = rows.select_related(*with_names) if isinstance(with_names, tuple) else rows
    return rows.order_by(*related.ordering or ("pk",))


class WordFilter(admin.SimpleListFilter):
    """A filter by one of a few known words in a column: no query is needed to offer them.

    Subclasses set `title`, `parameter_name` (the column) and `words`.
    """

    words: ClassVar[tuple[str, ...]]

    def lookups(
        self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]"
    ) -> list[tuple[str, str]]:
        """Offer the words."""
        return [(word, word) for word in self.words]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows with the chosen word."""
        column = str(self.parameter_name)
        return queryset.filter(**{column: self.value()}) if self.value() else queryset
