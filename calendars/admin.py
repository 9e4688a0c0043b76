"""The admin of calendars, events and busy rules."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import Count, F, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html

from calendars.models import BusyRule, Calendar, Event
from calendars.rule_form import RULE_PARTS, BusyRuleForm
from calendars.services import (
    add_busy_rule,
    change_busy_rule,
    remove_busy_rule,
)
from config.admin_display import NOTHING, link, list_link, readable, table
from config.tenant_admin import OwnRowsFilter, ReadOnlyAdmin, TenantAdmin, WordFilter
from sync.models import Mapping, SyncItem

# How many related rows a page shows.
MOST_RELATED = 50


@admin.register(Calendar)
class CalendarAdmin(ReadOnlyAdmin):
    """Calendars as their services list them."""

    workspace_path = "collection__account__workspace"
    list_display = ("collection", "time_zone", "primary", "hidden", "events")
    list_filter = ("primary", "hidden", ("collection__account", OwnRowsFilter))
    list_select_related = ("collection__account",)
    search_fields = ("collection__name", "collection__remote_id", "time_zone")
    ordering = ("collection__account__email", "collection__name", "collection_id")
    fields = (
        *("settings", "time_zone", "primary", "hidden", "colour", "default_reminders"),
        "events",
    )
    when_empty = "There is no calendar yet. Connecting an account brings its calendars."

    @admin.display(description="collection")
    def settings(self, calendar: Calendar) -> str:
        """Link to where its settings are."""
        return link(calendar.collection)

    @admin.display(description="events")
    def events(self, calendar: Calendar) -> str:
        """Link to its events."""
        return list_link(Event, "events", item__home__id__exact=calendar.pk)


class PresenceFilter(admin.SimpleListFilter):
    """Leaves out deleted events unless asked for them."""

    title = "presence"
    parameter_name = "presence"

    def lookups(
        self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]"
    ) -> list[tuple[str, str]]:
        """Offer what is there, what is deleted, and both."""
        return [("there", "not deleted"), ("deleted", "deleted"), ("all", "all")]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Yield the choices; the first one is taken where none is."""
        for value, label in self.lookup_choices:
            yield {
                "selected": value == (self.value() or "there"),
                "query_string": changelist.get_query_string({"presence": value}),
                "display": label,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the events that are asked for."""
        match self.value():
            case "all":
                return queryset
            case "deleted":
                return queryset.filter(item__deleted_at__isnull=False)
            case _:
                return queryset.filter(item__deleted_at=None)


class BusyBlockFilter(admin.SimpleListFilter):
    """Tells busy blocks from events of people."""

    title = "made by"
    parameter_name = "made_by"

    def lookups(
        self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]"
    ) -> list[tuple[str, str]]:
        """Offer both sorts."""
        return [("people", "people"), ("rules", "busy rules")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the sort that is asked for."""
        if self.value() not in ("people", "rules"):
            return queryset
        return queryset.filter(busy_rule__isnull=self.value() == "people")


class StatusFilter(WordFilter):
    """Filters by the status that most services know."""

    title = "status"
    parameter_name = "status"
    words = ("confirmed", "tentative", "cancelled")


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """Events by day, with where they are and what became of them."""

    workspace_path = "item__workspace"
    heavy = ("description", "attendees", "conference", "attachments", "metadata")
    list_display = ("label", "begins", "calendar", "status", "is_block", "is_there")
    list_filter = (
        PresenceFilter,
        ("item__home", OwnRowsFilter),
        ("item__home__account", OwnRowsFilter),
        StatusFilter,
        BusyBlockFilter,
    )
    list_select_related = ("item__home__account",)
    date_hierarchy = "begins_at"
    search_fields = ("title", "location", "uid")
    ordering = (F("begins_at").desc(nulls_last=True), "-pk")
    fieldsets = (
        (None, {"fields": ("label", "begins", "ends", "calendar", "is_there")}),
        ("Series", {"fields": ("series_link", "exceptions")}),
        ("Busy blocks", {"fields": ("rule", "source_link", "blocks")}),
        ("Copies", {"fields": ("copies",)}),
        ("History", {"fields": ("history",)}),
        ("Content", {"fields": ("content",)}),
    )
    when_empty = "There is no event yet: manage.py sync_calendars"

    @admin.display(description="title", ordering="title")
    def label(self, event: Event) -> str:
        """Show the title on one line."""
        return " ".join(readable(event.title).split())

    @admin.display(description="begins", ordering="begins_at")
    def begins(self, event: Event) -> str:
        """Show the start as its calendar says it."""
        return _moment(event.starts_at, event.starts_on, event.start_zone)

    @admin.display(description="ends")
    def ends(self, event: Event) -> str:
        """Show the exclusive end as its calendar says it."""
        return _moment(event.ends_at, event.ends_on, event.end_zone)

    @admin.display(description="calendar", ordering="item__home__name")
    def calendar(self, event: Event) -> str:
        """Link to its calendar."""
        return link(event.item.home)

    @admin.display(description="busy block", boolean=True)
    def is_block(self, event: Event) -> bool:
        """Say whether a busy rule made it."""
        return event.busy_rule_id is not None

    @admin.display(description="there", boolean=True)
    def is_there(self, event: Event) -> bool:
        """Say whether it is not deleted."""
        return event.item.deleted_at is None

    @admin.display(description="exception in")
    def series_link(self, event: Event) -> str:
        """Link to the series that it is an exception of."""
        return _link_to(event.series.event if event.series else None, event.slot)

    @admin.display(description="exceptions")
    def exceptions(self, event: Event) -> str:
        """List the occurrences that differ from the series."""
        rows = Event.objects.filter(series=event.pk).order_by("slot")[:MOST_RELATED]
        cells = [(one.slot, one.status, _link_to(one)) for one in rows]
        return table(("occurrence", "status", "event"), cells)

    @admin.display(description="made by the rule")
    def rule(self, event: Event) -> str:
        """Name the rule whose block it is."""
        return readable(str(event.busy_rule)) if event.busy_rule else NOTHING

    @admin.display(description="blocks out the time of")
    def source_link(self, event: Event) -> str:
        """Link to the event that it is the busy block of."""
        return _link_to(event.source.event if event.source else None)

    @admin.display(description="its busy blocks")
    def blocks(self, event: Event) -> str:
        """List the busy blocks that it has in other calendars."""
        rows = Event.objects.filter(source=event.pk).select_related("item__home__account")
        cells = [(link(one.item.home), _link_to(one)) for one in rows[:MOST_RELATED]]
        return table(("calendar", "block"), cells)

    @admin.display(description="copies")
    def copies(self, event: Event) -> str:
        """List its remote copies."""
        rows = Mapping.objects.filter(item=event.pk).select_related("collection__account")
        cells = [
            (link(one.collection), link(one, one.remote_id), one.last_error or NOTHING)
            for one in rows.defer("base", "remote", "raw")
        ]
        return table(("collection", "remote id", "last error"), cells)

    @admin.display(description="history")
    def history(self, event: Event) -> str:
        """List its latest changes."""
        rows = SyncItem.objects.filter(item=event.pk).defer("before", "after").order_by("-id")
        cells = [
            (
                timezone.localtime(one.created_at).strftime("%Y-%m-%d %H:%M:%S"),
                link(one, f"{one.side} {one.action}"),
                one.reason,
                ", ".join(one.fields),
                one.get_state_display(),
            )
            for one in rows[:MOST_RELATED]
        ]
        shown = table(("at", "change", "why", "fields", "state"), cells)
        everything = list_link(SyncItem, "all changes", item__id__exact=event.pk)
        return format_html("{}{}", shown, everything)

    @admin.display(description="content")
    def content(self, event: Event) -> str:
        """Show every column that says something."""
        names = [field.name for field in Event._meta.concrete_fields if not field.is_relation]
        cells = [(name, readable(_plain(getattr(event, name)))) for name in names]
        return table(("field", "value"), [cell for cell in cells if cell[1] != NOTHING])


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _link_to(event: Event | None, text: str = "") -> str:
    return link(event, text or (event.title if event else "")) if event else NOTHING


def _moment(at: datetime | None, on: date | None, zone: str) -> str:
    if at is None:
        return on.isoformat() if on else NOTHING
    try:
        return f"{at.astimezone(ZoneInfo(zone or 'UTC')):%Y-%m-%d %H:%M} {zone or 'UTC'}"
    except (ValueError, ZoneInfoNotFoundError):
        return f"{at:%Y-%m-%d %H:%M} UTC"


@admin.register(BusyRule)
class BusyRuleAdmin(TenantAdmin):
    """Which calendars block which; a rule that is deleted takes its blocks along."""

    workspace_path = "source__account__workspace"
    form = BusyRuleForm
    fieldsets = RULE_PARTS
    list_display = ("__str__", "title_template", "shown", "enabled", "block_count", "created_at")
    list_filter = ("enabled", ("source", OwnRowsFilter), ("target", OwnRowsFilter))
    list_select_related = ("source__account", "target__account")
    search_fields = ("source__name", "target__name", "title_template")
    ordering = ("created_at", "id")
    when_empty = "No calendar blocks another yet. Add a busy rule."

    def get_queryset(self, request: HttpRequest) -> QuerySet[BusyRule]:
        """Return the rules that nobody took away, with the numbers of their blocks."""
        alive = Q(blocks__item__deleted_at=None)
        rules: QuerySet[BusyRule] = super().get_queryset(request)
        return rules.filter(removed_at=None).annotate(
            number_of_blocks=Count("blocks", filter=alive)
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """A rule keeps its calendars: for others, make another rule."""
        return ("source", "target") if obj else ()

    @admin.display(description="shows")
    def shown(self, rule: BusyRule) -> str:
        """Say what of an event may be seen."""
        return ", ".join(rule.fields) or NOTHING

    @admin.display(description="blocks", ordering="number_of_blocks")
    def block_count(self, rule: Any) -> int:
        """Say how many blocks it has."""
        return int(rule.number_of_blocks)

    def save_model(
        self, request: HttpRequest, obj: BusyRule, form: BusyRuleForm, change: bool
    ) -> None:
        """Add or change the rule."""
        names = form.sent if change else form.cleaned_data
        knobs = {name: getattr(obj, name) for name in names}
        if change and knobs:
            change_busy_rule(rule=obj, **knobs)
        elif not change:
            add_busy_rule(id=obj.pk, title=knobs.pop("title_template"), **knobs)

    def delete_model(self, request: HttpRequest, obj: BusyRule) -> None:
        """Take the rule and its blocks away."""
        self._remove(request, [obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[BusyRule]) -> None:
        """Take the rules and their blocks away."""
        self._remove(request, list(queryset))

    def _remove(self, request: HttpRequest, rules: list[BusyRule]) -> None:
        number = sum(remove_busy_rule(rule=rule, now=timezone.now()).gone for rule in rules)
        self.message_user(request, f"The next sync deletes {number} busy blocks.", messages.SUCCESS)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Say what goes with the rules: their blocks, here and at the service, and nothing else."""
        rules = BusyRule.objects.filter(pk__in=[rule.pk for rule in objs])
        blocks = Event.objects.filter(busy_rule__in=rules, item__deleted_at=None).count()
        out_of_reach = self.changeable(request, rules).count() < len(objs)
        refused = {"busy rule"} if out_of_reach else set()
        return [f"{rule} with its blocks" for rule in objs], {"busy blocks": blocks}, refused, []
