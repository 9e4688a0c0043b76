"""Which zone a calendar means, and what its own definitions tell."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from integrations.ical.lines import parse
from integrations.ical.vtimezone import definition_of, read_definition
from integrations.ical.zones import iana_name
from tests.integrations.ical.texts import BERLIN, calendar, components, vevent


def definition(tzid, *parts):
    return "\r\n".join(["BEGIN:VTIMEZONE", f"TZID:{tzid}", *parts, "END:VTIMEZONE"])


def part(kind, start, before, after, *more):
    said = [f"DTSTART:{start}", f"TZOFFSETFROM:{before}", f"TZOFFSETTO:{after}", *more]
    return "\r\n".join([f"BEGIN:{kind}", *said, f"END:{kind}"])


OUTLOOK = (
    part(
        "STANDARD", "16010101T030000", "+0200", "+0100", "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10"
    ),
    part("DAYLIGHT", "16010101T020000", "+0100", "+0200", "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3"),
)
FIXED = (part("STANDARD", "16010101T000000", "+0545", "+0545"),)
# Summer time from May to August: nobody has it.
INVENTED = (
    part("STANDARD", "16010101T000000", "+0417", "+0317", "RRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=8"),
    part("DAYLIGHT", "16010101T000000", "+0317", "+0417", "RRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=5"),
)
# The rules of the United States until 2006, which some calendars still carry.
OLD_EASTERN = (
    part(
        "STANDARD", "19671029T020000", "-0400", "-0500", "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10"
    ),
    part("DAYLIGHT", "19870405T020000", "-0500", "-0400", "RRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=4"),
)


def in_zone(parts, wall, *lines, tzid="Custom"):
    """Read one event that begins at a wall time in a zone that its calendar defines."""
    event = vevent(*lines, start=f"DTSTART;TZID={tzid}:{wall}")
    (found,) = components(calendar(event, definition(tzid, *parts)), zone="Asia/Tokyo")
    return found


@pytest.mark.parametrize(
    ("tzid", "name"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ('"Pacific Standard Time"', "America/Los_Angeles"),
        ("/mozilla.org/20050126_1/Europe/Berlin", "Europe/Berlin"),
        ("/freeassociation.sourceforge.net/America/Argentina/Ushuaia", "America/Argentina/Ushuaia"),
        ("/citadel.org/20250101_1/UTC", "UTC"),
        ("America/Los Angeles", "America/Los_Angeles"),
        ("US/Eastern", "US/Eastern"),
        ("UTC", "UTC"),
        ("Etc/UTC", "Etc/UTC"),
        ("tzone://Microsoft/Utc", "UTC"),
        ("Custom", ""),
        ("../etc/passwd", ""),
        ("", ""),
    ],
)
def test_a_name_means_an_iana_zone_or_none(tzid, name):
    assert iana_name(tzid) == name


@pytest.mark.parametrize("wall", ["20260115T120000", "20260715T120000", "20260329T033000"])
def test_a_definition_is_known_by_the_time_it_keeps(wall):
    found = in_zone(OUTLOOK, wall)
    expected = datetime.strptime(wall, "%Y%m%dT%H%M%S").replace(tzinfo=ZoneInfo(BERLIN))
    assert found.fields["start"]["zone"] == BERLIN
    assert datetime.fromisoformat(found.fields["start"]["at"]) == expected
    assert found.obstacle == ""


def test_an_offset_that_never_changes_is_known_too():
    assert in_zone(FIXED, "20260505T120000").fields["start"] == {
        "at": "2026-05-05T06:15:00Z",
        "zone": "Asia/Kathmandu",
    }


def test_the_library_that_wrote_a_definition_says_its_name():
    said = in_zone(("X-LIC-LOCATION:Europe/Vienna", *OUTLOOK), "20260505T120000")
    assert said.fields["start"]["zone"] == "Europe/Vienna"


@pytest.mark.parametrize(
    ("wall", "at"),
    [
        ("20260115T120000", "2026-01-15T08:43:00Z"),
        ("20260615T120000", "2026-06-15T07:43:00Z"),
        ("20260503T003000", "2026-05-02T21:13:00Z"),  # skipped: the offset before the gap
        ("20260801T233000", "2026-08-01T19:13:00Z"),  # comes twice: the first time
    ],
)
def test_a_zone_that_nobody_knows_still_tells_the_instant(wall, at):
    found = in_zone(INVENTED, wall)
    assert found.fields["start"] == {"at": at, "zone": "UTC"}
    assert found.obstacle == ""


def test_a_series_in_a_zone_that_nobody_knows_is_not_written():
    found = in_zone(INVENTED, "20260115T120000", "RRULE:FREQ=DAILY")
    assert found.fields["start"]["at"] == "2026-01-15T08:43:00Z"
    assert found.obstacle == "no known time zone keeps its time"


def test_old_rules_are_the_zone_they_were_and_no_ground_to_write_on():
    found = in_zone(OLD_EASTERN, "20040310T120000", "RRULE:FREQ=DAILY")
    assert found.fields["start"] == {"at": "2004-03-10T17:00:00Z", "zone": "America/New_York"}
    assert found.obstacle == "no known time zone keeps its time in later years"
    short = in_zone(OLD_EASTERN, "20040310T120000", "RRULE:FREQ=DAILY;COUNT=30")
    assert short.obstacle == ""


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (part("STANDARD", "x", "+0100", "+0100"),),
        (part("STANDARD", "16010101T000000", "+0100", "+9900"),),
        (part("STANDARD", "16010101T000000", "+0100", "+0100", "RRULE:FREQ=SECONDLY"),),
        (part("STANDARD", "16010101T000000", "+0100", "+0100", "RRULE:FREQ=YEARLY;BYHOUR=99"),),
        (
            part(
                "STANDARD", "16010101T000000", "+0100", "+0100", "RDATE:" + ",".join(["x"] * 5_000)
            ),
        ),
    ],
)
def test_a_definition_that_makes_no_sense_is_an_obstacle(parts):
    assert in_zone(parts, "20260505T120000").obstacle == "its time zone cannot be understood"


def test_a_zone_without_any_definition_is_an_obstacle():
    (found,) = components(calendar(vevent(start="DTSTART;TZID=Custom:20260505T120000")))
    assert found.obstacle == "its time zone is unknown"


def test_an_abbreviation_is_not_believed_against_its_own_definition():
    """EST is a zone without summer time at IANA; a calendar that defines one means its own."""
    found = in_zone(OLD_EASTERN, "20050715T120000", tzid="EST")
    assert found.fields["start"]["at"] == "2005-07-15T16:00:00Z"


def test_a_name_with_a_comma_is_found_in_its_definition():
    event = vevent(start='DTSTART;TZID="(UTC+05:45) Kathmandu, Nepal":20260505T120000')
    data = calendar(definition("(UTC+05:45) Kathmandu\\, Nepal", *FIXED), event)
    assert components(data)[0].fields["start"]["at"] == "2026-05-05T06:15:00Z"


def test_a_thousand_zones_cost_no_more_than_a_few():
    offset = part("STANDARD", "16010101T000000", "+0317", "+0317")
    zones = [definition(f"Z{n}", offset) for n in range(1000)]
    events = [vevent(uid=f"u{n}", start=f"DTSTART;TZID=Z{n}:20260505T120000") for n in range(1000)]
    found = components(calendar(*zones, *events))
    assert sum(one.obstacle == "too many time zones of its own" for one in found) == 950


@pytest.mark.parametrize(
    "name",
    [
        *("Europe/Berlin", "Europe/Dublin", "America/New_York", "America/Sao_Paulo"),
        *("Asia/Kolkata", "Asia/Tehran", "Africa/Casablanca", "Antarctica/Troll"),
        *("Australia/Lord_Howe", "Pacific/Apia"),
    ],
)
def test_the_definition_we_write_keeps_the_time_of_its_zone(name):
    """Hour by hour around every change, for past years and those to come."""
    lines = "\r\n".join(definition_of(name, 2008))
    data = calendar(lines)
    ours = read_definition(data, parse(data)[0].children[0])
    zone, at = ZoneInfo(name), datetime(2008, 1, 2)  # noqa: DTZ001
    while at.year < 2037:
        aware = at.replace(tzinfo=zone)
        if aware.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == at:
            assert ours.offset(at) == aware.utcoffset(), at
        at += timedelta(hours=7)
