"""What holds for every event and every rule: nothing leaks, and busy time is busy time."""

import json
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from string import ascii_uppercase
from zoneinfo import ZoneInfo

from hypothesis import assume, event, given
from hypothesis import strategies as st

from calendars.hours import WEEKDAYS as DAYS
from calendars.mirror import (
    EVENT_TYPES,
    SHOWABLE,
    Block,
    Occurrences,
    Rule,
    Skip,
    Source,
    mirror,
    window,
)
from sync.core.events import EMPTY
from tests.calendars.expansion import (
    ZONES,
    moment,
    occurrences,
    parsed,
    series,
    taking_place,
    text_of,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)

# Words that stand nowhere in a block by themselves, each traceable to the field it was put in.
WORD = st.text(ascii_uppercase, min_size=6, max_size=6).map(lambda text: f"Q{text}Q")
TEXT = st.lists(WORD, min_size=1, max_size=3).map(" ".join)

TEMPLATES = ("Busy", "{title}", "{title} at {location}", "{calendar}", "({calendar}) {title}", "{")
PATTERNS = ("title:*Q*", "title:re:^QA", "organiser:*a*", "colour:7", "organiser:re:z")
ADDRESSES = ("home@example.com", "club@example.com")
filters = st.lists(st.sampled_from(PATTERNS), max_size=2).map(tuple)
hours = st.sampled_from([None, *(time(hour) for hour in range(0, 24, 3))])
weekdays = st.frozensets(st.sampled_from(DAYS), max_size=5)
ways = st.sampled_from(["busy", "tentative", "free", "skip"])
minutes = st.sampled_from([0, 0, 30, 90])
rules = st.builds(
    Rule,
    title=st.sampled_from(TEMPLATES),
    show=st.frozensets(st.sampled_from(SHOWABLE)),
    visibility=st.sampled_from(["private", "public", "default"]),
    colour=st.sampled_from(["", "5"]),
    link_back=st.booleans(),
    skip_declined=st.booleans(),
    skip_free=st.booleans(),
    skip_event_types=st.frozensets(st.sampled_from(EVENT_TYPES), max_size=1),
    tentative=ways,
    unanswered=ways,
    all_day=ways,
    private_events=st.sampled_from(["busy", "skip"]),
    include=filters,
    exclude=filters,
    hours_from=hours,
    hours_to=hours,
    weekdays=weekdays,
    minimum_minutes=st.sampled_from([0, 0, 30]),
    skip_invited=st.booleans(),
    once_per_meeting=st.booleans(),
    buffer_before=minutes,
    buffer_after=minutes,
    travel_minutes=minutes,
    merge=st.booleans(),
    past_days=st.integers(0, 100),
    future_days=st.integers(0, 400),
    zone=st.sampled_from(ZONES),
    addresses=st.frozensets(st.sampled_from(ADDRESSES)),
    one_owner=st.booleans(),
)


responses = st.sampled_from(["accepted", "declined", "tentative", "needsAction"])


@st.composite
def secrets(draw):
    """Draw every field that can hold somebody's words."""
    return {
        "title": draw(TEXT),
        "description": draw(TEXT),
        "location": draw(TEXT),
        "visibility": draw(st.sampled_from(["default", "public", "private", "confidential"])),
        "attendees": [
            {
                "email": f"{draw(WORD)}@example.com",
                "name": draw(TEXT),
                "response": draw(responses),
                "self": draw(st.booleans()),
            },
            {
                "email": draw(st.sampled_from(ADDRESSES)),
                "response": draw(responses),
            },
        ],
        "colour": draw(st.sampled_from(["", "7"])),
        "conference": {"conferenceId": draw(WORD), "notes": draw(TEXT)},
        "attachments": [{"title": draw(TEXT), "fileUrl": draw(WORD)}],
        "metadata": {"private": {draw(WORD): draw(TEXT)}, "shared": {"amount": draw(TEXT)}},
        "reminders": {"default": False, "overrides": [{"method": draw(WORD), "minutes": 5}]},
        "status": draw(st.sampled_from(["confirmed", "tentative", "cancelled"])),
        "transparency": draw(st.sampled_from(["opaque", "transparent"])),
        "event_type": draw(st.sampled_from([*EVENT_TYPES, "somethingNew"])),
    }


@st.composite
def families(draw):
    """Draw a series with a few exceptions, all of them full of words."""
    fields = {**draw(series()), **draw(secrets())}
    fields["recurrence"] = [*fields["recurrence"], f"X-NOTE:{draw(TEXT)}"]
    calendar = draw(TEXT)
    bare = {**fields, "recurrence": fields["recurrence"][:-1]}
    found = occurrences(bare, parsed(fields["start"]) + timedelta(days=60))[:4]
    times = {"start": fields["start"], "end": fields["end"]}
    exceptions = [
        draw(sources({**EMPTY, **draw(secrets()), **times}, calendar, text_of(start)))
        for start, _ in found
    ]
    return draw(sources(fields, calendar)), exceptions


