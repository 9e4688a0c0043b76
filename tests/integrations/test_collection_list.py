"""What a list of collections means for those we know."""

from integrations.collection_list import Listed, Listing, compare, first_direction
from sync.core.records import Direction


def listing(*names: str, gone: tuple[str, ...] = (), complete: bool) -> Listing:
    entries = [Listed(name) for name in names] + [Listed(name, gone=True) for name in gone]
    return Listing(entries, "cursor", complete)


def names(entries: object) -> list[str]:
    return [entry.remote_id for entry in entries]  # type: ignore[attr-defined]


def test_a_delta_tells_new_known_and_gone_and_proves_no_absence() -> None:
    changes = compare(frozenset("abc"), listing("a", "d", gone=("b", "x"), complete=False))
    assert (names(changes.new), names(changes.known), changes.gone) == (["d"], ["a"], ["b"])


def test_absence_from_a_complete_list_means_gone() -> None:
    changes = compare(frozenset("abc"), listing("a", "d", complete=True))
    assert (names(changes.new), names(changes.known), changes.gone) == (["d"], ["a"], ["b", "c"])


def test_only_what_we_may_write_starts_two_way() -> None:
    directions = {
        role: first_direction(Listed("a", role=role))
        for role in (
            "owner",
            "writer",
            "writerWithoutPrivateAccess",
            "reader",
            "freeBusyReader",
            "",
        )
    }
    assert directions == {
        "owner": Direction.TWO_WAY,
        "writer": Direction.TWO_WAY,
        "writerWithoutPrivateAccess": Direction.TWO_WAY,
        "reader": Direction.PULL,
        "freeBusyReader": Direction.PULL,
        "": Direction.PULL,
    }
