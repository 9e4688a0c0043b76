"""Bad input of every kind, deterministic, and the child process that feeds it to the parsers.

`python -m tests.integrations.bad_input` goes through all of it under limits on time and memory, and
writes one verdict for each input as JSON: "read", "partly", "refused" or a crash.
"""

import json
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator

from tests import recordings

SEED = 20261120
SECONDS = 2.0  # of CPU time for one input
MEGABYTES = 256  # beyond what the idle process takes

BASE = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\nX-WR-TIMEZONE:Europe/Berlin\r\n"
    "BEGIN:VTIMEZONE\r\nTZID:Custom\r\nBEGIN:STANDARD\r\nDTSTART:16010101T030000\r\n"
    "TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\n"
    "END:STANDARD\r\nBEGIN:DAYLIGHT\r\nDTSTART:16010101T020000\r\nTZOFFSETFROM:+0100\r\n"
    "TZOFFSETTO:+0200\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\nEND:DAYLIGHT\r\n"
    "END:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:u1\r\nDTSTAMP:20260101T000000Z\r\n"
    "DTSTART;TZID=Custom:20260505T090000\r\nDTEND;TZID=Custom:20260505T100000\r\n"
    "SUMMARY:Grüße\\, ein langer Titel der ge\r\n faltet ist\r\nRRULE:FREQ=WEEKLY;BYDAY=TU\r\n"
    "EXDATE;TZID=Custom:20260512T090000\r\nSEQUENCE:1\r\n"
    'ATTENDEE;CN="Doe, J";PARTSTAT=ACCEPTED:mailto:j@example.com\r\n'
    "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT10M\r\nEND:VALARM\r\nEND:VEVENT\r\n"
    "BEGIN:VEVENT\r\nUID:u1\r\nRECURRENCE-ID;TZID=Custom:20260519T090000\r\n"
    "DTSTART;TZID=Custom:20260519T110000\r\nDURATION:PT1H\r\nSUMMARY:moved\r\nEND:VEVENT\r\n"
    "END:VCALENDAR\r\n"
).encode()
NUMBERS = ",".join(map(str, range(60)))
RULES = [
    *(f"FREQ={freq}" for freq in ("SECONDLY", "MINUTELY", "HOURLY", "", "X", "DAILY;FREQ=DAILY")),
    *(f"FREQ=DAILY;INTERVAL={n}" for n in ("0", "-1", "x", "9" * 400, "1.5", "")),
    *(f"FREQ=YEARLY;COUNT={n}" for n in ("0", "-1", "1000000000", "9" * 5000, "x")),
    *(f"FREQ=DAILY;UNTIL={t}" for t in ("1", "00000000", "99999999", "20260230", "16010101", "x")),
    f"FREQ=DAILY;BYHOUR={NUMBERS};BYMINUTE={NUMBERS};BYSECOND={NUMBERS}",
    f"FREQ=YEARLY;BYYEARDAY={','.join(map(str, range(1, 367)))};BYHOUR=1,2,3;BYMINUTE={NUMBERS}",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30,31",
    "FREQ=MONTHLY;BYDAY=99MO",
    "FREQ=YEARLY;BYWEEKNO=99",
    "FREQ=MONTHLY;BYSETPOS=0",
    "FREQ=MONTHLY;RSCALE=CHINESE;SKIP=FORWARD",
    "FREQ=WEEKLY;" * 500,
    "FREQ=WEEKLY;BYDAY=" + "MO," * 20_000,
    ";" * 10_000,
    "=" * 10_000,
]
TIMES = [
    *("", "x", "20260505", "20260505T", "20260505T250000Z", "20261305T000000", "00000000T000000Z"),
    *("00010101T000000", "99991231T235959Z", "99991231", "20260505T090000+0200", "2026-05-05", "T"),
    *(
        "20260505T090060Z",
        "20260505T0900Z",
        "٢٠٢٦٠٥٠٥",
        "20260505t090000z",
        "-20260505",
        "1" * 5000,
    ),
]
CHARACTERS = [b"\0", b"\x0b", b"\x1b", b"\x7f", b"\xff", b"\xc3", b"\xed\xa0\x80"] + [
    text.encode() for text in ("\u202e", "\u2066", "\u2028", "\x85", "\ufeff", "\U0001f389", "🏳️‍🌈")
]
ZONE_PARTS = [
    *("RRULE:FREQ=SECONDLY", "RRULE:FREQ=YEARLY;BYHOUR=99", "RDATE:" + "20260101T000000," * 5000),
    *("TZOFFSETTO:+9999", "TZOFFSETTO:x", "DTSTART:x", "DTSTART:00010101T000000", "RRULE:x"),
    *("RRULE:FREQ=YEARLY;COUNT=1000000000;BYMONTH=1", "RRULE:FREQ=YEARLY;UNTIL=00010101T000000Z"),
    "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
]


