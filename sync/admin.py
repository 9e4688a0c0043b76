"""The admin of mappings and of the journal of every run."""

from typing import Any

from django.contrib import admin
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html

from config.admin_display import NOTHING, differences, folded, link, list_link, readable, table
from config.tenant_admin import OwnRowsFilter, ReadOnlyAdmin, WordFilter
from sync.models import Mapping, SyncItem, SyncOperation

# How many lines of an operation its page shows; a link leads to the rest.
MOST_LINES = 50


class StandingFilter(admin.SimpleListFilter):
    """Filters mappings by how their copies stand."""

    title = "standing"
    parameter_name = "standing"
    conditions = {
        "moved": ~Q(remote_hash=F("base_hash")),
        "waiting": Q(next_attempt_at__isnull=False),
        "unanswered": Q(unanswered=True),
        "obstacle": ~Q(obstacle=""),
        "grave": Q(remote_hash="", base_hash=""),
    }

    def lookups(
        self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]"
    ) -> list[tuple[str, str]]:
        """Offer the ways in which a copy may stand."""
        return [
            ("moved", "changed remotely"),
            ("waiting", "waits for another attempt"),
            ("unanswered", "a write was never answered"),
            ("obstacle", "cannot be written"),
            ("grave", "gone on both sides"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the mappings that stand like this."""
        condition = self.conditions.get(self.value() or "")
        return queryset.filter(condition) if condition else queryset


@admin.register(Mapping)
class MappingAdmin(ReadOnlyAdmin):
    """Which local item is which remote copy, and what both sides last looked like."""

    workspace_path = "collection__account__workspace"
    heavy = ("base", "remote", "facts", "raw")
    list_display = ("name", "collection", "record", "obstacle", "attempts", "last_error", "seen_at")
    list_filter = (StandingFilter, ("collection", OwnRowsFilter))
    list_select_related = ("collection__account", "item__event")
    search_fields = ("remote_id", "=id", "=item__id")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("collection_link", "remote_id", "record", "obstacle", "seen_at")}),
        ("Trees", {"fields": ("trees", "service_answer", "facts")}),
        ("Series", {"fields": ("parent", "slot", "predecessor")}),
        (
            "Writing",
            {
                "fields": (
                    *("version", "synced_revision", "unanswered", "evidence"),
                    *("attempts", "next_attempt_at", "last_error", "history"),
                )
            },
        ),
    )
    when_empty = "Nothing has been synced yet: manage.py sync_calendars"

    @admin.display(description="remote id", ordering="remote_id")
    def name(self, mapping: Mapping) -> str:
        """Show the remote id, which a new occurrence does not have yet."""
        return readable(mapping.remote_id)

    @admin.display(description="record")
    def record(self, mapping: Mapping) -> str:
        """Link to the local record."""
        return _record_of(mapping.item)

    @admin.display(description="collection")
    def collection_link(self, mapping: Mapping) -> str:
        """Link to the collection."""
        return link(mapping.collection)

    @admin.display(description="base and remote")
    def trees(self, mapping: Mapping) -> str:
        """Show what both sides last agreed on, beside what the service last showed."""
        same = mapping.remote_hash == mapping.base_hash
        remote = mapping.base if same else mapping.remote
        shown = sorted({*(mapping.base or {}), *(remote or {})})
        return differences({"base": mapping.base, "remote": remote}, shown)

    @admin.display(description="as the service gave it")
    def service_answer(self, mapping: Mapping) -> str:
        """Show the raw answer of the service, folded."""
        return folded("show", mapping.raw)

    @admin.display(description="history")
    def history(self, mapping: Mapping) -> str:
        """Link to what runs did about it."""
        return list_link(SyncItem, "what runs did about it", mapping__id__exact=mapping.pk)


def _record_of(item: Any) -> str:
    """Link to an item by what a person knows it by."""
    event = getattr(item, "event", None)
    return link(event, event.title or str(event)) if event else NOTHING


@admin.register(SyncOperation)
class SyncOperationAdmin(ReadOnlyAdmin):
    """Runs: what each looked at, did, and how it ended."""

    workspace_path = "collection__account__workspace"
    list_display = ("started_at", "collection", "state", "trigger", "done", "calls", "took", "why")
    list_filter = ("state", ("collection", OwnRowsFilter), "complete_listing")
    list_select_related = ("collection__account",)
    date_hierarchy = "started_at"
    search_fields = ("=id", "trigger", "collection__name", "collection__account__email", "error")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("collection_link", "state", "trigger", "actor", "error")}),
        ("When", {"fields": ("started_at", "ended_at", "took", "timings", "calls")}),
        ("What", {"fields": ("complete_listing", "done", "holds", "plan_hash", "fence")}),
        ("Changes", {"fields": ("changes",)}),
        ("Log", {"fields": ("log",)}),
    )
    when_empty = "Nothing has run yet: manage.py sync_calendars"

    @admin.display(description="collection")
    def collection_link(self, operation: SyncOperation) -> str:
        """Link to the collection."""
        return link(operation.collection)

    @admin.display(description="done")
    def done(self, operation: SyncOperation) -> str:
        """Say what was done how often."""
        counts = sorted(operation.counts.items())
        return ", ".join(f"{number} {what}" for what, number in counts) or "nothing to do"

    @admin.display(description="took")
    def took(self, operation: SyncOperation) -> str:
        """Say how long it took."""
        if operation.ended_at is None:
            return NOTHING
        return f"{(operation.ended_at - operation.started_at).total_seconds():.1f} s"

    @admin.display(description="trouble")
    def why(self, operation: SyncOperation) -> str:
        """Say what stopped it or what it holds back."""
        return readable("; ".join([operation.error, *operation.holds]).strip("; "))

    @admin.display(description="changes")
    def changes(self, operation: SyncOperation) -> str:
        """Show the first changes, and the way to all of them."""
        items = operation.items.defer("before", "after").select_related("item__event")
        cells = [
            (
                link(one, f"{one.side} {one.action}"),
                _record_of(one.item),
                one.reason,
                ", ".join(one.fields),
                one.get_state_display(),
                readable(one.error),
            )
            for one in items.order_by("id")[:MOST_LINES]
        ]
        shown = table(("change", "record", "why", "fields", "state", "error"), cells)
        everything = list_link(SyncItem, "all changes", operation__id__exact=operation.pk)
        return format_html("{}{}", shown, everything)

    @admin.display(description="log")
    def log(self, operation: SyncOperation) -> str:
        """Show the first lines of its log."""
        cells = [
            (
                timezone.localtime(line.at).strftime("%Y-%m-%d %H:%M:%S"),
                line.level,
                line.code,
                readable(line.facts),
            )
            for line in operation.logs.order_by("id")[:MOST_LINES]
        ]
        return table(("at", "level", "what", "facts"), cells)


class SideFilter(WordFilter):
    """Filters changes by the side they changed."""

    title = "side"
    parameter_name = "side"
    words = ("local", "remote")


class ActionFilter(WordFilter):
    """Filters changes by what was done."""

    title = "action"
    parameter_name = "action"
    words = ("create", "update", "delete", "settle", "forget", "conflict", "link")


@admin.register(SyncItem)
class SyncItemAdmin(ReadOnlyAdmin):
    """Changes: what was done to which record, why, and how it ended."""

    workspace_path = "operation__collection__account__workspace"
    heavy = ("before", "after")
    list_display = ("change", "created_at", "collection", "record", "reason", "state", "error")
    list_filter = (
        "state",
        SideFilter,
        ActionFilter,
        ("operation__collection", OwnRowsFilter),
    )
    list_select_related = ("operation__collection__account", "item__event")
    search_fields = ("remote_id", "=id", "=item__id", "=operation__id")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("change", "state", "reason", "record", "remote_id", "error")}),
        ("Before and after", {"fields": ("difference", "evidence", "expected_version")}),
        ("When", {"fields": ("operation_link", "created_at", "closed_at", "attempts")}),
    )
    when_empty = "Nothing has been changed yet: manage.py sync_calendars"

    @admin.display(description="change")
    def change(self, line: SyncItem) -> str:
        """Say what was done where."""
        return f"{line.side} {line.action}"

    @admin.display(description="collection")
    def collection(self, line: SyncItem) -> str:
        """Name the collection."""
        return readable(str(line.operation.collection))

    @admin.display(description="record")
    def record(self, line: SyncItem) -> str:
        """Link to the local record."""
        return _record_of(line.item)

    @admin.display(description="operation")
    def operation_link(self, line: SyncItem) -> str:
        """Link to the run that did it."""
        return link(line.operation)

    @admin.display(description="difference")
    def difference(self, line: SyncItem) -> str:
        """Show the record before and after, field by field."""
        return differences({"before": line.before, "after": line.after})
