"""The people of a simulated world: they write at every service and in Lockstep."""

from collections.abc import Callable
from datetime import datetime
from random import Random

from sync.core.records import Direction, Fields
from tests.sync.pure.service import Service
from tests.sync.pure.store import EMPTY, Item, Store
from tests.sync.simulator.oracle import Oracle, thing_of, tokens

_FIELDS = ("title", "place", "note", "times")


class People:
    """Everybody who edits."""

    def __init__(self, rng: Random, oracle: Oracle, clock: Callable[[], datetime]) -> None:
        self.rng, self.oracle, self.clock = rng, oracle, clock
        # Things that are a read-only calendar's own: only its people have a say.
        self.owned: dict[str, str] = {}
        self.deleted: set[str] = set()

    def act(self, store: Store, services: dict[str, Service]) -> str:
        """One person does one thing; returns what, "" if there was nothing to do it to."""
        deed = self.rng.choices(
            ("create", "edit", "delete", "copy", "retouch", "rule"), (3, 10, 4, 0.3, 1, 3)
        )[0]
        if deed == "rule":
            return self._rule(store)
        if self.rng.random() < 0.3:
            return f"here {deed} {self._here(deed, store)}"
        place = self.rng.choice(list(services))
        if services[place].shut:
            return ""
        return f"{place} {deed} {self._there(deed, store, services[place])}"

    def _has_a_say(self, thing: str, place: str) -> bool:
        return self.owned.get(thing, place) == place

    def _content(self, thing: str) -> dict[str, str]:
        token = self.oracle.new_token
        return {
            "title": f"{thing} {token(thing)}",
            "place": token(thing),
            "note": "one\ntwo\nthree\nfour\nfive\n",
            "start": token(thing),
            "end": token(thing),
        }

    def _edited(self, fields: Fields, *, counts: bool) -> dict[str, str]:
        """Change one field of a record, or its times, as somebody does who sees all of it."""
        thing = thing_of(fields)
        what = self.rng.choice(_FIELDS)
        token = self.oracle.new_token(thing)
        match what:
            case "title":
                new = {"title": f"{thing} {token}" + self.rng.choice(("", " "))}
            case "times":
                new = {"start": token, "end": self.oracle.new_token(thing)}
            case "note":
                lines = (fields.get("note") or "one\n").splitlines()
                lines[self.rng.randrange(len(lines))] = token
                new = {"note": "\n".join(lines) + "\n"}
            case _ if "place" not in fields:
                self.oracle.superseded.add(token)
                return {}
            case _:
                new = {"place": token}
        self.oracle.person_wrote([fields[n] for n in new], list(new.values()), counts=counts)
        return new

    # At a service

    def create_there(self, place: str, direction: Direction, service: Service) -> str:
        """Somebody makes an event at a service."""
        thing = self.oracle.new_thing()
        fields = service.manners.normalise(self._content(thing))
        service.put(thing, fields)
        self._never_written(thing, fields)
        if direction is Direction.PULL:
            self.owned[thing] = place
        return thing

    def _never_written(self, thing: str, fields: Fields) -> None:
        """What a service has no room for was never there."""
        held = " ".join(str(value) for value in fields.values())
        lost = {token for token in self.oracle.written[thing] if token not in held}
        self.oracle.superseded |= lost

    def _there(self, deed: str, store: Store, service: Service) -> str:
        place = store.places[service.name]
        if deed == "create":
            return self.create_there(place.name, place.direction, service)
        there = [v for v in service.current.values() if thing_of(v.fields)]
        if not there:
            return ""
        # Often what changed last is what somebody looks at.
        last = self.rng.random() < 0.4
        chosen = max(there, key=lambda v: v.number) if last else self.rng.choice(there)
        remote_id, fields = chosen.remote_id, chosen.fields or {}
        counts = self._counts(store, service, remote_id)
        match deed:
            case "edit":
                service.edit(remote_id, self._edited(fields, counts=counts))
                self._unheard(store, service, fields, service.current[remote_id].fields)
            case "delete":
                self.delete_there(store, service, remote_id)
            case "copy":
                thing = self.create_there(place.name, place.direction, service)
                mark = service.current[remote_id].mark
                service.put(thing, service.current[thing].fields, mark)
            case "retouch":
                service.edit(remote_id, {})
        return remote_id

    def _counts(self, store: Store, service: Service, remote_id: str) -> bool:
        """Say whether what people do to an event at this service is heard elsewhere."""
        one_way = store.places[service.name].direction is Direction.PUSH
        thing = thing_of(service.current[remote_id].fields)
        # Of what a restored database forgot, nobody else knows.
        known = any(thing_of(item.fields or item.grave) == thing for item in store.items.values())
        unheard = one_way and known and remote_id in service.ours
        return self._has_a_say(thing, service.name) and not unheard

    def delete_there(self, store: Store, service: Service, remote_id: str) -> None:
        """Somebody deletes an event at a service."""
        fields = service.current[remote_id].fields or {}
        self._delete(fields, counts=self._counts(store, service, remote_id))
        tie = store.tie(service.name, remote_id)
        unseen = tie is None or not tie.version
        if unseen and remote_id in service.ours and not service.manners.burning:
            # We do not know of our creation, and the service forgets that it was there.
            self.oracle.deleted.discard(thing_of(fields))
        service.delete(remote_id)
        self._unheard(store, service, fields, None)

    def _unheard(
        self, store: Store, service: Service, before: Fields, after: Fields | None
    ) -> None:
        """Nobody asks a replica: what a restored database forgot was only there, and is gone."""
        if store.places[service.name].direction is Direction.PUSH:
            known = tokens([[item.fields, item.grave] for item in store.items.values()])
            known |= tokens([[c.local, c.remote] for c in store.conflicts])
            self.oracle.superseded |= tokens(before) - tokens(after) - known

    def _delete(self, fields: Fields, *, counts: bool) -> None:
        self.oracle.person_deleted(fields, counts=counts)
        self.deleted.add(thing_of(fields))

    # In Lockstep

    def _here(self, deed: str, store: Store) -> str:
        if deed == "create":
            return self._create_here(store)
        alive = [item for item in store.items.values() if thing_of(item.fields)]
        if not alive:
            return ""
        item = self.rng.choice(alive)
        fields = {**EMPTY, **(item.fields or {})}
        counts = self._has_a_say(thing_of(fields), "")
        if deed == "edit":
            item.fields = {**fields, **self._edited(fields, counts=counts)}
        elif deed == "delete":
            self._delete(fields, counts=counts)
            item.bury()
        else:
            return ""
        item.revision += 1
        item.updated_at = self.clock()
        return item.pk

    def _create_here(self, store: Store) -> str:
        thing = self.oracle.new_thing()
        home = self.rng.choice(list(store.places))
        store.items[thing] = Item(thing, home, self._content(thing), self.clock())
        return thing

    def _rule(self, store: Store) -> str:
        """Decide an open conflict in favour of one side as it was shown."""
        open_ones = [c for c in store.conflicts if c.outcome == "open"]
        if not open_ones:
            return ""
        conflict = self.rng.choice(open_ones)
        fields = self.rng.choice((conflict.local, conflict.remote))
        self.oracle.person_ruled(fields)
        conflict.outcome, conflict.ruling = "ruled", {"fields": fields}
        return f"ruled {thing_of(fields)}"
