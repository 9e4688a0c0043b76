"""Writes: what others do meanwhile, and what a server makes of them."""

import pytest

from sync.core.provider import Copy, Refusal, Remedy, Write, WriteKind
from sync.core.records import Fields
from tests.integrations.caldav.odd import XML, Answer, Manners, OddServer, Request
from tests.integrations.caldav.person import Person
from tests.integrations.provider_contract import (
    create,
    delete,
    exception,
    listed,
    one,
    refused,
    update,
)
from tests.integrations.samples import DAILY, plain

SLOT, OTHER = "2026-12-02T09:00:00Z", "2026-12-03T09:00:00Z"
MOVED: Fields = {
    **plain("moved"),
    "start": {"at": "2026-12-02T12:00:00Z", "zone": "UTC"},
    "end": {"at": "2026-12-02T13:00:00Z", "zone": "UTC"},
}


def error(status: int, named: str) -> Answer:
    return status, XML, f'<error xmlns="DAV:"><x:{named} xmlns:x="urn:x"/></error>'.encode()


def test_the_name_is_the_uid(odd: OddServer, me: Person) -> None:
    provider = me.open()
    copy = one(provider, create(provider.name("x"), plain()))
    assert copy.facts["uid"] + ".ics" == copy.remote_id
    assert f"UID:{copy.facts['uid']}".encode() in odd.files[copy.remote_id]


def test_what_a_server_makes_of_a_write_is_what_is_told(odd: OddServer, me: Person) -> None:
    odd.manners.tidies = True
    provider = me.open()
    copy = one(provider, create(provider.name("x"), plain()))
    assert b"X-TIDIED" in odd.files[copy.remote_id]
    assert provider.read(copy.remote_id).version == copy.version
    assert one(provider, update(copy, title="again")).version


def test_a_batch_is_read_and_read_back_together(odd: OddServer, me: Person) -> None:
    provider = me.open()
    writes = [create(provider.name(str(n)), plain(str(n)), attempt=str(n)) for n in range(20)]
    copies = [outcome.copy for outcome in provider.write(writes)]
    assert (odd.calls("PUT"), odd.calls("REPORT")) == (20, 1)
    odd.seen.clear()
    outcomes = list(provider.write([update(c, c.remote_id, title="new") for c in copies if c]))
    assert all(outcome.copy for outcome in outcomes)
    assert (odd.calls("PUT"), odd.calls("REPORT"), len(odd.seen)) == (20, 2, 22)


def test_many_writes_to_one_file_all_work(odd: OddServer, me: Person) -> None:
    provider = me.open()
    series = one(provider, create(provider.name("s"), DAILY))
    writes = [
        exception(series, SLOT, MOVED),
        Write(
            WriteKind.CREATE,
            "",
            "b",
            fields={"status": "cancelled"},
            parent=series.remote_id,
            slot=OTHER,
        ),
        update(series, "c", title="renamed"),
    ]
    outcomes = {o.write.attempt: o for o in provider.write(writes)}
    assert all(outcome.copy for outcome in outcomes.values())
    copies, _ = listed(provider)
    assert copies.keys() == {
        series.remote_id,
        f"{series.remote_id}#{SLOT}",
        f"{series.remote_id}#{OTHER}",
    }
    assert (copies[series.remote_id].fields or {})["title"] == "renamed"


def test_somebody_elses_exception_does_not_stand_in_the_way_of_the_series(
    odd: OddServer, me: Person
) -> None:
    provider = me.open()
    series = one(provider, create(provider.name("s"), DAILY))
    me.change_occurrence(series.remote_id, SLOT, {"title": "theirs"})
    after = one(provider, update(series, title="ours"))
    assert (after.fields or {})["title"] == "ours"
    assert (provider.read(f"{series.remote_id}#{SLOT}").fields or {})["title"] == "theirs"


def test_a_change_between_our_look_and_our_write_is_kept(odd: OddServer, me: Person) -> None:
    provider = me.open()
    series = one(provider, create(provider.name("s"), DAILY))

    def script(request: Request) -> Answer | None:
        if request.method == "PUT":
            odd.script = lambda request: None
            me.change_occurrence(series.remote_id, SLOT, {"title": "theirs"})
        return None

    odd.script = script
    one(provider, update(series, title="ours"))
    copies, _ = listed(provider)
    titles = {(copy.fields or {})["title"] for copy in copies.values()}
    assert titles == {"ours", "theirs"}


def test_a_change_of_the_same_event_between_look_and_write_wins(odd: OddServer, me: Person) -> None:
    provider = me.open()
    copy = one(provider, create(provider.name("x"), plain()))

    def script(request: Request) -> Answer | None:
        if request.method in ("PUT", "DELETE"):
            odd.script = lambda request: None
            me.change(copy.remote_id, {"title": "theirs"})
        return None

    for write in (update(copy, title="ours"), delete(copy)):
        odd.script = script
        assert refused(provider, write).remedy is Remedy.REREAD
        assert (provider.read(copy.remote_id).fields or {})["title"] == "theirs"


