"""What may be going on when a run breaks off: each scenario prepares a scene and says what is done.

What is done is a sync, unless the scenario says otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass

from calendars.models import BusyRule, Event, Item
from calendars.services import remove_busy_rule
from conflicts.models import Conflict
from integrations.models import Collection
from sync.circles import add_to_circle
from sync.cleanup import cleanup_orphaned
from sync.core.provider import Refusal, Remedy
from sync.models import Mapping
from sync.reset import reset_calendar
from tests.sync.crashes.scene import DAILY, SLOT, Scene
from tests.sync.remote import at
from tests.sync.simulator import tables
from tests.sync.world import add_locally, delete_locally, edit_locally, except_locally

Fault = Callable[[str, str], None]
SHORT = ["RRULE:FREQ=DAILY;COUNT=1"]


def a_sync(scene: Scene, fault: Fault) -> None:
    scene.bring_in_step(fault)


def a_released_sync(scene: Scene, fault: Fault) -> None:
    scene.bring_in_step(fault, released=True)


def a_complete_sync(scene: Scene, fault: Fault) -> None:
    scene.bring_in_step(fault, complete=True)


def a_reset(scene: Scene, fault: Fault) -> None:
    with scene.service(fault):
        reset_calendar(collection=Collection.objects.get(name="other"), clock=scene.clock)


def a_cleanup(scene: Scene, fault: Fault) -> None:
    with scene.service(fault):
        cleanup_orphaned(collections=scene.collections(), clock=scene.clock)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What has happened before, and what is done about it.

    A long one is tried in so many `slices`, that several processes can share it.
    """

    happens: Callable[[Scene], None]
    do: Callable[[Scene, Fault], None] = a_sync
    slices: int = 1

    @property
    def name(self) -> str:
        """The scenario in words."""
        return self.happens.__name__


# Ordinary events, from one side to the other


def a_first_import_of_several_pages(scene: Scene) -> None:
    Item.objects.all().delete()
    Mapping.objects.all().delete()
    scene.settings(cursor="", cursor_shape="")
    for number in range(4):
        scene.remote.add(f"more{number}", title=f"More {number}")


def a_creation(scene: Scene) -> None:
    add_locally(scene.main, scene.clock(), title="New")


def creations_in_two_batches(scene: Scene) -> None:
    for number in range(4):
        add_locally(scene.main, scene.clock(), title=f"New {number}")


def an_update(scene: Scene) -> None:
    edit_locally("Talk", scene.clock(), title="Lecture")


def a_deletion(scene: Scene) -> None:
    delete_locally("Talk", scene.clock())


def remote_changes(scene: Scene) -> None:
    scene.remote.add("b", title="Lunch")
    scene.remote.edit("s", title="Every day")
    scene.remote.delete("a")


def a_dead_cursor(scene: Scene) -> None:
    remote_changes(scene)
    edit_locally("Later", scene.clock(), location="Room 2")
    scene.remote.dead_before = scene.remote.tick + 1


def a_move_to_another_calendar(scene: Scene) -> None:
    beside = scene.open_another()
    fields = dict(scene.remote.events["a"].fields or {})
    scene.remote.delete("a")
    beside.add("a", **fields)


def a_refusal_that_is_due_again(scene: Scene) -> None:
    edit_locally("Talk", scene.clock(), title="Lecture")
    add_locally(scene.main, scene.clock(), title="New")

    def refuse(call: str, moment: str) -> None:
        if call == "write" and moment == "before":
            raise Refusal(Remedy.RETRY, call=call, status=429, retry_after=60)

    scene.bring_in_step(refuse)
    scene.clock.advance(days=1)


# Two versions


def a_merge(scene: Scene) -> None:
    scene.remote.edit("a", location="Hall")
    edit_locally("Talk", scene.clock(), title="Lecture")


def a_conflict(scene: Scene) -> None:
    scene.remote.edit("a", title="Their lecture")
    edit_locally("Talk", scene.clock(), title="Our lecture")


