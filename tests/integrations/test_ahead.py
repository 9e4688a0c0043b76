"""What changed in the next calendars is asked for while the first is still being worked on."""

from typing import Any

import pytest
from django.utils import timezone

from integrations.models import Collection, Workspace
from integrations.sandbox import Sandbox
from integrations.services import Grant, connect_google_account
from sync.run import Step
from sync.services import sync_collections
from tests.integrations.conftest import HOME, WORK
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sandbox(google_settings: Sandbox) -> Sandbox:
    """Two connected calendars that are in step."""
    google_settings.post("faults/clear")
    workspace = Workspace.objects.create(name="Band")
    for email in (WORK, HOME):
        grant = Grant(google_settings.refresh_token(email))
        connect_google_account(grant=grant, workspace=workspace, owner=None, now=timezone.now())
    sync()
    google_settings.post("journal/clear")
    return google_settings


def sync(**how: Any) -> list[str]:
    collections = list(Collection.objects.syncing().in_order())
    reports = sync_collections(collections=collections, clock=timezone.now, trigger="test", **how)
    return [report.state for report in reports]


def asked(sandbox: Sandbox) -> int:
    return sum(entry["operation"] == "events.list" for entry in sandbox.journal())


def test_all_are_asked_before_the_first_is_done(sandbox: Sandbox) -> None:
    seen: list[Step] = []

    def look(collection: Collection, step: Step) -> None:
        if not seen:
            wait_until(lambda: asked(sandbox) == 2)
        seen.append(step)

    assert sync(watch=look) == ["done", "done"]
    assert (len(seen) > 1, asked(sandbox)) == (True, 2)


def test_another_run_in_between_makes_the_early_answer_worthless(sandbox: Sandbox) -> None:
    meanwhile: list[str] = []

    def look(collection: Collection, step: Step) -> None:
        if not meanwhile:
            wait_until(lambda: asked(sandbox) == 2)
            others = Collection.objects.syncing().exclude(pk=collection.pk)
            (report,) = sync_collections(
                collections=list(others), clock=timezone.now, trigger="other"
            )
            meanwhile.append(report.state)

    assert sync(watch=look) == ["done", "done"]
    assert meanwhile == ["done"]
    assert asked(sandbox) == 4


def test_a_complete_listing_asks_for_nothing_ahead(sandbox: Sandbox) -> None:
    assert sync(complete=True) == ["done", "done"]
    assert asked(sandbox) == 2


def test_trouble_with_an_early_question_is_trouble_of_its_calendar_only(sandbox: Sandbox) -> None:
    sandbox.fault("error", operation="events.list", status=503, times=None, account=HOME)
    assert sorted(sync()) == ["done", "failed"]
    assert Collection.objects.get(remote_id=HOME).operations.latest("started_at").state == "failed"
