"""The promise of busy blocks, checked in the calendars themselves."""

from collections.abc import Iterator

from config.demo import here
from config.demo.otherside import HOME, WORK, Event, gossip, place_in_time, takes_time, words_of
from config.demo.scene import Scene


def check_blocks(scene: Scene) -> None:
    """Every event that takes time has its block, at its very times, which tells nothing else.

    A meeting to which both are invited shows in both calendars by itself.
    """
    there = {calendar: scene.other_side.events(calendar) for calendar in (WORK, HOME)}
    pairs = list(here.pairs())
    bare = list(_without_block(there, {pair.source for pair in pairs}))
    scene.check(
        "every event that takes time has its block in the other calendar, unless both have it",
        not bare,
        bare,
    )
    astray = [pair for pair in pairs if not _stands_right(there, pair)]
    occurrences = sum("_" in name for _, name in (pair.block for pair in pairs))
    scene.check(
        f"all {len(pairs)} blocks stand at the very times of their events, "
        f"{occurrences} moved or cancelled occurrences of series among them",
        pairs and not astray,
        astray,
    )
    tales = [tale for pair in pairs for tale in _tales(there, pair)]
    scene.check(
        'every block says "Busy" and nothing else: no place, no guest, no reminder, not a word of '
        "its event",
        not tales,
        tales,
    )


def check_mails(scene: Scene) -> None:
    """Nobody hears of all this by mail."""
    mails = scene.other_side.mails()
    scene.check("nobody would have had a mail from Google about it", mails == 0, mails)


def _without_block(
    there: dict[str, dict[str, Event]], blocked: set[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    for calendar, events in there.items():
        others = {name for other, named in there.items() if other != calendar for name in named}
        needing = {(calendar, name) for name, event in events.items() if takes_time(event)}
        yield from sorted(of for of in needing - blocked if of[1] not in others)


def _stands_right(there: dict[str, dict[str, Event]], pair: here.Pair) -> bool:
    source, block = (there[calendar].get(name) for calendar, name in (pair.source, pair.block))
    return (
        source is not None and block is not None and place_in_time(source) == place_in_time(block)
    )


def _tales(there: dict[str, dict[str, Event]], pair: here.Pair) -> Iterator[str]:
    calendar, name = pair.block
    words = words_of(there[pair.source[0]])
    for told in gossip(there[calendar][name], words):
        yield f"{name} in {calendar} tells {told}"