def test_a_file_that_never_rests_is_left_for_later(odd: OddServer, me: Person) -> None:
    provider = me.open()
    series = one(provider, create(provider.name("s"), DAILY))
    turns = iter(range(100))

    def script(request: Request) -> Answer | None:
        if request.method == "PUT" and request.headers["user-agent"] == "Lockstep":
            me.change_occurrence(series.remote_id, SLOT, {"title": f"their {next(turns)}"})
        return None

    odd.script = script
    assert refused(provider, update(series, title="ours")).remedy is Remedy.REREAD


def test_a_refusal_of_what_nobody_changed_is_set_aside(odd: OddServer, me: Person) -> None:
    """Radicale says 412 of a text that is too large, too."""
    provider = me.open()
    copy = one(provider, create(provider.name("x"), plain()))
    odd.script = lambda r: (412, {}, b"") if r.method == "PUT" else None
    assert refused(provider, update(copy, title="x" * 99)).remedy is Remedy.PARK
    assert refused(provider, create(provider.name("y"), plain())).remedy is Remedy.PARK


def test_a_rule_that_we_would_not_follow_is_not_passed_on(odd: OddServer, me: Person) -> None:
    provider, every_second = me.open(), ["RRULE:FREQ=SECONDLY"]
    bomb = {**DAILY, "recurrence": every_second}
    assert refused(provider, create(provider.name("x"), bomb)).remedy is Remedy.PARK
    assert not odd.files
    series = one(provider, create(provider.name("s"), DAILY))
    assert refused(provider, update(series, recurrence=every_second)).remedy is Remedy.PARK
    assert one(provider, update(series, title="renamed")).version


@pytest.mark.parametrize("status", [403, 409, 412])
def test_a_uid_that_lives_elsewhere_is_set_aside_and_one_at_home_adopted(
    odd: OddServer, me: Person, status: int
) -> None:
    provider = me.open()
    write = create(provider.name("x"), plain())
    odd.script = lambda r: error(status, "no-uid-conflict") if r.method == "PUT" else None
    assert refused(provider, write).remedy is Remedy.PARK
    odd.script = lambda r: None
    one(provider, write)
    odd.script = lambda r: error(status, "no-uid-conflict") if r.method == "PUT" else None
    assert refused(provider, write).remedy is Remedy.ADOPT


@pytest.mark.parametrize(
    ("answer", "remedy"),
    [
        (error(403, "valid-calendar-object-resource"), Remedy.PARK),
        (error(403, "need-privileges"), Remedy.FREEZE),
        ((413, {}, b""), Remedy.PARK),
        ((423, {}, b""), Remedy.RETRY),
        ((507, {}, b""), Remedy.HOLD),
    ],
)
def test_a_refused_creation_says_what_to_do(
    odd: OddServer, me: Person, answer: Answer, remedy: Remedy
) -> None:
    provider = me.open()
    odd.script = lambda r: answer if r.method == "PUT" else None
    assert refused(provider, create(provider.name("x"), plain())).remedy is remedy


def test_a_server_that_is_shut_is_not_asked_again_for_the_rest(odd: OddServer, me: Person) -> None:
    provider = me.open()
    odd.script = lambda r: (401, {}, b"") if r.method == "PUT" else None
    writes = [create(provider.name(str(n)), plain(), attempt=str(n)) for n in range(5)]
    outcomes = list(provider.write(writes))
    assert [o.refusal.remedy for o in outcomes if o.refusal] == [Remedy.FREEZE] * 5
    assert odd.calls("PUT") == 1


def test_one_record_that_breaks_the_server_does_not_stop_the_others(
    odd: OddServer, me: Person
) -> None:
    provider = me.open()
    bad = provider.name("0")
    odd.script = lambda r: (500, {}, b"") if r.method == "PUT" and bad in r.path else None
    writes = [create(provider.name(str(n)), plain(), attempt=str(n)) for n in range(3)]
    outcomes = {o.write.attempt: o for o in provider.write(writes)}
    assert outcomes["0"].refusal is not None
    assert not outcomes["0"].refusal.certain
    assert outcomes["1"].copy
    assert outcomes["2"].copy


def test_a_write_that_cannot_be_read_back_is_in_doubt_and_a_deletion_is_not(
    odd: OddServer, me: Person
) -> None:
    provider = me.open()
    old = one(provider, create(provider.name("old"), plain()))
    puts: list[int] = []

    def script(request: Request) -> Answer | None:
        if request.method == "PUT":
            puts.append(1)
        return (503, {}, b"") if puts and request.method in ("REPORT", "GET") else None

    odd.script = script
    write = create(provider.name("new"), plain(), attempt="new")
    outcomes = {o.write.attempt: o for o in provider.write([write, delete(old)])}
    assert outcomes["new"].refusal is not None
    assert not outcomes["new"].refusal.certain
    assert outcomes["a3"].copy is not None


