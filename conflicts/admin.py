"""The admin of conflicts: what clashed, both versions, and a person's ruling."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from config.admin_display import NOTHING, differences, link, readable
from config.tenant_admin import OwnRowsFilter, ReadOnlyAdmin
from conflicts.models import Conflict
from conflicts.services import ConflictClosed, Side, UnknownConflict, rule


@admin.register(Conflict)
class ConflictAdmin(ReadOnlyAdmin):
    """Conflicts: open ones can be ruled on, all keep both versions."""

    workspace_path = "mapping__collection__account__workspace"
    heavy = ("base", "local", "remote", "ruling")
    list_display = ("what", "outcome", "record", "collection", "strategy", "winner", "created_at")
    list_filter = ("outcome", "strategy", ("mapping__collection", OwnRowsFilter))
    list_select_related = ("mapping__collection__account", "mapping__item__event")
    search_fields = ("=id", "mapping__remote_id", "mapping__item__event__title")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("what", "outcome", "record", "copy", "created_at")}),
        ("Versions", {"fields": ("versions",)}),
        ("Decision", {"fields": ("strategy", "winner", "ruled_by", "ruled_at", "closed_at")}),
    )
    actions = ("keep_local", "keep_remote")
    when_empty = "No conflicts: nobody changed the same thing on both sides."

    @admin.display(description="clash in")
    def what(self, conflict: Conflict) -> str:
        """Name the fields that clash."""
        return ", ".join("the whole record" if n == "*" else n for n in conflict.fields) or NOTHING

    @admin.display(description="record")
    def record(self, conflict: Conflict) -> str:
        """Link to the local record."""
        event = getattr(conflict.mapping.item, "event", None)
        return link(event, event.title or str(event)) if event else NOTHING

    @admin.display(description="copy")
    def copy(self, conflict: Conflict) -> str:
        """Link to the mapping of the remote copy."""
        return link(conflict.mapping, conflict.mapping.remote_id)

    @admin.display(description="collection")
    def collection(self, conflict: Conflict) -> str:
        """Name the collection."""
        return readable(str(conflict.mapping.collection))

    @admin.display(description="winner")
    def winner(self, conflict: Conflict) -> str:
        """Say which side won where the strategy decided."""
        return ", ".join(f"{name}: {side}" for name, side in conflict.winners.items()) or NOTHING

    @admin.display(description="versions")
    def versions(self, conflict: Conflict) -> str:
        """Show the versions side by side where they differ."""
        shown = {"base": conflict.base, "local": conflict.local, "remote": conflict.remote}
        if conflict.ruling is not None:
            shown["ruling"] = conflict.ruling["fields"]
        return differences(shown, conflict.fields)

    @admin.action(description="Keep the local version", permissions=["steer"])
    def keep_local(self, request: HttpRequest, chosen: QuerySet[Conflict]) -> None:
        """Rule that the local side is right."""
        self._keep(request, chosen, Side.LOCAL)

    @admin.action(description="Keep the remote version", permissions=["steer"])
    def keep_remote(self, request: HttpRequest, chosen: QuerySet[Conflict]) -> None:
        """Rule that the remote side is right."""
        self._keep(request, chosen, Side.REMOTE)

    def _keep(self, request: HttpRequest, chosen: QuerySet[Conflict], side: Side) -> None:
        ids = list(self.changeable(request, chosen).values_list("pk", flat=True))
        done = sum(self._rule(request.user, pk, side) for pk in ids)
        what = f"ruled: the {side} version is kept by the next sync"
        self.report(request, chosen, done, what, "nobody waits for a ruling there")

    def _rule(self, user: Any, conflict_id: Any, side: Side) -> bool:
        try:
            rule(conflict_id=conflict_id, keep=side, by=user, now=timezone.now())
        except (ConflictClosed, UnknownConflict):
            return False
        return True