def calendars() -> Iterator[bytes]:
    """Yield texts that are said to be calendars."""
    yield from (path.read_bytes() for path in recordings.files("ics-*/*", "tz-*/*", "*/*.ics"))
    yield from _cut(BASE)
    yield from _damaged(BASE, 300)
    yield from (_with(b"RRULE:FREQ=WEEKLY;BYDAY=TU", f"RRULE:{rule}") for rule in RULES)
    yield from (_with(b"20260505T090000", time) for time in TIMES)
    yield from (_with(b"20260519T090000", time) for time in TIMES)
    yield from (
        _with(b"DURATION:PT1H", f"DURATION:{time}") for time in [*TIMES, "P" + "9" * 300 + "D"]
    )
    yield from (_with(b"END:STANDARD", f"{part}\r\nEND:STANDARD") for part in ZONE_PARTS)
    yield from (BASE.replace(b"langer", character * 3) for character in CHARACTERS)
    yield from (BASE.replace(b"TZID=Custom", b"TZID=" + character) for character in CHARACTERS)
    yield from _folds(BASE)
    yield from _shapes()


def _with(old: bytes, new: str) -> bytes:
    return BASE.replace(old, new.encode("utf-8", "surrogatepass"))


def _cut(text: bytes) -> Iterator[bytes]:
    """Yield a text broken off at a hundred places, and with its beginning lost."""
    for part in range(100):
        yield text[: len(text) * part // 100]
    for part in range(1, 50):
        yield text[len(text) * part // 50 :]


def _damaged(text: bytes, times: int) -> Iterator[bytes]:
    """Yield a text with some bytes replaced, taken out, doubled or lines exchanged."""
    for number in range(times):
        chance, data = random.Random(SEED + number), bytearray(text)
        for _ in range(chance.randint(1, 12)):
            at, size = chance.randrange(len(data)), chance.randint(1, 20)
            match number % 4:
                case 0:
                    data[at] = chance.randrange(256)
                case 1:
                    del data[at : at + size]
                case 2:
                    data[at:at] = data[at : at + size] * chance.randint(1, 3)
                case _:
                    lines = bytes(data).split(b"\r\n")
                    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
                    lines[one], lines[other] = lines[other], lines[one]
                    data = bytearray(b"\r\n".join(lines))
        yield bytes(data)


def _folds(text: bytes) -> Iterator[bytes]:
    """Yield a text folded and ended in ways that nobody should."""
    yield text.replace(b"\r\n", b"\n")
    yield text.replace(b"\r\n", b"\r")
    yield text.replace(b"\r\n ", b"\r\n")
    yield text.replace(b"\r\n", b"\r\n \r\n")
    yield text.replace(b"\r\n", b"\r\n\t")
    yield text.replace(b"\n", b"\n\n")
    yield b"".join(bytes([byte]) + b"\r\n " for byte in text)
    for codec in ("utf-16", "utf-32", "utf-7", "cp500"):
        yield text.decode().encode(codec)
    yield text.decode().encode("latin-1")


def _shapes() -> Iterator[bytes]:
    """Yield calendars that are too long, too deep or too many."""
    event = BASE[BASE.index(b"BEGIN:VEVENT") : BASE.index(b"END:VEVENT") + 12]
    head, tail = BASE.split(event)
    yield head + event * 3_000 + tail
    yield head + event.replace(b"UID:u1", b"UID:u1\r\nX-PAD:" + b"x" * 10_000_000) + tail
    yield head + event.replace(b"SUMMARY:", b"SUMMARY:" + b"x" * 10_000_000) + tail
    yield head + event.replace(b"SUMMARY:", b"SUMMARY:" + b"x\r\n " * 2_500_000) + tail
    yield head + event.replace(b"SEQUENCE:1", b"EXDATE:20260512T070000Z\r\n" * 300_000) + tail
    yield head + event.replace(b"SEQUENCE:1", b"EXDATE:" + b"20260512T070000Z," * 500_000) + tail
    yield head + event.replace(b"SEQUENCE:1", b"ATTENDEE:mailto:a@example.com\r\n" * 300_000) + tail
    yield head + event.replace(b"SEQUENCE:1", b"A:\r\n" * 3_000_000) + tail
    yield b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\n" * 100_000
    yield b"BEGIN:VCALENDAR\r\n" + b"BEGIN:A\r\nEND:A\r\n" * 400_000 + b"END:VCALENDAR\r\n"
    yield b"BEGIN:VCALENDAR\r\n" + event * 4 + b"END:VEVENT\r\nEND:VCALENDAR\r\n"
    yield b"x" * (21 * 2**20)
    yield b"\n" * (5 * 2**20)
    yield b"<html><body>Sign in</body></html>"
    yield b"\x1f\x8b\x08" + b"\0" * 1000


DOCTYPE = '<!DOCTYPE x [<!ENTITY a "%s">]>'
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
STATUS = (
    '<?xml version="1.0"?>\n<D:multistatus xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">'
    "<D:response><D:href>/cal/a.ics</D:href><D:propstat><D:prop>"
    "<D:getetag>&quot;1&quot;</D:getetag>"
    "<C:calendar-data>BEGIN:VCALENDAR</C:calendar-data></D:prop>"
    "<D:status>HTTP/1.1 200 OK</D:status>"
    "</D:propstat></D:response><D:response><D:href>/cal/b.ics</D:href><D:status>HTTP/1.1 404 Not "
    "Found</D:status></D:response><D:sync-token>http://x/1</D:sync-token></D:multistatus>"
)


def answers() -> Iterator[bytes]:
    """Yield bodies that are said to be a DAV server's."""
    text = STATUS.encode()
    yield from _cut(text)
    yield from _damaged(text, 200)
    body = STATUS.partition("\n")[2]
    yield (DOCTYPE % ("x" * 100_000) + body.replace("/cal/a.ics", "&a;" * 10_000)).encode()
    yield f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]>{body.replace("/cal/a.ics", "&l9;")}'.encode()
    for target in ("file:///etc/passwd", "http://127.0.0.1/x"):
        yield f'<!DOCTYPE x [<!ENTITY a SYSTEM "{target}">]>{body.replace("b.ics", "&a;")}'.encode()
        yield f'<!DOCTYPE x SYSTEM "{target}">{body}'.encode()
        yield f'<!DOCTYPE x [<!ENTITY % a SYSTEM "{target}"> %a;]>{body}'.encode()
    for depth in (10, 49, 51, 1_000, 100_000):
        yield ("<a>" * depth + "</a>" * depth).encode()
        yield body.replace("&quot;1&quot;", "<a>" * depth + "</a>" * depth).encode()
    for nodes in (1_000, 300_000):
        yield body.replace("&quot;1&quot;", "<a/>" * nodes).encode()
    yield ("<a " + " ".join(f'x{n}="1"' for n in range(100_000)) + "/>").encode()
    for status in ("", "200", "HTTP/1.1", "HTTP/1.1 9999999999", "HTTP/1.1 200 OK" * 1000, "٢٠٠"):
        yield STATUS.replace("HTTP/1.1 200 OK", status).encode()
    for href in (
        "",
        "http://[",
        "//evil.example.com/x",
        "\u202e",
        "%",
        "%00",
        "../../x",
        "x" * 10**6,
    ):
        yield STATUS.replace("/cal/a.ics", href).encode()
    yield from (text.replace(b"/cal/a", b"/" + character) for character in CHARACTERS)
    yield from (STATUS.encode(codec) for codec in ("utf-16", "utf-32", "utf-7", "cp500"))
    yield STATUS.replace('"1.0"', '"1.0" encoding="x-unknown"').encode()


EVENT = {
    "kind": "calendar#event",
    "id": "e1",
    "etag": '"1"',
    "status": "confirmed",
    "updated": "2026-11-01T10:00:00.000Z",
    "summary": "Title",
    "start": {"dateTime": "2026-12-01T10:00:00+01:00", "timeZone": "Europe/Berlin"},
    "end": {"dateTime": "2026-12-01T11:00:00+01:00", "timeZone": "Europe/Berlin"},
    "recurrence": ["RRULE:FREQ=WEEKLY"],
    "recurringEventId": "s1",
    "originalStartTime": {"date": "2026-12-01"},
    "attendees": [{"email": "a@example.com", "responseStatus": "accepted"}],
    "reminders": {"useDefault": False, "overrides": [{"method": "popup", "minutes": 10}]},
    "extendedProperties": {"private": {"a": "b"}, "shared": {}},
    "organizer": {"email": "a@example.com"},
    "sequence": 1,
}
ODD = [None, True, -1, 1e308, "", "x", "\0", "\ud800", "9" * 5000, [], {}, [[]], [None], {"": None}]


def bodies() -> Iterator[bytes]:
    """Yield bodies that are said to be Google's."""
    yield from (path.read_bytes() for path in recordings.files("api-google-calendar/*"))
    for key in EVENT:
        for value in ODD:
            yield json.dumps({"items": [{**EVENT, key: value}, EVENT]}).encode()
        yield json.dumps({"items": [{k: v for k, v in EVENT.items() if k != key}]}).encode()
    yield from (json.dumps({"items": value}).encode() for value in ODD)
    yield from (json.dumps({"items": [value]}).encode() for value in ODD)
    yield from _cut(json.dumps({"items": [EVENT]}).encode())
    yield from _damaged(json.dumps({"items": [EVENT]}).encode(), 100)
    yield from (b"[" * 100_000, b'{"a":' * 100_000, b"9" * 100_000, b"NaN", b"", b"<html>")


def read_as_calendar(data: bytes) -> str:
    """Read a calendar, and every event in it as it would be compared, expanded and written."""
    from datetime import UTC, datetime

    from calendars.occurrences import expand
    from calendars.recurrence import reaches
    from integrations.ical import BadCalendar, normalise, put_event, read_calendar

    window = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    try:
        found = read_calendar(data, zone="Europe/Berlin", me=frozenset({"a@example.com"}))
    except BadCalendar:
        return "refused"
    for one in found.components[:5]:
        normalise(one.fields)
        if "start" in one.fields:
            reaches(one.fields, *window)
            expand(one.fields, *window)
        if not one.obstacle and len(data) < 100_000 and "title" in one.fields:
            names = frozenset({"title"})
            fields = {**one.fields, "title": "new"}
            put_event(
                data, one.uid, one.slot, fields, names, mark="", now=window[0], zone="Europe/Berlin"
            )
    return "partly" if found.unreadable else "read"


def read_as_answer(data: bytes) -> str:
    """Read a DAV server's answer."""
    from integrations.caldav.multistatus import read_multistatus
    from integrations.caldav.xml import BadXml

    try:
        read_multistatus(data, "https://dav.example.com/cal/")
    except BadXml:
        return "refused"
    return "read"


def read_as_body(data: bytes) -> str:
    """Read a page of Google's events."""
    from integrations.google.events import read_page
    from sync.core.marks import Marker

    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        return "refused"
    items = answer.get("items") if isinstance(answer, dict) else None
    if not isinstance(items, list):
        return "refused"
    marker = Marker([b"k" * 32], "calendar")
    _, unreadable = read_page(items, marker=marker, role="owner", evidence="x")
    return "partly" if unreadable else "read"


PARSERS = {
    "calendar": (calendars, read_as_calendar),
    "answer": (answers, read_as_answer),
    "body": (bodies, read_as_body),
}


def verdict(read, data: bytes) -> tuple[str, float]:
    """Return what became of one input, and how many seconds of CPU time it took."""
    began = time.process_time()
    try:
        said = read(data)
    except Exception as error:
        said = f"crash: {type(error).__name__}"
    return said, time.process_time() - began


def main() -> None:
    """Feed every input to its parser, under limits; print the verdicts, the slowest, the peak."""
    limit_memory()
    counts: Counter[str] = Counter()
    crashes, slowest = [], 0.0
    for kind, (inputs, read) in PARSERS.items():
        for number, data in enumerate(inputs()):
            said, seconds = verdict(read, data)
            counts[f"{kind} {said}" if not said.startswith("crash") else "crash"] += 1
            if said.startswith("crash"):
                crashes.append(f"{kind} {number}: {said}")
            slowest = max(slowest, seconds)
    json.dump({"counts": counts, "crashes": crashes, "slowest": slowest}, sys.stdout)


def limit_memory() -> None:
    """Allow this process so much more than it takes once everything is imported."""
    for _, read in PARSERS.values():
        verdict(read, BASE)
    with open("/proc/self/statm") as statm:
        idle = int(statm.read().split()[0]) * resource.getpagesize()
    # The input itself is held besides: at most 21 MB, and a copy of it.
    limit = idle + (MEGABYTES + 64) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (120, 120))


if __name__ == "__main__":
    main()
