"""What an observation of a remote copy is worth, and what it changes."""

from hypothesis import given
from hypothesis import strategies as st

from sync.core.absorb import Known, Verdict, overlay, weigh
from sync.core.provider import Copy

FIELDS = {"title": "Lunch"}
KNOWN = Known(version="v2", ordinal="2026-05-05T12:00:02.000Z", fields=FIELDS)
NEVER = Known()
DEAD = Known(version="v2", ordinal="2026-05-05T12:00:02.000Z", fields=None)

OLDER, SAME_TIME, NEWER = (f"2026-05-05T12:00:0{n}.000Z" for n in (1, 2, 3))


def listed(version="v3", ordinal=NEWER, fields=FIELDS):
    return Copy("id", version=version, ordinal=ordinal, fields=fields)


def test_a_copy_never_seen_before_is_news():
    assert weigh(NEVER, listed(), strong=False) is Verdict.NEWS


def test_a_tombstone_of_something_we_never_knew_is_ignored():
    assert weigh(NEVER, listed(fields=None), strong=True) is Verdict.SAME


def test_our_own_echo_is_nothing_new():
    assert weigh(KNOWN, listed(version="v2", ordinal=SAME_TIME), strong=False) is Verdict.SAME


def test_a_lagging_listing_does_not_bring_back_an_older_version():
    assert weigh(KNOWN, listed(version="v1", ordinal=OLDER), strong=False) is Verdict.STALE


def test_a_lagging_listing_does_not_bring_a_deleted_copy_back():
    assert weigh(DEAD, listed(version="v1", ordinal=OLDER), strong=False) is Verdict.STALE


def test_a_late_tombstone_does_not_kill_a_copy_that_lives_again():
    late = listed(version="v1", ordinal=OLDER, fields=None)
    assert weigh(KNOWN, late, strong=False) is Verdict.STALE


def test_a_read_by_id_is_believed_whatever_its_time_says():
    """The clocks of a service's machines differ: what it answers to a read is how it stands now."""
    assert weigh(KNOWN, listed(version="v1", ordinal=OLDER), strong=True) is Verdict.NEWS
    assert weigh(KNOWN, listed(ordinal=OLDER, fields=None), strong=True) is Verdict.NEWS


def test_a_tombstone_that_does_not_say_when_must_be_read_by_id():
    """The name may have been given once more: the tombstone may be that of an earlier copy."""
    assert weigh(KNOWN, listed(ordinal="", fields=None), strong=False) is Verdict.UNCLEAR
    assert weigh(KNOWN, listed(ordinal="", fields=None), strong=True) is Verdict.NEWS


def test_another_version_of_the_same_moment_must_be_read_by_id():
    assert weigh(KNOWN, listed(ordinal=SAME_TIME), strong=False) is Verdict.UNCLEAR
    assert weigh(KNOWN, listed(ordinal=""), strong=False) is Verdict.UNCLEAR


def test_a_tombstone_is_news_once():
    assert weigh(KNOWN, listed(fields=None), strong=False) is Verdict.NEWS
    assert weigh(DEAD, listed(fields=None), strong=False) is Verdict.SAME


def test_nothing_is_known_of_what_a_partial_observation_hides():
    partial = Copy("id", fields={"start": 2}, partial=True)
    lunch = {"start": 1, "title": "Lunch"}
    assert overlay(lunch, partial, lunch) == {"start": 2}
    assert overlay(None, partial) == {"start": 2}


def test_a_partial_observation_of_what_was_agreed_is_no_change():
    cancelled = Copy("id", fields={"status": "cancelled"}, partial=True)
    moved = {"start": 16, "status": "confirmed"}
    agreed = {"start": 9, "status": "cancelled"}
    assert overlay(moved, cancelled, agreed) == agreed
    assert overlay(moved, cancelled, moved) == {"start": 16, "status": "cancelled"}
    assert overlay(None, cancelled, moved) == {"start": 16, "status": "cancelled"}


def test_a_full_observation_replaces_everything_and_a_tombstone_empties():
    assert overlay({"start": 1, "title": "Lunch"}, Copy("id", fields={"start": 2})) == {"start": 2}
    assert overlay({"start": 1}, Copy("id", fields=None, partial=True)) is None


ordinals = st.sampled_from(["", OLDER, SAME_TIME, NEWER])
versions = st.sampled_from(["", "v1", "v2", "v3"])
trees = st.none() | st.just(FIELDS) | st.just({"title": "Dinner"})
knowns = st.builds(Known, versions, ordinals, trees)
copies = st.builds(Copy, st.just("id"), versions, trees, ordinals)


@given(knowns, copies)
def test_a_listing_never_replaces_a_newer_observation_by_an_older_one(known, copy):
    if copy.ordinal and known.ordinal and copy.ordinal < known.ordinal:
        assert weigh(known, copy, strong=False) is not Verdict.NEWS


@given(knowns, copies)
def test_only_a_listing_can_be_stale_or_unclear(known, copy):
    assert weigh(known, copy, strong=True) in (Verdict.NEWS, Verdict.SAME)


@given(knowns, copies, st.booleans())
def test_what_was_learned_is_nothing_new_the_second_time(known, copy, strong):
    """Except where a service gives its copies no version to tell them apart by."""
    if weigh(known, copy, strong=strong) is not Verdict.NEWS or (copy.fields and not copy.version):
        return
    learned = Known(copy.version, copy.ordinal, overlay(known.fields, copy))
    assert weigh(learned, copy, strong=strong) is Verdict.SAME


@given(st.lists(copies, max_size=5))
def test_listings_in_any_order_never_go_back_in_time(seen):
    """However a feed shuffles its pages, what we know only gets younger."""
    known, youngest = Known(), ""
    for copy in seen:
        if weigh(known, copy, strong=False) is Verdict.NEWS and copy.ordinal:
            assert copy.ordinal >= youngest
            youngest = copy.ordinal
            known = Known(copy.version, copy.ordinal, copy.fields)
