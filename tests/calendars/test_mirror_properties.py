"""What holds for every event and every rule: nothing leaks, and busy time is busy time."""

import json
from datetime import UTC, datetime, timedelta
from string import ascii_uppercase

from hypothesis import assume, event, given
from hypothesis import strategies as st

from calendars.mirror import EVENT_TYPES, SHOWABLE, Block, Rule, Source, mirror
from sync.core.events import EMPTY
from tests.calendars.expansion import moment, occurrences, parsed, series, taking_place, text_of

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)

# Words that stand nowhere in a block by themselves, each traceable to the field it was put in.
WORD = st.text(ascii_uppercase, min_size=6, max_size=6).map(lambda text: f"Q{text}Q")
TEXT = st.lists(WORD, min_size=1, max_size=3).map(" ".join)

TEMPLATES = ("Busy", "{title}", "{title} at {location}", "{calendar}", "({calendar}) {title}", "{")
rules = st.builds(
    Rule,
    title=st.sampled_from(TEMPLATES),
    show=st.frozensets(st.sampled_from(SHOWABLE)),
    skip_declined=st.booleans(),
    skip_tentative=st.booleans(),
    skip_free=st.booleans(),
    skip_all_day=st.booleans(),
    skip_event_types=st.frozensets(st.sampled_from(EVENT_TYPES), max_size=1),
    past_days=st.integers(0, 100),
    future_days=st.integers(0, 400),
)


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
                "response": draw(st.sampled_from(["accepted", "declined", "tentative"])),
                "self": draw(st.booleans()),
            }
        ],
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
    exceptions = [
        Source(
            {**EMPTY, **draw(secrets()), "start": fields["start"], "end": fields["end"]},
            calendar,
            text_of(start),
            gone=draw(st.booleans()),
            has_block=draw(st.booleans()),
        )
        for start, _ in found
    ]
    return Source(fields, calendar, has_block=draw(st.booleans())), exceptions


def words_in(value):
    return {word.strip('",:;@()[]{}') for word in json.dumps(value).replace("@", " ").split()}


def allowed_words(rule, source):
    """Return the words of a source that its rule lets through."""
    private = source.fields["visibility"] in ("private", "confidential")
    names = rule.show & (
        {"calendar"} if private else {"title", "description", "location"} | {"calendar"}
    )
    said = {**source.fields, "calendar": source.calendar}
    return {word for name in names for word in said[name].split()}


@given(rules, families())
def test_no_word_reaches_a_block_that_its_rule_does_not_allow(rule, family):
    head, exceptions = family
    for source, found in zip([head, *exceptions], mirror(rule, head, exceptions, NOW), strict=True):
        if not isinstance(found, Block):
            event(f"skipped: {found}")
            continue
        event(f"block, shows {len(rule.show)}")
        everything = words_in([source.fields, source.calendar, head.fields])
        secret = {word for word in everything if word.startswith("Q") and word.endswith("Q")}
        shown = words_in(found.fields) & secret
        # A cancelled or restored occurrence has the words of its series.
        assert shown <= allowed_words(rule, source) | allowed_words(rule, head)


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
