"""Many rows written at once."""

import pytest
from django.db import DataError

from calendars import bulk
from calendars.models import Event, Item
from sync.models import Mapping
from tests.sync.world import World, add_locally

pytestmark = pytest.mark.django_db


@pytest.fixture
def events() -> list[Item]:
    world = World()
    home = world.collection()
    return [add_locally(home, world.clock(), title=title) for title in ("a", "b", "c")]


def test_each_row_gets_its_own_values(events: list[Item]) -> None:
    a, b, c = events
    rows = [("A", bulk.dumps(["x"]), None, a.pk), ("ü\n\"'", bulk.dumps([]), c.created_at, b.pk)]
    bulk.update(Event, ("title", "recurrence", "starts_at"), rows)
    columns = ("item", "title", "recurrence", "starts_at")
    assert set(map(str, Event.objects.values_list(*columns))) == {
        str((a.pk, "A", ["x"], None)),
        str((b.pk, "ü\n\"'", [], c.created_at)),
        str((c.pk, "c", [], None)),
    }


def test_an_empty_json_value_is_stored_as_null(events: list[Item]) -> None:
    bulk.update(Event, ("conference",), [(bulk.dumps({"id": 1}), events[0].pk)])
    bulk.update(Event, ("conference",), [(bulk.dumps(None), events[0].pk)])
    assert Event.objects.filter(conference__isnull=True).count() == 3


def test_of_two_rows_for_one_key_the_last_counts(events: list[Item]) -> None:
    bulk.update(Event, ("title",), [("first", events[0].pk), ("last", events[0].pk)])
    assert Event.objects.get(item=events[0]).title == "last"


def test_what_is_too_long_is_refused_and_never_cut(events: list[Item]) -> None:
    with pytest.raises(DataError):
        bulk.update(Event, ("slot",), [("x" * 41, events[0].pk)])


def test_no_rows_are_no_statement(events: list[Item], django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        bulk.update(Event, ("title",), [])


def test_one_statement_gives_each_row_its_own_values(events: list[Item]) -> None:
    a, b, c = events
    rows = [("A", ["x"], None, a.pk), ("ü\n\"'\\", [], c.created_at, b.pk)]
    bulk.update_together(Event, ("title", "recurrence", "starts_at"), rows)
    columns = ("item", "title", "recurrence", "starts_at")
    assert set(map(str, Event.objects.values_list(*columns))) == {
        str((a.pk, "A", ["x"], None)),
        str((b.pk, "ü\n\"'\\", [], c.created_at)),
        str((c.pk, "c", [], None)),
    }


def test_one_statement_stores_no_json_as_null_and_cuts_nothing(events: list[Item]) -> None:
    bulk.update_together(Event, ("conference",), [({"id": 1}, events[0].pk), ({}, events[1].pk)])
    bulk.update_together(Event, ("conference",), [(None, events[0].pk)])
    assert Event.objects.filter(conference__isnull=True).count() == 2
    with pytest.raises(DataError):
        bulk.update_together(Event, ("slot",), [("x" * 41, events[0].pk)])


def test_a_statement_that_was_put_together_once_touches_only_the_keys_it_is_given(
    events: list[Item],
) -> None:
    a, b, c = events
    rest = bulk.compiled_update(Item.objects.filter(revision=1), pending=False)
    Item.objects.filter(pk=b.pk).update(revision=2)
    rest([a.pk, b.pk])
    assert set(Item.objects.filter(pending=True)) == {b, c}
    rest([c.pk])
    rest([])
    assert set(Item.objects.filter(pending=True)) == {b}


def test_nothing_is_asked_for_of_no_keys(
    events: list[Item], django_assert_num_queries: object
) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert not Item.objects.filter(pk__any=[]).exists()


def test_new_objects_are_inserted_but_for_those_that_are_there(events: list[Item]) -> None:
    a = events[0]
    now = a.created_at
    known = Mapping.objects.create(collection=a.home, item=a, remote_id="a", seen_at=now)
    new = [
        Mapping(collection=a.home, item=item, remote_id=item.event.title, seen_at=now)
        for item in events
    ]
    new[1].facts, new[2].base = {"uid": "ü"}, {}
    bulk.insert_missing(Mapping, new)
    stored = {mapping.pk: mapping for mapping in Mapping.objects.all()}
    assert stored.keys() == {known.pk, new[1].pk, new[2].pk}
    for one in new[1:]:
        names = [field.attname for field in Mapping._meta.concrete_fields]
        assert [getattr(stored[one.pk], name) for name in names] == [
            getattr(one, name) for name in names
        ]
