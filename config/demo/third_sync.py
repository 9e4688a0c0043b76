"""The last act: a calendar on a CalDAV server holds the same events as one at Google."""

from icalendar import Calendar, Event

from config.demo import here, tables
from config.demo.blocks import check_mails
from config.demo.dav_server import CALENDAR, USER
from config.demo.otherside import HOME, WORK, as_instant, instant_of, takes_time, words_of
from config.demo.scene import Scene

SWIMMING = "Swimming"
_EVENT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//example.com//a phone//EN
BEGIN:VEVENT
UID:swimming-1
DTSTAMP:20260101T000000Z
DTSTART:{day:%Y%m%d}T153000Z
DTEND:{day:%Y%m%d}T163000Z
SUMMARY:{title}
LOCATION:Pool
X-PHONE-COLOUR:blue as the water
END:VEVENT
END:VCALENDAR
"""


def sync(scene: Scene) -> None:
    """Connect a CalDAV calendar, keep it and HOME alike, and let WORK block it."""
    server = scene.stage.dav
    scene.step(
        "A calendar on a CalDAV server",
        "The family's calendar is on a server of their own. From now on it holds the same events "
        "as the one at home, whichever of the two somebody edits, and shows when work is on.",
    )
    event = _EVENT.format(day=here.tomorrow(), title=SWIMMING)
    server.put("swimming.ics", event.replace("\n", "\r\n"))
    options = ("--user", USER, "--password-file", "-")
    scene.manage("connect_account", "caldav", "--url", server.url, *options, stdin=server.password)
    scene.manage("circle", "add", "Home", "--collections", HOME, here.dav_calendar())
    scene.manage("busy_rule", "add", "--source", WORK, "--target", here.dav_calendar())
    planned = scene.sync("--dry-run")
    reports = scene.sync()
    scene.console.print(tables.summary(reports))
    difference = tables.changes_of(reports) ^ tables.changes_of(planned)
    scene.check("the run did exactly what the dry run had shown", not difference, difference)
    _check_same_events(scene)
    _check_blocks(scene)
    check_mails(scene)


def _check_same_events(scene: Scene) -> None:
    google = scene.other_side.events(HOME).values()
    at_home = {e["summary"] for e in google if e.get("summary") not in ("Busy", None)}
    texts = scene.stage.dav.texts()
    missing = {title for title in at_home if not any(_says(text, title) for text in texts.values())}
    scene.check(
        f"all {len(at_home)} events of {HOME} are in «{CALENDAR}» on the CalDAV server",
        at_home and not missing,
        missing,
    )
    scene.check(f"and «{SWIMMING}» of «{CALENDAR}» is in Google's calendar", SWIMMING in at_home)
    scene.check(
        "what Lockstep does not know of the family's own event is as it was",
        "X-PHONE-COLOUR:blue as the water" in texts["swimming.ics"],
    )


def _check_blocks(scene: Scene) -> None:
    working = scene.other_side.events(WORK)
    at_home = scene.other_side.events(HOME)
    own = working.keys() - {name for name in at_home if takes_time(at_home[name])}
    wanted = {instant_of(working[name]) for name in own if takes_time(working[name])}
    blocks = [text for text in scene.stage.dav.texts().values() if _says(text, "Busy")]
    drawn = {_instant(event) for text in blocks for event in Calendar.from_ical(text).events}
    scene.check(
        f"the {len(wanted)} events of {WORK} that take time have their blocks there, too",
        drawn == wanted,
        f"without a block {wanted - drawn}, without an event {drawn - wanted}",
    )
    words = words_of({name: working[name] for name in own})
    telling = [word for word in words if any(word in text for text in blocks)]
    scene.check("and they tell nothing but that", not telling, telling)


def _instant(event: Event) -> str:
    return as_instant(event.start)


def _says(text: str, title: str) -> bool:
    """Say whether a resource has this title, however its lines are folded and escaped."""
    unfolded = text.replace("\r\n ", "").replace("\n ", "")
    escaped = title.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return f"SUMMARY:{escaped}" in unfolded