def a_conflict_that_a_person_ruled_on(scene: Scene) -> None:
    a_conflict(scene)
    scene.bring_in_step()
    conflict = Conflict.objects.get(outcome="open")
    fields = {**conflict.local, "title": "Our common lecture"}
    conflict.outcome, conflict.ruled_at = Conflict.Outcome.RULED, scene.clock()
    conflict.ruling = {"exists": True, "fields": fields}
    conflict.save()


def a_clash_that_local_wins(scene: Scene) -> None:
    scene.settings(strategy="preserve_local")
    a_conflict(scene)


def a_deletion_there_that_an_edit_here_undoes(scene: Scene) -> None:
    scene.remote.delete("a")
    edit_locally("Talk", scene.clock(), title="Lecture")


# Series


def a_new_series_with_an_exception(scene: Scene) -> None:
    add_locally(scene.main, scene.clock(), title="Weekly", recurrence=DAILY)
    except_locally("Weekly", SLOT, scene.clock(), title="Just once")


def exceptions_changed_and_cancelled(scene: Scene) -> None:
    delete_locally("Later", scene.clock())
    except_locally("Daily", "2026-05-07T07:00:00Z", scene.clock(), title="Elsewhere")
    slot = "2026-05-08T07:00:00Z"
    scene.remote.add(f"s_{slot}", title="Off", parent="s", slot=slot)
    scene.remote.delete(f"s_{slot}")


def an_exception_edited_on_both_sides(scene: Scene) -> None:
    scene.remote.edit(f"s_{SLOT}", location="Hall")
    edit_locally("Later", scene.clock(), title="Later still")


def a_series_deleted_here(scene: Scene) -> None:
    delete_locally("Daily", scene.clock())


def a_series_deleted_there_and_edited_here(scene: Scene) -> None:
    scene.remote.delete("s")
    edit_locally("Daily", scene.clock(), title="Still daily")


def a_series_split_here(scene: Scene) -> None:
    """This and following: it ends early, its later exceptions go, another one goes on."""
    edit_locally("Daily", scene.clock(), recurrence=SHORT)
    delete_locally("Later", scene.clock())
    add_locally(scene.main, scene.clock(), title="Daily from now", recurrence=DAILY)


def a_series_turned_into_a_single_event(scene: Scene) -> None:
    _drop_the_exception(scene)
    scene.remote.edit("s", recurrence=[])


def _drop_the_exception(scene: Scene) -> None:
    """Its occurrence is no more, so the service has no cancelled one either."""
    gone = scene.remote.events[f"s_{SLOT}"]
    gone.fields = None
    scene.remote.put(gone)


# Busy blocks


def blocks_drawn(scene: Scene) -> None:
    scene.open_another()
    main, other = scene.taking_part
    BusyRule.objects.create(source=main, target=other, past_days=3_000)


def blocks_of_changed_sources(scene: Scene) -> None:
    blocks_drawn(scene)
    scene.bring_in_step()
    scene.remote.edit("a", start=at(11), end=at(12))
    scene.remote.edit(f"s_{SLOT}", start=at(17, 6), end=at(18, 6))


def a_block_that_somebody_changed(scene: Scene) -> None:
    blocks_drawn(scene)
    scene.bring_in_step()
    target = scene.calendars["other"]
    block = next(s for s in target.events.values() if s.mark and not s.parent)
    target.edit(block.remote_id, location="Mine")


def blocks_of_sources_that_went(scene: Scene) -> None:
    blocks_drawn(scene)
    scene.bring_in_step()
    scene.remote.delete("a")
    _drop_the_exception(scene)
    scene.remote.edit("s", recurrence=SHORT)


def a_rule_taken_away(scene: Scene) -> None:
    blocks_drawn(scene)
    scene.bring_in_step()
    remove_busy_rule(rule=BusyRule.objects.get(), now=scene.clock())


def a_rule_rewritten(scene: Scene) -> None:
    blocks_drawn(scene)
    scene.bring_in_step()
    BusyRule.objects.update(title_template="Away", applied="")


def blocks_to_be_reset(scene: Scene) -> None:
    blocks_drawn(scene)
    scene.bring_in_step()
    BusyRule.objects.update(enabled=False)


