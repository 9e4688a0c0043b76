"""Every page of the admin: it opens, finds, shows hostile text as text, and never a secret."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model, RestrictedError
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from calendars.models import BusyRule, Event, Item
from conflicts.models import Conflict
from integrations.models import Circle, Collection, Workspace
from sync.models import Mapping, SyncItem, SyncOperation
from tests.admin.addresses import MODELS, NAMES, form_for_new, list_of, page_of
from tests.admin.team import CANARY, NOW, Team, browser, superuser

pytestmark = pytest.mark.django_db
every_model = pytest.mark.parametrize("model", MODELS, ids=NAMES)

SHOWING_TITLES = (Event, Mapping, SyncItem, SyncOperation, Conflict)


@pytest.fixture
def team() -> Team:
    return Team("domestic")


@pytest.fixture
def root() -> Client:
    return browser(superuser())


def text_of(client: Client, address: str, query: dict[str, Any] | None = None) -> str:
    page = client.get(address, query or {})
    assert page.status_code == 200, (address, page.status_code)
    return page.content.decode()


@every_model
def test_lists_and_pages_show_hostile_text_as_text(
    model: type[Model], team: Team, root: Client
) -> None:
    pages = [text_of(root, list_of(model)), text_of(root, page_of(team.rows[model]))]

    assert all("<script>alert" not in page for page in pages)
    if model in SHOWING_TITLES:
        assert "&lt;script&gt;alert(1)" in pages[1]


@every_model
def test_no_title_and_no_name_turns_the_direction_of_reading(
    model: type[Model], team: Team, root: Client
) -> None:
    assert "\u202e" not in text_of(root, list_of(model))
    assert "\u202e" not in text_of(root, page_of(team.rows[model]))


def test_a_choice_of_calendars_does_not_turn_the_direction_of_reading(
    team: Team, root: Client
) -> None:
    page = text_of(root, form_for_new(BusyRule))

    assert "domestic main" in page
    assert "\u202e" not in page


@every_model
def test_no_page_shows_a_secret(model: type[Model], team: Team, root: Client) -> None:
    row = team.rows[model]

    assert CANARY not in text_of(root, list_of(model))
    assert CANARY not in text_of(root, page_of(row))
    assert CANARY not in text_of(root, page_of(row, "history"))


def test_a_list_costs_the_same_number_of_queries_however_long_it_is(root: Client) -> None:
    for number in range(3):
        Team(f"team{number}")
    few = {model.__name__: _queries(root, list_of(model)) for model in MODELS}
    for number in range(3, 30):
        Team(f"team{number}")

    assert {model.__name__: _queries(root, list_of(model)) for model in MODELS} == few


def _queries(client: Client, address: str) -> int:
    text_of(client, address)  # some queries are made only once in a process
    with CaptureQueriesContext(connection) as queries:
        text_of(client, address)
    return len(queries)


@every_model
def test_every_filter_can_be_chosen(model: type[Model], team: Team, root: Client) -> None:
    Team("another")
    changelist = root.get(list_of(model)).context["cl"]
    queries = {
        choice["query_string"]
        for chosen in changelist.filter_specs
        for choice in chosen.choices(changelist)
    }

    for query in queries:
        text_of(root, list_of(model) + query)
    assert bool(queries) == bool(admin.site._registry[model].list_filter)


@every_model
def test_every_list_can_be_sorted_by_each_column(
    model: type[Model], team: Team, root: Client
) -> None:
    for column in range(len(admin.site._registry[model].list_display) + 1):
        text_of(root, list_of(model), {"o": f"-{column}"})


@every_model
def test_an_empty_list_says_what_to_do(model: type[Model], root: Client) -> None:
    page = text_of(root, list_of(model))

    assert 'class="lockstep-empty"' in page
    assert admin.site._registry[model].when_empty.split(":")[0] in page


def test_a_search_without_a_hit_says_so(team: Team, root: Client) -> None:
    assert "Nothing matches." in text_of(root, list_of(Event), {"q": "nowhere to be found"})


@every_model
def test_only_what_a_person_may_make_can_be_added(
    model: type[Model], team: Team, root: Client
) -> None:
    may_be_made = model.__name__ in ("Workspace", "BusyRule")

    assert root.get(form_for_new(model)).status_code == (200 if may_be_made else 403)


def test_the_admin_is_called_lockstep(root: Client) -> None:
    page = text_of(root, reverse("admin:index"))

    assert "| Lockstep</title>" in page
    assert "Django administration" not in page
    assert "lockstep/admin.css" in page


class TestEvents:
    """The list of events: by day, searched, filtered."""

    def listed(self, client: Client, **query: str) -> set[str]:
        page = client.get(list_of(Event), query)
        assert page.status_code == 200
        return {event.title for event in page.context["cl"].queryset}

    def test_a_day_holds_its_all_day_events_too(self, team: Team, root: Client) -> None:
        Event.objects.all().delete()
        team.add_event("At noon")
        team.add_event("All day", starts_on=date(2026, 5, 1), ends_on=date(2026, 5, 2))
        team.add_event("Next day", starts_on=date(2026, 5, 2), ends_on=date(2026, 5, 3))

        day = {f"begins_at__{part}": str(getattr(NOW, part)) for part in ("year", "month", "day")}

        assert self.listed(root, **day) == {"At noon", "All day"}

    def test_the_newest_come_first_and_those_without_a_time_last(
        self, team: Team, root: Client
    ) -> None:
        Event.objects.all().delete()
        team.add_event("Early")
        cancelled = team.add_event("Cancelled occurrence")
        Event.objects.filter(pk=cancelled.pk).update(starts_at=None, ends_at=None)
        team.add_event("Late", starts_on=date(2026, 6, 1), ends_on=date(2026, 6, 2))

        rows = root.get(list_of(Event)).context["cl"].result_list

        assert [event.title for event in rows] == ["Late", "Early", "Cancelled occurrence"]

    @pytest.mark.parametrize("wanted", ["noon", "blue room", "@domestic"])
    def test_title_place_and_uid_are_searched(self, team: Team, root: Client, wanted: str) -> None:
        team.add_event("At noon", location="Blue room")

        assert "At noon" in self.listed(root, q=wanted)

    def test_deleted_events_are_shown_when_asked_for(self, team: Team, root: Client) -> None:
        gone = team.add_event("Gone").item
        Item.objects.filter(pk=gone.pk).update(deleted_at=NOW)

        assert "Gone" not in self.listed(root)
        assert self.listed(root, presence="deleted") == {"Gone"}
        assert self.listed(root, presence="all") > {"Gone"}

    def test_busy_blocks_are_told_from_peoples_events(self, team: Team, root: Client) -> None:
        assert self.listed(root, made_by="rules") == {"Busy domestic"}
        assert self.listed(root, made_by="people") == {team.event.title}

    def test_a_series_and_its_exceptions_lead_to_each_other(self, team: Team, root: Client) -> None:
        series = team.add_event("Weekly", recurrence=["RRULE:FREQ=WEEKLY"])
        moved = team.add_event("Weekly, moved", series=series.item, slot="2026-05-08T12:00:00Z")

        assert page_of(moved) in text_of(root, page_of(series))
        assert page_of(series) in text_of(root, page_of(moved))

    def test_an_event_leads_to_its_copies_its_history_and_its_blocks(
        self, team: Team, root: Client
    ) -> None:
        page = text_of(root, page_of(team.event))

        for row in (team.mapping, team.line, team.block, team.main):
            assert page_of(row) in page
        everything = f"{list_of(SyncItem)}?item__id__exact={team.event.pk}"
        assert everything in page
        assert team.line in root.get(everything).context["cl"].queryset

    def test_a_page_with_a_long_history_costs_no_more_queries(
        self, team: Team, root: Client
    ) -> None:
        few = _queries(root, page_of(team.event))
        for _ in range(30):
            team.add_line()

        assert _queries(root, page_of(team.event)) == few

    def test_times_are_shown_as_the_calendar_says_them(self, team: Team, root: Client) -> None:
        team.add_event("Noon in UTC", start_zone="Europe/Berlin")
        team.add_event("Unknown zone", start_zone="Mars/Base", starts_at=NOW + timedelta(days=1))

        page = text_of(root, list_of(Event))

        assert "2026-05-01 14:00 Europe/Berlin" in page
        assert "2026-05-02 12:00 UTC" in page


class TestOperations:
    """The page of a run, and the list of its changes."""

    def test_shows_the_first_changes_and_the_way_to_all(self, team: Team, root: Client) -> None:
        lines = sorted([team.line, *(team.add_line() for _ in range(59))], key=lambda line: line.pk)

        page = text_of(root, page_of(team.operation))

        assert [page_of(line) in page for line in lines] == [True] * 50 + [False] * 10
        assert f"{list_of(SyncItem)}?operation__id__exact={team.operation.pk}" in page

    def test_its_list_of_changes_holds_nothing_else(self, team: Team, root: Client) -> None:
        Team("another")

        page = root.get(list_of(SyncItem), {"operation__id__exact": str(team.operation.pk)})

        assert list(page.context["cl"].queryset) == [team.line]

    def test_costs_no_more_queries_with_more_changes(self, team: Team, root: Client) -> None:
        few = _queries(root, page_of(team.operation))
        for _ in range(30):
            team.add_line()
            team.add_log()

        assert _queries(root, page_of(team.operation)) == few

    def test_shows_its_log(self, team: Team, root: Client) -> None:
        assert "warning" in text_of(root, page_of(team.operation))


def test_a_change_shows_only_what_differs(team: Team, root: Client) -> None:
    page = text_of(root, page_of(team.line))

    assert "Before domestic" in page
    assert "<td>location</td>" not in page


def test_a_mapping_shows_the_services_answer_folded(team: Team, root: Client) -> None:
    page = text_of(root, page_of(team.mapping))

    assert "<details" in page
    assert "&quot;summary&quot;" in page


@pytest.mark.parametrize(
    ("standing", "columns"),
    [
        ("moved", {"remote_hash": "other"}),
        ("waiting", {"next_attempt_at": NOW}),
        ("unanswered", {"unanswered": True}),
        ("obstacle", {"obstacle": "a birthday"}),
        ("grave", {"remote_hash": "", "base_hash": ""}),
    ],
)
def test_mappings_are_filtered_by_how_they_stand(
    team: Team, root: Client, standing: str, columns: dict[str, Any]
) -> None:
    Team("another")
    Mapping.objects.filter(pk=team.mapping.pk).update(**columns)

    page = root.get(list_of(Mapping), {"standing": standing})

    assert list(page.context["cl"].queryset) == [team.mapping]


def test_people_are_chosen_for_a_workspace_by_name(team: Team, root: Client) -> None:
    newcomer = User.objects.create_user("newcomer")

    root.post(
        page_of(team.workspace),
        {
            "name": "New name",
            "memberships-TOTAL_FORMS": 1,
            "memberships-INITIAL_FORMS": 0,
            "memberships-0-user": newcomer.pk,
            "memberships-0-role": "viewer",
        },
    )

    assert newcomer.workspaces.get().name == "New name"


def test_a_workspace_goes_only_when_nothing_belongs_to_it(team: Team, root: Client) -> None:
    empty = Workspace.objects.create(name="Empty")

    assert root.post(page_of(team.workspace, "delete"), {"post": "yes"}).status_code == 403
    assert root.post(page_of(empty, "delete"), {"post": "yes"}).status_code == 302
    assert list(Workspace.objects.all()) == [team.workspace]


def test_a_circle_with_calendars_says_how_it_is_removed_and_stays(team: Team, root: Client) -> None:
    Collection.objects.filter(pk=team.main.pk).update(circle=team.circle)

    page = text_of(root, page_of(team.circle))
    refused = root.post(page_of(team.circle, "delete"), {"post": "yes"})

    assert f"manage.py circle remove {team.circle.pk}" in page
    assert refused.status_code == 403
    with pytest.raises(RestrictedError):
        team.circle.delete()


def test_a_circle_leads_to_its_calendars(team: Team, root: Client) -> None:
    Collection.objects.filter(pk=team.main.pk).update(circle=team.circle)

    members = f"{list_of(Collection)}?circle__id__exact={team.circle.pk}"

    assert members in text_of(root, page_of(team.circle))
    assert list(root.get(members).context["cl"].queryset) == [team.main]


def test_a_workspace_takes_its_circles_without_calendars_along(root: Client) -> None:
    workspace = Workspace.objects.create(name="Empty")
    Circle.objects.create(workspace=workspace, name="Nobody left")

    assert root.post(page_of(workspace, "delete"), {"post": "yes"}).status_code == 302
    assert not Circle.objects.exists()


def test_a_workspace_deleted_with_all_it_has_takes_circles_and_calendars_along(team: Team) -> None:
    Collection.objects.filter(pk=team.main.pk).update(circle=team.circle)

    team.workspace.delete()

    assert not Circle.objects.exists()
    assert not Collection.objects.exists()


def test_the_first_page_leads_to_the_admin(client: Client) -> None:
    assert client.get("/").headers["Location"] == "/admin/"