def test_a_creation_stored_under_another_name_is_in_doubt_not_gone(
    odd: OddServer, me: Person
) -> None:
    def script(request: Request) -> Answer | None:
        if request.method != "PUT":
            return None
        odd.answer_itself(request)
        odd.files["renamed.ics"] = odd.files.popitem()[1]
        return 201, {"Location": f"{odd.path}renamed.ics"}, b""

    odd.script = script
    provider = me.open()
    refusal = refused(provider, create(provider.name("x"), plain()))
    assert (refusal.remedy, refusal.certain) == (Remedy.RETRY, False)


def test_reading_before_a_write_leaves_nothing_in_doubt(odd: OddServer, me: Person) -> None:
    provider = me.open()
    copy = one(provider, create(provider.name("x"), plain()))
    odd.script = lambda r: (503, {}, b"")
    refusal = refused(provider, update(copy, title="new"))
    assert (refusal.remedy, refusal.certain) == (Remedy.RETRY, True)


def test_reading_again_after_a_collision_leaves_nothing_in_doubt(
    odd: OddServer, me: Person
) -> None:
    provider = me.open()
    copy = one(provider, create(provider.name("x"), plain()))
    collided: list[int] = []

    def script(request: Request) -> Answer | None:
        if request.method == "PUT":
            collided.append(412)
            return 412, {}, b""
        return (503, {}, b"") if collided else None

    odd.script = script
    refusal = refused(provider, update(copy, title="new"))
    assert (refusal.remedy, refusal.certain) == (Remedy.RETRY, True)


def test_a_deletion_in_a_calendar_that_is_gone_proves_nothing(odd: OddServer, me: Person) -> None:
    provider = me.open()
    copy = one(provider, create(provider.name("x"), plain()))
    odd.script = lambda r: (404, {}, b"")
    assert refused(provider, delete(copy)).remedy is Remedy.FREEZE


def test_an_exception_taken_back_leaves_the_series_as_it_was(odd: OddServer, me: Person) -> None:
    provider = me.open()
    series = one(provider, create(provider.name("s"), DAILY))
    moved = one(provider, exception(series, SLOT, MOVED))
    gone = one(provider, delete(moved))
    assert (gone.fields, gone.evidence) == (None, "deleted by us")
    copies, _ = listed(provider)
    assert copies.keys() == {series.remote_id}
    assert copies[series.remote_id].version == series.version


def test_a_series_that_is_gone_takes_no_exception(odd: OddServer, me: Person) -> None:
    provider = me.open()
    series = one(provider, create(provider.name("s"), DAILY))
    me.remove(series.remote_id)
    assert refused(provider, exception(series, SLOT, MOVED)).remedy is Remedy.REREAD


def test_deleting_a_series_deletes_its_file(odd: OddServer, me: Person) -> None:
    provider = me.open()
    series = one(provider, create(provider.name("s"), DAILY))
    one(provider, exception(series, SLOT, MOVED))
    one(provider, delete(series))
    assert odd.files == {}


@pytest.mark.parametrize("etag", ["none", "weak"])
def test_without_etags_no_condition_is_claimed(odd: OddServer, me: Person, etag: str) -> None:
    odd.manners = Manners(etag=etag)
    provider = me.open()
    assert provider.traits.conditional
    copy: Copy = one(provider, create(provider.name("x"), plain()))
    assert not provider.traits.conditional
    odd.seen.clear()
    one(provider, update(copy, title="new"))
    assert all("if-match" not in request.headers for request in odd.seen)


def test_every_change_holds_only_for_the_file_that_was_read(odd: OddServer, me: Person) -> None:
    provider = me.open()
    copy = one(provider, create(provider.name("x"), plain()))
    copy = one(provider, update(copy, title="new"))
    one(provider, delete(copy))
    conditions = [
        (r.headers.get("if-none-match"), bool(r.headers.get("if-match")))
        for r in odd.seen
        if r.method in ("PUT", "DELETE")
    ]
    assert conditions == [("*", False), (None, True), (None, True)]


def test_what_we_do_not_model_survives_our_writes(odd: OddServer, me: Person) -> None:
    name = me.add(plain())
    odd.files[name] = odd.files[name].replace(
        b"END:VEVENT", b"X-THEIRS;P=1:kept\r\nGEO:1.0;2.0\r\nEND:VEVENT"
    )
    provider = me.open()
    copies, _ = listed(provider)
    one(provider, update(copies[name], title="new"))
    assert b"X-THEIRS;P=1:kept\r\nGEO:1.0;2.0\r\n" in odd.files[name]


def test_a_refusal_of_a_write_names_neither_event_nor_address(odd: OddServer, me: Person) -> None:
    provider = me.open()
    odd.script = lambda r: (500, {}, b"canary") if r.method == "PUT" else None
    refusal: Refusal = refused(provider, create(provider.name("x"), plain("canary-title")))
    assert "canary" not in str(refusal)
    assert odd.url not in str(refusal)
