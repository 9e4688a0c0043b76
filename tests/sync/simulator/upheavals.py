"""What comes over a world beside people and workers: rights, windows and rules change."""

import uuid
from collections.abc import Callable
from itertools import permutations
from typing import TYPE_CHECKING

from django.db.models import QuerySet

from calendars.models import BusyRule, Event
from calendars.services import refresh_busy_blocks, remove_busy_rule
from integrations.models import Account, Collection
from integrations.services import freeze_account
from sync.core.provider import Refusal, Remedy
from sync.core.records import Direction
from tests.sync.simulator import dry_runs, properties, tables
from tests.sync.simulator.faults import UPHEAVALS
from tests.sync.simulator.oracle import thing_of
from tests.sync.simulator.service import VEIL, WINDOW, covers

if TYPE_CHECKING:
    from tests.sync.simulator.world import Simulation


class Upheavals:
    """Which grants are revoked, calendars unshared, fields hidden, windows narrow; and rules."""

    def __init__(self, simulation: "Simulation") -> None:
        self.simulation = simulation
        self.rng = simulation.rng
        self.revoked: set[uuid.UUID] = set()
        self.unshared: set[uuid.UUID] = set()
        self.veiled: set[uuid.UUID] = set()
        self.ever_veiled: set[uuid.UUID] = set()
        self.narrow: set[uuid.UUID] = set()
        self.ever_narrow: set[uuid.UUID] = set()
        self._kinds: dict[str, Callable[[Collection], None]] = {
            "grant revoked": self._revoke,
            "calendar unshared": self._unshare,
            "window moved": self._move_window,
            "sight changed": self._change_sight,
            "rule changed": self._change_rules,
            "time passes": self._let_time_pass,
            "dry run": self._run_dry,
            "backup restored": self._restore,
        }
        self.backup: tables.Backup | None = None
        self.restored = False

    def happen(self) -> None:
        """One of those that this seed knows comes over a collection."""
        rates = self.simulation.faults.rates
        kinds = [name for name in UPHEAVALS if rates.get(name)]
        if not kinds:
            return
        kind = self.rng.choices(kinds, [rates[name] for name in kinds])[0]
        collection = self.rng.choice(self.simulation.collections)
        self.simulation.tell(kind, collection.name)
        self.simulation.faults.note(kind)
        self._kinds[kind](collection)

    def pass_by(self) -> None:
        """What is shut to us may be opened again, after a while."""
        if (self.revoked or self.unshared) and self.rng.random() < 0.1:
            for collection in self.simulation.collections:
                self._reconnect(collection.account_id)
                self._share_again(collection)

    def mend(self) -> None:
        """Everybody connects and shares again, and we may see everything."""
        for collection in self.simulation.collections:
            self._reconnect(collection.account_id)
            self._share_again(collection)
        self.veiled.clear()
        self.narrow.clear()

    def is_shut(self, collection: Collection) -> bool:
        """Say whether the service refuses us everything in a calendar."""
        return collection.account_id in self.revoked or collection.pk in self.unshared

    def refuse(self, collection: Collection, call: str) -> None:
        """Refuse a call to what is shut to us; raises `Refusal`."""
        if collection.account_id in self.revoked:
            raise Refusal(Remedy.FREEZE, call="oauth2.token", status=401, reason="invalid_grant")
        if collection.pk in self.unshared:
            raise Refusal(Remedy.FREEZE, call=call, status=404, reason="notFound")

    def shut_out(self, collection: Collection, refusal: Refusal) -> None:
        """A run was refused; do what its caller does about that."""
        if refusal.remedy is not Remedy.FREEZE:
            return
        freeze_account(collection.account, refusal)
        if collection.pk in self.unshared:
            # The list of calendars, which is read then, does not have it any more.
            gone = Collection.objects.filter(pk=collection.pk)
            gone.update(gone_at=self.simulation.clock())

    def was_outside(self, collection: Collection, remote_id: str) -> bool:
        """Say whether an event ever lay before the window of a calendar that has had one."""
        versions = self.simulation.calendars[collection.pk].history
        mine = (s.fields for s in versions if s.remote_id == remote_id and s.fields)
        return collection.pk in self.ever_narrow and not all(covers(WINDOW, f) for f in mine)

    def since(self, collection: Collection) -> str:
        """Return where the window of a calendar begins, "" if everything is in it."""
        return WINDOW if collection.pk in self.narrow else ""

    def veil(self, collection: Collection) -> frozenset[str]:
        """Name the fields that our reader of a calendar cannot see."""
        return VEIL if collection.pk in self.veiled else frozenset()

    def _revoke(self, collection: Collection) -> None:
        self.revoked.add(collection.account_id)

    def _reconnect(self, account: uuid.UUID) -> None:
        self.revoked.discard(account)
        Account.objects.filter(pk=account).update(state=Account.State.ACTIVE, state_reason="")

    def _unshare(self, collection: Collection) -> None:
        self.unshared.add(collection.pk)

    def _share_again(self, collection: Collection) -> None:
        """The calendar comes back into the list; the service may have lost our place in it."""
        if collection.pk not in self.unshared:
            return
        self.unshared.discard(collection.pk)
        Collection.objects.filter(pk=collection.pk).update(gone_at=None)
        if self.rng.random() < 0.5:
            calendar = self.simulation.calendars[collection.pk]
            calendar.dead_before = calendar.tick + 1

    def _move_window(self, collection: Collection) -> None:
        self.narrow ^= {collection.pk}
        self.ever_narrow.add(collection.pk)

    def _change_sight(self, collection: Collection) -> None:
        if collection.circle_id is None:
            self.veiled ^= {collection.pk}
        self.ever_veiled |= self.veiled

    def _let_time_pass(self, collection: Collection) -> None:
        self.simulation.clock.advance(minutes=self.rng.choice((1, 10, 60)))

    def _run_dry(self, collection: Collection) -> None:
        dry_runs.changes_nothing(self.simulation)

    def _restore(self, collection: Collection) -> None:
        """A backup is taken; or the workers are stopped, and it is put in the database's place."""
        simulation = self.simulation
        if self.backup is None:
            self.backup = tables.back_up()
        elif not any(worker.running for worker in simulation.workers):
            simulation.workers.clear()
            tables.restore(self.backup)
            self.restored = True
            known = self._dead_there(), self._shown_as_deleted(), self._alive_here()
            simulation.oracle.forgets(properties.kept(simulation), *known)

    def _dead_there(self) -> set[str]:
        """Name what no service has alive any more."""
        calendars = self.simulation.calendars.values()
        ever = {thing_of(stored.fields) for c in calendars for stored in c.history}
        return ever - {thing_of(stored.fields) for c in calendars for stored in c.events.values()}

    def _shown_as_deleted(self) -> set[str]:
        """Name what has a dead copy at a service, or is dead in the database."""
        calendars = self.simulation.calendars.values()
        versions = [(stored, c.events[stored.remote_id]) for c in calendars for stored in c.history]
        there = {thing_of(stored.fields) for stored, now in versions if not now.takes_place}
        return there | (_things(self._events()) - self._alive_here())

    def _alive_here(self) -> set[str]:
        """Name what is alive in the database."""
        return _things(self._events().filter(item__deleted_at=None))

    def _events(self) -> QuerySet[Event]:
        return Event.objects.filter(item__home__in=self.simulation.collections, busy_rule=None)

    # Rules

    def _change_rules(self, collection: Collection) -> None:
        """A person adds a rule, takes one away, rewrites it, or switches it off or on."""
        rules = list(BusyRule.objects.filter(removed_at=None).order_by("pk"))
        what = self.rng.choice(("add", "remove", "rename", "switch"))
        if what == "add":
            self._add_rule({(rule.source_id, rule.target_id) for rule in rules})
        elif rules:
            rule = self.rng.choice(rules)
            if what == "remove":
                remove_busy_rule(rule=rule, now=self.simulation.clock())
            elif what == "rename":
                title = self.rng.choice(("Busy", "Away"))
                BusyRule.objects.filter(pk=rule.pk).update(title_template=title, applied="")
            else:
                BusyRule.objects.filter(pk=rule.pk).update(enabled=not rule.enabled)
            refresh_busy_blocks(now=self.simulation.clock())

    def _add_rule(self, known: set[tuple[uuid.UUID, uuid.UUID]]) -> None:
        pairs = [
            (source, target)
            for source, target in permutations(self.simulation.collections, 2)
            if target.direction != Direction.PULL and (source.pk, target.pk) not in known
            if source.circle_id is None or source.circle_id != target.circle_id
        ]
        if pairs:
            self.simulation.make_rule(*self.rng.choice(pairs))


def _things(events: QuerySet[Event]) -> set[str]:
    return {thing_of({"title": title}) for title in events.values_list("title", flat=True)}
