"""The official client and an independent one work against the sandbox as they are."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from gcal_sync.api import (
    GoogleCalendarService,
    ListEventsRequest,
    LocalListEventsRequest,
)
from gcal_sync.auth import AbstractAuth
from gcal_sync.model import DateOrDatetime, Event
from gcal_sync.store import InMemoryCalendarStore
from gcal_sync.sync import CalendarEventSyncManager
from googleapiclient.errors import HttpError

from integrations.sandbox import Sandbox
from tests.integrations.sandbox.caller import WORK, Caller, timed, whole


def test_the_official_client_writes_conditionally_and_reads_back(google):
    events = google.events()
    event = events.insert(calendarId="primary", body=whole("2026-12-01", "2026-12-02")).execute()
    patch = events.patch(calendarId="primary", eventId=event["id"], body={"summary": "New"})
    patch.headers["If-Match"] = event["etag"]
    assert patch.execute()["summary"] == "New"
    with pytest.raises(HttpError) as stale:
        patch.execute()
    assert stale.value.status_code == 412
    assert stale.value.error_details[0]["reason"] == "conditionNotMet"


def test_the_official_client_pages_with_list_next(google):
    for number in range(5):
        body = whole("2026-12-01", "2026-12-02", id=f"event{number}")
        google.events().insert(calendarId="primary", body=body).execute()
    request, names = google.events().list(calendarId="primary", maxResults=2), []
    while request is not None:
        page = request.execute()
        names += [item["id"] for item in page["items"]]
        assert ("nextSyncToken" in page) == (len(names) == 5)
        request = google.events().list_next(request, page)
    assert names == [f"event{number}" for number in range(5)]


def test_the_official_batch_maps_each_answer_to_its_call(google):
    answers: dict[str, Any] = {}

    def note(name: str, answer: Any, error: HttpError | None) -> None:
        answers[name] = error.status_code if error else answer["id"]

    google.colors().get().execute()  # the batch would leave open the connection of a refresh
    batch = google.new_batch_http_request(callback=note)
    for number in range(20):
        body = whole("2026-12-01", "2026-12-02", id=f"event{number}")
        batch.add(google.events().insert(calendarId="primary", body=body), request_id=f"r{number}")
    missing = google.events().get(calendarId="primary", eventId="nothing")
    batch.add(missing, request_id="missing")
    batch.execute()
    assert answers == {f"r{n}": f"event{n}" for n in range(20)} | {"missing": 404}


def test_a_uri_too_long_for_get_arrives_as_a_post_and_is_understood(google, sandbox):
    body = whole("2026-12-01", "2026-12-02", summary="Found")
    google.events().insert(calendarId="primary", body=body).execute()
    answer = google.events().list(calendarId="primary", q="x" * 3000).execute()
    assert answer["items"] == []
    assert sandbox.journal()[-1]["operation"] == "events.list"


class Token(AbstractAuth):
    """Hands the independent client an access token of the sandbox."""

    def __init__(self, session: aiohttp.ClientSession, caller: Caller) -> None:
        super().__init__(session, f"{caller.sandbox.url}/calendar/v3")
        self._text = caller.session.headers["Authorization"].split()[1]

    async def async_get_access_token(self) -> str:
        return self._text


def test_gcal_sync_lists_calendars_and_events(demo: Sandbox):
    caller = Caller(demo, WORK)

    async def read() -> tuple[list[str], list[str]]:
        async with aiohttp.ClientSession() as session:
            service = GoogleCalendarService(Token(session, caller))
            calendars = await service.async_list_calendars()
            assert (await service.async_get_calendar(WORK)).timezone == "Europe/Berlin"
            listed = await service.async_list_events(ListEventsRequest(calendar_id=WORK))
            titles = [event.summary async for page in listed for event in page.items]
            return [one.id for one in calendars.items], titles

    calendars, titles = asyncio.run(read())
    assert len(calendars) == 3
    assert titles.count("Stand-up") > 300
    assert "Quarterly numbers" in titles
    caller.session.close()


def test_gcal_sync_follows_changes_and_a_dead_sync_token(work, sandbox):
    work.ok("POST", "calendars/primary/events", timed("2026-12-01T09:00", "2026-12-01T10:00",
            summary="Series", recurrence=["RRULE:FREQ=DAILY;COUNT=3"]))  # fmt: skip

    async def follow() -> list[list[str]]:
        async with aiohttp.ClientSession() as session:
            service = GoogleCalendarService(Token(session, work))
            manager = CalendarEventSyncManager(service, "primary", InMemoryCalendarStore())
            seen = [await titles(manager)]
            await manager.store_service.async_add_event(
                Event(
                    summary="Added",
                    start=DateOrDatetime(date="2026-12-05"),
                    end=DateOrDatetime(date="2026-12-06"),
                )
            )
            seen.append(await titles(manager))
            sandbox.post("tokens/kill_sync")
            (added,) = [e for e in work.events().values() if e["summary"] == "Added"]
            sandbox.post("events/delete", account=WORK, calendar=WORK, id=added["id"])
            seen.append(await titles(manager))
            return seen

    async def titles(manager: CalendarEventSyncManager) -> list[str]:
        await manager.run()
        since = LocalListEventsRequest(start_time=datetime(2026, 12, 1, tzinfo=UTC))
        listed = await manager.store_service.async_list_events(since)
        return sorted(event.summary for event in listed.events)

    series = ["Series"] * 3
    assert asyncio.run(follow()) == [series, ["Added", *series], series]