def sources(fields, calendar, slot=""):
    return st.builds(
        Source,
        fields=st.just(fields),
        calendar=st.just(calendar),
        slot=st.just(slot),
        gone=st.booleans() if slot else st.just(False),
        has_block=st.booleans(),
        apart=st.booleans() if slot else st.just(False),
        organiser=st.tuples(WORD.map("{}@example.com".format), TEXT),
        link=WORD.map("https://example.com/{}".format),
    )


def blocks_in(found):
    match found:
        case Block():
            return [found]
        case Occurrences():
            return list(found.blocks)
    return []


def words_in(value):
    text = json.dumps(value).replace("@", " ").replace("/", " ")
    return {word.strip('",:;@()[]{}') for word in text.split()}


def allowed_words(rule, source):
    """Return the words of a source that its rule lets through."""
    private = source.fields["visibility"] in ("private", "confidential")
    names = rule.show & (
        {"calendar"} if private else {"title", "description", "location"} | {"calendar"}
    )
    said = {**source.fields, "calendar": source.calendar}
    linked = words_in(source.link) if rule.links else set()
    return linked | {word for name in names for word in said[name].split()}


@given(rules, families())
def test_no_word_reaches_a_block_that_its_rule_does_not_allow(rule, family):
    head, exceptions = family
    for source, found in zip([head, *exceptions], mirror(rule, head, exceptions, NOW), strict=True):
        event(f"skipped: {found}" if isinstance(found, Skip) else f"shows {len(rule.show)}")
        everything = words_in([source.fields, source.calendar, head.fields, *head.organiser])
        everything |= words_in([*source.organiser, source.link, head.link])
        secret = {word for word in everything if word.startswith("Q") and word.endswith("Q")}
        for block in blocks_in(found):
            shown = words_in(block.fields) & secret
            # A cancelled or restored occurrence has the words of its series.
            assert shown <= allowed_words(rule, source) | allowed_words(rule, head)


def looked_at(rule, source):
    """Return a source with nothing but what its rule has to look at; the rest is taken away."""
    fields = source.fields
    private = fields["visibility"] in ("private", "confidential")
    texts = () if private else rule.show & {"title", "description", "location"}
    filtered = {text.partition(":")[0] for text in (*rule.include, *rule.exclude)}
    names = {*TIMES, *texts, *(filtered & {"title", "colour"}), *(rule.show & {"colour"})}
    kept = {**EMPTY, **{name: fields[name] for name in names}}
    if rule.travel_minutes and "location" not in texts:
        kept["location"] = "somewhere" if fields["location"] else ""
    kept["recurrence"] = [line for line in fields["recurrence"] if not line.startswith("X-")]
    own = [{"self": True, "response": g["response"]} for g in fields["attendees"] if g.get("self")]
    theirs = [g for g in fields["attendees"] if g["email"] in rule.addresses]
    kept["attendees"] = [*own[:1], *(theirs if rule.skip_invited else [])]
    return replace(
        source,
        fields=kept,
        calendar=source.calendar if "calendar" in rule.show else "",
        organiser=source.organiser if "organiser" in filtered else (),
        link=source.link if rule.links else "",
    )


TIMES = ("start", "end", "status", "visibility", "transparency", "event_type")


@given(rules, families())
def test_blocks_depend_on_nothing_but_what_their_rule_has_to_look_at(rule, family):
    head, exceptions = family
    bare = [looked_at(rule, source) for source in (head, *exceptions)]
    assert mirror(rule, head, exceptions, NOW) == mirror(rule, bare[0], bare[1:], NOW)


@given(rules, families())
def test_a_block_has_no_guests_no_reminders_and_every_field(rule, family):
    for found in mirror(rule, *family, NOW):
        for block in blocks_in(found):
            assert block.fields.keys() == EMPTY.keys()
            assert (block.fields["attendees"], block.fields["conference"]) == ([], None)
            assert block.fields["attachments"] == []
            assert block.fields["reminders"] == {"default": False, "overrides": []}
            assert block.fields["event_type"] == "default"


timetables = st.builds(
    Rule,
    hours_from=st.sampled_from([None, None, time(0), time(6), time(9)]),
    hours_to=st.sampled_from([None, None, time(12), time(18), time(21)]),
    weekdays=st.one_of(st.just(frozenset()), weekdays),
    zone=st.sampled_from(ZONES),
    buffer_before=minutes,
    buffer_after=minutes,
    merge=st.booleans(),
    past_days=st.just(100),
    future_days=st.integers(30, 400),
)


