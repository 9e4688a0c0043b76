"""Why events make no busy block: the mirror is asked as a sync would ask it."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from calendars.families import Family, Table, lay
from calendars.knobs import RELATED, knobs_of
from calendars.meetings import Meeting
from calendars.mirror import Block, Drawn, Skip, alone, as_meeting, mirror
from calendars.models import BusyRule


def skipped(rule: BusyRule, heads: Sequence[uuid.UUID], now: datetime) -> dict[uuid.UUID, Skip]:
    """Return the reason for each event of these heads, exceptions included, that has no block."""
    rules = BusyRule.objects.filter(target=rule.target_id, removed_at=None)
    group = sorted(rules.select_related(*RELATED), key=lambda one: (one.created_at, one.pk))
    table = lay(rule, group, heads)
    meetings = {uid: list(invited) for uid, invited in table.invited.items()}
    reasons: dict[uuid.UUID, Skip] = {}
    for one in group:
        for family in table.families.get(one.pk, ()):
            found = _ask(one, table, family, meetings, now)
            if one.pk == rule.pk:
                reasons |= _reasons(one, table, family, found, now)
    return reasons


def _ask(
    rule: BusyRule,
    table: Table,
    family: Family,
    meetings: dict[str, list[Meeting]],
    now: datetime,
) -> list[Drawn]:
    """Return what a rule makes of a family; adds what that shows to the meetings."""
    uid, knobs = family[0]["uid"], knobs_of(rule)
    head, *exceptions = (table.source(rule, row) for row in family)
    elsewhere = [
        meeting
        for meeting in meetings.get(uid, [])
        if (rule.once_per_meeting if meeting.blocks else rule.skip_invited)
    ]
    found = mirror(knobs, head, exceptions, now, elsewhere)
    if uid:
        meetings.setdefault(uid, []).append(as_meeting(knobs, [head, *exceptions], found))
    return found


def _reasons(
    rule: BusyRule, table: Table, family: Family, found: Sequence[Drawn], now: datetime
) -> dict[uuid.UUID, Skip]:
    """Name the reasons; an occurrence that a series' block leaves out is asked about by itself."""
    reasons = {}
    for row, drawn in zip(family, found, strict=True):
        if isinstance(drawn, Block) and drawn.slot and drawn.fields["status"] == "cancelled":
            by_itself = alone(knobs_of(rule), table.source(rule, row), now)
            drawn = by_itself if isinstance(by_itself, Skip) else Skip.MET
        if isinstance(drawn, Skip):
            reasons[row["item_id"]] = drawn
    return reasons
