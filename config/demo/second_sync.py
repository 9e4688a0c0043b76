"""The second half of the story: people edit on both sides, and nothing is lost."""

from config.demo import here, tables
from config.demo.blocks import check_blocks, check_mails
from config.demo.otherside import HOME, WORK, day_after
from config.demo.scene import Scene

TEA, LUNCH = "Tea with the new colleague", "Lunch with the new colleague"
COFFEE = "Coffee with the new colleague"


def act(scene: Scene) -> tuple[str, str]:
    """People edit in Google, and in Lockstep; returns the days of the two occurrences changed."""
    scene.step(
        "People act on both sides",
        "Somebody works in Google's calendars while Lockstep is not looking. One title is changed "
        "in Lockstep, too, without knowing of the other change.",
    )
    there = scene.other_side
    standup = there.events(WORK)["demostandup"]
    moved, cancelled = day_after(standup, 14, "09:15:00"), day_after(standup, 16, "09:15:00")
    there.edit(WORK, "demodesign", {"summary": "Design review with the customer"})
    times = {"start": {"dateTime": day_after(standup, 14, "16:00:00")}}
    times["end"] = {"dateTime": day_after(standup, 14, "16:15:00")}
    there.edit(WORK, "demostandup", times, occurrence=moved)
    there.delete(WORK, "demostandup", occurrence=cancelled)
    there.delete(HOME, "demodentist")
    there.edit(WORK, "democoffee", {"summary": TEA})
    here.rename(COFFEE, LUNCH)
    scene.console.print(
        tables.deeds(
            [
                (WORK, "renames «Design review» to «Design review with the customer»"),
                (WORK, f"moves the Stand-up of {moved[:10]} from 09:15 to 16:00, only that one"),
                (WORK, f"cancels the Stand-up of {cancelled[:10]}"),
                (HOME, "deletes «Dentist»"),
                (WORK, f"renames «{COFFEE}» to «{TEA}»"),
                ("in Lockstep", f"the same event is renamed to «{LUNCH}»"),
            ]
        )
    )
    return moved[:10], cancelled[:10]


def sync(scene: Scene, days: tuple[str, str]) -> None:
    """Sync again and show what happened, and why."""
    scene.step(
        "Sync again: what happened, and why",
        "Only what changed is looked at. Each line is from the journal that Lockstep keeps.",
    )
    before = scene.other_side.last_request()
    reports = scene.sync()
    scene.console.print(tables.journal(reports))
    _check_changes(scene, reports, days)
    _check_conflict_is_untouched(scene, before)
    check_blocks(scene)
    check_mails(scene)


def _check_changes(scene: Scene, reports: list[tables.Report], days: tuple[str, str]) -> None:
    done = {
        (report["name"], line.side, line.action, known.source or known.title)
        for report in reports
        for line in tables.lines_of(report)
        for known in [here.known_as(report["collection"], line.record)]
    }
    expected = {
        (WORK, "local", "update", "Design review with the customer"),
        *((WORK, "local", "create", f"Stand-up of {day}") for day in days),
        *((HOME, "remote", "create", f"Stand-up of {day}") for day in days),
        (HOME, "local", "delete", "Dentist"),
        (WORK, "remote", "delete", "Dentist"),
        (WORK, "local", "conflict", LUNCH),
    }
    scene.check(
        "exactly the edits were carried over, and nothing besides",
        done == expected,
        f"missing {expected - done}, unexpected {done - expected}",
    )


def _check_conflict_is_untouched(scene: Scene, before: int) -> None:
    event = scene.other_side.events(WORK)["democoffee"]
    wrote = [w for w in scene.other_side.writes(before) if w.startswith("events.patch work")]
    scene.check("neither side of the clash was overwritten", event["summary"] == TEA and not wrote)


def show_conflict(scene: Scene) -> None:
    """Show what waits for a person."""
    scene.step(
        "A clash waits for a person",
        "Both sides changed the same title. Lockstep guesses nothing and loses nothing: both "
        "versions are kept until somebody rules, and all else goes on.",
    )
    clashes = list(here.clashes())
    for clash in clashes:
        scene.console.print(tables.clash(clash))
    kept = [(clash.base, clash.here, clash.there) for clash in clashes]
    scene.check(
        "one conflict is open, with both versions and what they came from",
        kept == [({"title": COFFEE}, {"title": LUNCH}, {"title": TEA})],
        kept,
    )


def prove_rest(scene: Scene) -> None:
    """A further sync has nothing to do."""
    scene.step(
        "Nothing is left to do",
        "Whoever syncs twice must not find more work: a plan has to be empty, and a run silent.",
    )
    before = scene.other_side.last_request(), scene.stage.dav.texts()
    planned = [change for report in scene.sync("--dry-run") for change in report["changes"]]
    scene.check("another dry run plans nothing", not planned, planned)
    counts = [report["counts"] for report in scene.sync()]
    scene.check("another sync changes nothing here", not any(counts), counts)
    wrote = scene.other_side.writes(before[0])
    scene.check("and writes nothing to Google", not wrote, wrote)
    scene.check("nor to the CalDAV server", scene.stage.dav.texts() == before[1])
    check_mails(scene)
