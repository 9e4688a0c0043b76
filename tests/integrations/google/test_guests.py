"""Invitations: what a guest's copy lets us change, against the sandbox over HTTP."""

from typing import Any

import pytest

from integrations.sandbox import Sandbox
from sync.core.provider import Remedy
from tests.integrations.google.conftest import HOME, WORK, Google
from tests.integrations.provider_contract import create, exception, one, refused, update
from tests.integrations.samples import DAILY, HOUR_LATER, MOMENT, plain


@pytest.fixture
def invitation(sandbox: Sandbox, google: Google) -> tuple[Google, str]:
    """An event of home@example.com to which work@example.com is invited."""
    host = Google(sandbox, HOME)
    name = host.add({**plain("party"), "attendees": [{"email": WORK}, {"email": "x@example.com"}]})
    return google, name


def test_a_guest_answers_an_invitation(invitation: tuple[Google, str]) -> None:
    google, name = invitation
    provider = google.open()
    copy = provider.read(name)
    guests = [
        {**guest, "response": "accepted"} if guest.get("self") else guest
        for guest in (copy.fields or {})["attendees"]
    ]
    after = one(provider, update(copy, attendees=guests))
    own = next(g for g in (after.fields or {})["attendees"] if g.get("self"))
    assert own["response"] == "accepted"


def test_a_guest_changes_what_is_their_own(invitation: tuple[Google, str]) -> None:
    google, name = invitation
    provider = google.open()
    own = {
        "colour": "5",
        "reminders": {"default": False, "overrides": []},
        "metadata": {"private": {"seen": "yes"}},
    }
    after = one(provider, update(provider.read(name), **own))
    assert {key: (after.fields or {})[key] for key in own} == own


def test_a_guest_does_not_move_an_occurrence_of_the_organisers_series(
    sandbox: Sandbox, google: Google
) -> None:
    host = Google(sandbox, HOME)
    name = host.add({**DAILY, "attendees": [{"email": WORK}]})
    provider = google.open()
    series = provider.read(name)
    moved = {**(series.fields or {}), "title": "mine now", "recurrence": []}
    refusal = refused(provider, exception(series, "2026-12-02T09:00:00Z", moved))
    assert refusal.remedy is Remedy.PARK
    assert "organiser" in refusal.reason


@pytest.mark.parametrize(
    "change",
    [
        {"title": "mine now"},
        {"start": MOMENT, "end": {**HOUR_LATER, "at": "2026-12-01T12:00:00Z"}},
        {"attendees": []},
        {"metadata": {"shared": {"a": "1"}}},
    ],
)
def test_a_guest_does_not_change_what_is_the_organisers(
    invitation: tuple[Google, str], change: dict[str, Any]
) -> None:
    google, name = invitation
    provider = google.open()
    refusal = refused(provider, update(provider.read(name), **change))
    assert refusal.remedy is Remedy.PARK
    assert "organiser" in refusal.reason


def test_the_organiser_changes_everything(google: Google) -> None:
    provider = google.open()
    invited = {**plain(), "attendees": [{"email": WORK, "response": "accepted"}, {"email": HOME}]}
    copy = one(provider, create(provider.name("x"), invited))
    after = one(provider, update(copy, title="new"))
    assert (after.fields or {})["title"] == "new"
