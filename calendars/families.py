"""Events and the blocks made of them, read in families: a head with its exceptions."""

import uuid
from collections.abc import Collection as Ids
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import Q

from calendars import touched
from calendars.event_fields import COLUMNS, fields_of
from calendars.fitness import Source
from calendars.knobs import circle_of, homes_of
from calendars.meetings import Meeting
from calendars.mirror import as_invited
from calendars.models import BlockPart, BusyRule, Event

Row = Mapping[str, Any]
# A head, and behind it its exceptions.
Family = list[Row]
# The blocks of events, by source and by occurrence of that, "" for the whole.
Blocks = Mapping[uuid.UUID, Mapping[str, Row]]

_NAMES = (
    *COLUMNS,
    *("item_id", "series_id", "slot", "source_id", "occurrence", "busy_rule_id"),
    *("uid", "organizer", "link", "item__deleted_at", "item__home_id"),
)


def rows(*which: Q, **more: Any) -> Iterator[Row]:
    """Yield rows of events with all that a block depends on."""
    return iter(Event.objects.filter(*which, **more).values(*_NAMES))


def heads_of(item_ids: Iterable[uuid.UUID]) -> list[uuid.UUID]:
    """Return the heads that these events are or belong to, each once, in order."""
    found = Event.objects.filter(item__id__any=list(item_ids))
    return sorted({series or own for own, series in found.values_list("item_id", "series_id")})


def families_of(heads: Sequence[uuid.UUID]) -> list[Family]:
    """Return the families of these heads."""
    families: dict[uuid.UUID, Family] = {}
    found = rows(Q(item__id__any=list(heads)) | Q(series__id__any=list(heads)), busy_rule=None)
    for row in sorted(found, key=lambda row: (row["series_id"] is not None, row["slot"])):
        families.setdefault(row["series_id"] or row["item_id"], []).append(row)
    return list(families.values())


def copies_elsewhere(uids: Ids[str], homes: Ids[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID]:
    """Return the heads of the copies that meetings have in calendars, each with its calendar."""
    if not uids or not homes:
        return {}
    found = Event.objects.filter(
        uid__any=list(uids), busy_rule=None, item__home__in=homes, item__deleted_at=None
    )
    copies = found.values_list("item_id", "series_id", "item__home_id")
    return {series or own: home for own, series, home in copies}


def uids_of(item_ids: Iterable[uuid.UUID]) -> set[str]:
    """Return the UIDs of these events of people."""
    found = Event.objects.filter(item__id__any=list(item_ids), busy_rule=None).exclude(uid="")
    return set(found.values_list("uid", flat=True))


@dataclass(slots=True)
class Table:
    """All that is to be looked at together: what a rule's blocks depend on, and its rivals'.

    Rivals are the rules with the same target whose calendars have copies of the same meetings.
    """

    homes: Mapping[uuid.UUID, frozenset[uuid.UUID]]
    families: dict[uuid.UUID, list[Family]]
    blocks: dict[uuid.UUID, dict[uuid.UUID, dict[str, Row]]]
    # By UID, what the target has of meetings itself.
    invited: dict[str, list[Meeting]] = field(default_factory=dict)
    # By rule and source, the occurrences whose time a merged block takes up.
    held: dict[uuid.UUID, dict[uuid.UUID, set[str]]] = field(default_factory=dict)

    def source(self, rule: BusyRule, row: Row) -> Source:
        """Return an event as the pure mirror looks at it."""
        blocks = self.blocks[rule.pk].get(row["item_id"], {})
        held = self.held.get(rule.pk, {}).get(row["item_id"], set())
        source = source_of(row, rule, self.homes[rule.pk], blocks)
        has_block, drawn = source.has_block or bool(held), source.drawn | (held - {""})
        return replace(source, has_block=has_block, drawn=drawn)


def lay(rule: BusyRule, group: Sequence[BusyRule], heads: Sequence[uuid.UUID]) -> Table:
    """Read what the blocks of these heads depend on.

    `group` are all the rules with the target of `rule`. Costs three queries, and a fourth where
    other calendars have copies of the same meetings.
    """
    homes = homes_of(group)
    table = Table(homes, {rule.pk: families_of(heads)}, {})
    # What this rule shows may matter to others though nothing that others show matters to it.
    if any(one.once_per_meeting or one.skip_invited for one in group):
        _invite(table, rule, group)
    sources = {
        pk: [row["item_id"] for family in families for row in family]
        for pk, families in table.families.items()
    }
    everything = [item for items in sources.values() for item in items]
    table.blocks = {pk: {} for pk in sources}
    for row in rows(~touched.PARTS, busy_rule__in=list(sources), source__id__any=everything):
        blocks = table.blocks[row["busy_rule_id"]]
        blocks.setdefault(row["source_id"], {})[row["occurrence"]] = row
    merging = [one.pk for one in group if one.merge and one.pk in sources]
    parts = BlockPart.objects.filter(rule__in=merging, source__in=everything)
    for pk, source, occurrence in parts.values_list("rule", "source", "occurrence"):
        table.held.setdefault(pk, {}).setdefault(source, set()).add(occurrence)
    return table


def _invite(table: Table, rule: BusyRule, group: Sequence[BusyRule]) -> None:
    """Add the rivals, and what the target has of the same meetings itself."""
    own = table.families[rule.pk]
    uids = {row["uid"] for family in own for row in family} - {""}
    shown = circle_of(rule.target)
    homes = shown.union(*table.homes.values())
    known = {family[0]["item_id"] for family in own}
    met = copies_elsewhere(uids, homes).keys() - known
    for family in families_of(sorted(met)) if met else []:
        home = family[0]["item__home_id"]
        if home in shown:
            sources = [source_of(row, rule, frozenset({home}), {}) for row in family]
            table.invited.setdefault(family[0]["uid"], []).append(as_invited(sources))
        for rival in group:
            if home in table.homes[rival.pk]:
                table.families.setdefault(rival.pk, []).append(family)
    for families in table.families.values():
        # One calendar may have two copies: always the same one of them is looked at first.
        families.sort(key=lambda family: family[0]["item_id"])


def source_of(row: Row, rule: BusyRule, homes: Ids[uuid.UUID], blocks: Mapping[str, Row]) -> Source:
    """Return an event as the pure mirror looks at it; `blocks` are its own, by occurrence."""
    block = blocks.get("")
    organiser = row["organizer"] or {}
    return Source(
        fields=fields_of(row),
        calendar=rule.source.name,
        slot=row["slot"],
        gone=row["item__deleted_at"] is not None or row["item__home_id"] not in homes,
        has_block=any(one["item__deleted_at"] is None for one in blocks.values()),
        apart=block is not None and row["series_id"] is not None and block["series_id"] is None,
        organiser=tuple(str(organiser[k]) for k in ("email", "name") if organiser.get(k)),
        link=row["link"],
        drawn=frozenset(
            name for name, one in blocks.items() if name and one["item__deleted_at"] is None
        ),
    )
