"""A dry run shows the very plan that the run then carries out, and changes nothing."""

from tests.e2e.local import collection, fingerprint, rename, sync_at_once
from tests.e2e.lockstep import Lockstep, Reports
from tests.e2e.people import HOME, WORK, People, at


def preview_then_sync(lockstep: Lockstep, people: People, *options: str) -> Reports:
    """Look and act; the two must agree, and the look must leave no trace on either side."""
    before, last = fingerprint(), people.last_request()
    planned = lockstep.preview(*options)
    assert fingerprint() == before
    assert people.writes(after=last) == []
    done = lockstep.sync(*options)
    assert done.changes == planned.changes
    return done


def fill(people: People) -> dict[str, str]:
    """Events of all sorts in both calendars, by nickname."""
    return {
        "review": people.add(WORK, "Design review", location="Room 2.14"),
        "lunch": people.add(WORK, "Lunch", **at(3, "12:00")),
        "daily": people.add_series(WORK, "Stand-up"),
        "yoga": people.add_series(HOME, "Yoga", **at(2, "09:00", 30)),
        "dentist": people.add(HOME, "Dentist", **at(4, "08:00")),
    }


def test_the_first_import_with_its_busy_blocks(blocking: Lockstep, people: People) -> None:
    names = fill(people)
    people.edit(WORK, names["daily"], on=4, **at(4, "11:00"))
    people.delete(WORK, names["daily"], on=5)

    done = preview_then_sync(blocking, people)

    assert done.counts() == {"local.create": 7, "remote.create": 7}
    assert preview_then_sync(blocking, people).changes == set()


def test_edits_deletions_and_changed_occurrences_on_both_sides(
    blocking: Lockstep, people: People
) -> None:
    names = fill(people)
    sync_at_once()
    people.edit(WORK, names["review"], summary="Design review, part 2", **at(1, "15:00"))
    people.edit(WORK, names["daily"], on=3, **at(3, "10:30"))
    people.delete(WORK, names["daily"], on=4)
    people.delete(HOME, names["dentist"])
    people.edit(HOME, names["yoga"], **at(2, "09:30", 45))
    people.add(HOME, "Parcel", **at(5, "17:00"))
    rename("Lunch", "Late lunch")

    done = preview_then_sync(blocking, people)

    assert done.counts() == {
        "local.create": 3,  # two occurrences and the parcel
        "local.update": 2,  # review and yoga
        "local.delete": 1,
        "remote.create": 3,  # their blocks
        "remote.update": 3,  # the blocks of review and yoga, and the lunch
        "remote.delete": 1,
    }
    assert sync_at_once() == 0


def test_a_clash_is_planned_and_put_before_a_person_once(
    blocking: Lockstep, people: People
) -> None:
    names = fill(people)
    sync_at_once()
    people.edit(WORK, names["lunch"], summary="Brunch")
    rename("Lunch", "Supper")

    done = preview_then_sync(blocking, people)

    assert [(c[1], c[2]) for c in done.changes] == [("local", "conflict")]
    assert sync_at_once() == 0


def test_a_complete_listing(blocking: Lockstep, people: People) -> None:
    names = fill(people)
    sync_at_once()
    people.edit(WORK, names["review"], location="Room 1.01")
    people.delete(WORK, names["lunch"])

    done = preview_then_sync(blocking, people, "--force-full")

    assert done.counts() == {"local.update": 1, "local.delete": 1, "remote.delete": 1}


def test_a_dry_run_of_one_calendar_speaks_of_no_other(blocking: Lockstep, people: People) -> None:
    fill(people)

    done = preview_then_sync(blocking, people, "--calendar-id", WORK)

    assert [report["name"] for report in done.all] == [WORK]
    assert done.counts() == {"local.create": 3}
    assert people.blocks(HOME) == []


def test_a_dry_run_reads_but_takes_no_lease(blocking: Lockstep, people: People) -> None:
    fill(people)

    blocking.preview()

    assert collection(WORK).lease_fence == 0
    assert {r["method"] for r in people.requests()} == {"GET"}