@given(timetables, series())
def test_blocks_take_up_the_working_times_of_a_series_and_what_is_added_to_them(rule, fields):
    """Both sides are expanded by dateutil; working time is found by looking at each half hour."""
    since, until = window(rule, NOW)
    (found,) = mirror(rule, Source(fields), [], NOW)
    wanted = {
        _padded(rule, start, end)
        for start, end in occurrences(fields, until)
        if _is_at_work(rule, start, end) and _midnight(end) > since
    }
    event(type(found).__name__)
    drawn = {
        times
        for block in blocks_in(found)
        for times in occurrences(block.fields, until)
        if _midnight(times[1]) - _after(rule, times[1]) > since
        if _midnight(times[0]) + _before(rule, times[0]) < until
    }
    assert drawn == wanted


def _padded(rule, start, end):
    return start - _before(rule, start), end + _after(rule, end)


def _before(rule, at):
    return timedelta(minutes=rule.buffer_before if isinstance(at, datetime) else 0)


def _after(rule, at):
    return timedelta(minutes=rule.buffer_after if isinstance(at, datetime) else 0)


def _midnight(at, zone=UTC):
    return at if isinstance(at, datetime) else datetime(at.year, at.month, at.day, tzinfo=zone)


def _is_at_work(rule, start, end):
    zone = ZoneInfo(rule.zone)
    at, last = (_midnight(said, zone).astimezone(UTC) for said in (start, end))
    while True:
        wall = at.astimezone(zone)
        open_yet = rule.hours_from is None or wall.time() >= rule.hours_from
        still_open = rule.hours_to is None or wall.time() < rule.hours_to
        on_duty = not rule.weekdays or DAYS[wall.weekday()] in rule.weekdays
        if open_yet and still_open and on_duty:
            return True
        at += timedelta(minutes=30)
        if at >= last:
            return False


FATES = ("moved", "cancelled", "declined", "free", "renamed")


@st.composite
def busy_series(draw):
    """Draw a series and a fate for some of its occurrences."""
    fields = draw(series())
    fields["transparency"] = draw(st.sampled_from(["opaque", "opaque", "transparent"]))
    slots = occurrences(fields, parsed(fields["start"]) + timedelta(days=150))
    assume(slots)
    chosen = draw(st.sets(st.sampled_from(slots), max_size=4))
    return fields, {text_of(s): draw(exception_of(fields, s, e)) for s, e in sorted(chosen)}


@st.composite
def exception_of(draw, fields, start, end):
    zone = fields["start"].get("zone", "")
    by = timedelta(days=draw(st.integers(-3, 3)))
    times = {"start": moment(start, zone), "end": moment(end, zone)}
    one = {**fields, "recurrence": [], "transparency": "opaque", **times}
    match draw(st.sampled_from(FATES)):
        case "moved":
            return {**one, "start": moment(start + by, zone), "end": moment(end + by, zone)}
        case "cancelled":
            return {**EMPTY, "status": "cancelled"}
        case "declined":
            mine = {"email": "work@example.com", "self": True, "response": "declined"}
            return {**one, "attendees": [mine]}
        case "free":
            return {**one, "transparency": "transparent"}
        case _:
            return {**one, "title": "Another"}


def wants(fields):
    """Say whether the default rule mirrors an event, apart from its window."""
    declined = any(g.get("self") and g["response"] == "declined" for g in fields["attendees"])
    return fields["status"] != "cancelled" and fields["transparency"] == "opaque" and not declined


@given(busy_series(), st.data())
def test_the_blocks_of_a_series_take_up_exactly_the_times_of_its_mirrored_occurrences(drawn, data):
    """Both sides are expanded by dateutil over the window and compared slot by slot."""
    fields, exceptions = drawn
    rule = Rule(past_days=3650, future_days=3650)
    until = NOW + timedelta(days=400)
    apart = data.draw(st.sets(st.sampled_from(sorted(exceptions)))) if exceptions else ()
    parts = [Source(part, slot=slot, apart=slot in apart) for slot, part in exceptions.items()]
    head, *found = mirror(rule, Source(fields), parts, NOW)
    blocks = dict(zip(exceptions, found, strict=True))

    series_is_shown = isinstance(head, Block)
    assert series_is_shown == wants(fields)
    kept = [(s, p if wants(p) else {**p, "status": "cancelled"}) for s, p in exceptions.items()]
    expected = taking_place(fields, kept, until)
    if not series_is_shown:
        expected = {slot: times for slot, times in expected.items() if slot in exceptions}

    inside = [(b.slot, b.fields) for b in blocks.values() if isinstance(b, Block) and b.slot]
    taken = taking_place(head.fields, inside, until) if series_is_shown else {}
    for slot, block in blocks.items():
        if isinstance(block, Block) and not block.slot:
            ((start, end),) = occurrences(block.fields, until)
            taken[slot] = (start, end)
    assert taken == expected
