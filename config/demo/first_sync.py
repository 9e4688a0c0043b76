"""The first half of the story: two accounts are connected, looked at, and kept in step."""

import json

from config.demo import here, tables
from config.demo.blocks import check_blocks, check_mails
from config.demo.otherside import HOME, WORK
from config.demo.scene import Scene


def connect(scene: Scene) -> None:
    """Connect two accounts and let their calendars block each other."""
    scene.step(
        "Connect two Google accounts",
        "Two people's worlds that know nothing of each other: work and home. Each main calendar "
        "is to show when the other one is taken, and nothing more than that.",
    )
    for account in (WORK, HOME):
        token = scene.stage.sandbox.refresh_token(account)
        options = ("--refresh-token", "-", "--json")
        connected = json.loads(scene.manage("connect_account", "google", *options, stdin=token))
        chosen = [c["name"] for c in connected["calendars"] if c["selected"]]
        scene.check(
            f"{account} is connected; of its {len(connected['calendars'])} calendars the main one "
            "takes part",
            chosen == [account],
            chosen,
        )
    for source, target in ((WORK, HOME), (HOME, WORK)):
        scene.manage("busy_rule", "add", "--source", source, "--target", target)
    scene.check("nothing was written to Google so far", not scene.other_side.writes())


def plan(scene: Scene) -> list[tables.Report]:
    """Show what a sync would do."""
    scene.step(
        "Look first: a dry run",
        "Lockstep shows its plan before it acts. It looks at everything and changes nothing.",
    )
    before = here.fingerprint()
    reports = scene.sync("--dry-run")
    scene.console.print(tables.summary(reports))
    scene.check("no row of Lockstep's database has changed", here.fingerprint() == before)
    scene.check("nothing was written to Google", not scene.other_side.writes())
    scene.check("there is something to do", all(report["changes"] for report in reports))
    return reports


def sync(scene: Scene, planned: list[tables.Report]) -> None:
    """Carry the plan out, and look at both calendars."""
    scene.step(
        "Sync",
        "Now for real: everything is taken in, and the busy blocks are put into place. This is "
        "what people see in both calendars afterwards:",
    )
    reports = scene.sync()
    there = {calendar: scene.other_side.events(calendar) for calendar in (WORK, HOME)}
    scene.console.print(tables.agenda(there, here.pairs()))
    difference = tables.changes_of(reports) ^ tables.changes_of(planned)
    scene.check("the run did exactly what the dry run had shown", not difference, difference)
    check_blocks(scene)
    check_mails(scene)