def blocks_that_nothing_claims(scene: Scene) -> None:
    blocks_drawn(scene)
    scene.bring_in_step()
    Mapping.objects.filter(item__event__busy_rule__isnull=False).delete()
    Event.objects.filter(busy_rule__isnull=False).delete()
    BusyRule.objects.update(enabled=False)


# Circles, and a database that was restored


def a_circle_of_three(scene: Scene) -> None:
    """Three calendars that never shared anything are to hold the same events."""
    for name in ("second", "third"):
        scene.open_another(name)
    add_to_circle(name="ours", collections=scene.collections(), clock=scene.clock)


def changes_in_a_circle(scene: Scene) -> None:
    """The same event is edited in both calendars, another one deleted where it is a copy."""
    second = scene.open_another("second")
    add_to_circle(name="ours", collections=scene.collections(), clock=scene.clock)
    scene.bring_in_step()
    copies = {fields["title"]: name for name, fields in second.alive().items()}
    scene.remote.edit("a", location="Hall")
    second.edit(copies["Talk"], title="Lecture")
    second.delete(copies["Daily"])


def copies_that_are_linked(scene: Scene) -> None:
    """Both were invited: the same event is in both calendars before they form a circle."""
    second = scene.open_another("second")
    for calendar in (scene.remote, second):
        calendar.add(f"same in {calendar.name}", title="Common", uid="common@example.com")
    scene.bring_in_step()
    add_to_circle(name="ours", collections=scene.collections(), clock=scene.clock)


def a_restored_backup(scene: Scene) -> None:
    """Written since then: an event that was new here, and a change."""
    backup = tables.back_up()
    add_locally(scene.main, scene.clock(), title="New")
    edit_locally("Talk", scene.clock(), title="Lecture")
    scene.bring_in_step()
    tables.restore(backup)


# The guard


def deletions_that_the_guard_held(scene: Scene) -> None:
    for number in range(7):
        scene.remote.add(f"g{number}", title=f"Guarded {number}")
    scene.bring_in_step()
    for number in range(7):
        delete_locally(f"Guarded {number}", scene.clock())
    scene.bring_in_step()


def a_complete_listing_asked_for(scene: Scene) -> None:
    remote_changes(scene)
    delete_locally("Later", scene.clock())


SCENARIOS = (
    Scenario(a_first_import_of_several_pages),
    Scenario(a_creation),
    Scenario(creations_in_two_batches),
    Scenario(an_update),
    Scenario(a_deletion),
    Scenario(remote_changes),
    Scenario(a_dead_cursor),
    Scenario(a_move_to_another_calendar),
    Scenario(a_refusal_that_is_due_again),
    Scenario(a_merge),
    Scenario(a_conflict),
    Scenario(a_conflict_that_a_person_ruled_on),
    Scenario(a_clash_that_local_wins),
    Scenario(a_deletion_there_that_an_edit_here_undoes),
    Scenario(a_new_series_with_an_exception),
    Scenario(exceptions_changed_and_cancelled),
    Scenario(an_exception_edited_on_both_sides),
    Scenario(a_series_deleted_here),
    Scenario(a_series_deleted_there_and_edited_here),
    Scenario(a_series_split_here),
    Scenario(a_series_turned_into_a_single_event),
    Scenario(blocks_drawn),
    Scenario(blocks_of_changed_sources),
    Scenario(a_block_that_somebody_changed),
    Scenario(blocks_of_sources_that_went),
    Scenario(a_rule_taken_away),
    Scenario(a_rule_rewritten),
    Scenario(blocks_to_be_reset, a_reset),
    Scenario(blocks_that_nothing_claims, a_cleanup),
    Scenario(a_circle_of_three, slices=3),
    Scenario(changes_in_a_circle, slices=2),
    Scenario(copies_that_are_linked, slices=2),
    Scenario(a_restored_backup),
    Scenario(deletions_that_the_guard_held, a_released_sync),
    Scenario(a_complete_listing_asked_for, a_complete_sync),
)
