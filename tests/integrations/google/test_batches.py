"""Writing to Google in batches, against the sandbox over HTTP."""

import pytest

from integrations.google.provider import GoogleCalendar
from sync.core.provider import Outcome, Remedy
from tests.integrations.google.conftest import Google
from tests.integrations.provider_contract import create, delete, listed, update
from tests.integrations.samples import plain
from tests.waiting import wait_until


def batch(provider: GoogleCalendar, count: int) -> dict[str, Outcome]:
    """Create records in one go; return the outcomes by attempt."""
    writes = [create(provider.name(str(n)), plain(str(n)), attempt=f"a{n}") for n in range(count)]
    return {o.write.attempt: o for o in provider.write(writes)}


def test_writes_go_in_batches_one_after_the_other(google: Google) -> None:
    provider = google.open(batch=3)
    listed(provider)
    before = google.http.calls
    outcomes = batch(provider, 7)
    assert all(outcome.copy for outcome in outcomes.values())
    assert google.http.calls - before == 3


def test_a_batch_counts_as_many_calls_as_it_has_parts(google: Google) -> None:
    provider = google.open()
    batch(provider, 5)
    assert provider.calls == 5


def test_a_part_that_collided_is_sent_again_alone(google: Google) -> None:
    google.sandbox.fault("conflict", operation="events.insert", nth=2, times=2)
    outcomes = batch(google.open(), 5)
    assert all(outcome.copy for outcome in outcomes.values())
    assert google.naps == []


def test_a_part_with_a_refused_token_is_sent_again_with_a_new_one(google: Google) -> None:
    provider = google.open()
    listed(provider)
    saved = google.purse.saved
    google.sandbox.fault(
        "error", operation="events.insert", part=True, nth=2, status=401, reason="authError"
    )
    outcomes = batch(provider, 3)
    assert all(outcome.copy for outcome in outcomes.values())
    assert google.purse.saved == saved


def test_parts_over_the_rate_are_sent_again_after_a_while(google: Google) -> None:
    google.sandbox.fault(
        "error", operation="events.insert", nth=2, times=3, status=403, reason="rateLimitExceeded"
    )
    outcomes = batch(google.open(), 6)
    assert all(outcome.copy for outcome in outcomes.values())
    assert len(google.naps) == 1


def test_each_part_has_its_own_error(google: Google) -> None:
    google.sandbox.fault("error", operation="events.insert", nth=1, status=403, reason="forbidden")
    google.sandbox.fault("error", operation="events.insert", nth=2, status=500)
    outcomes = batch(google.open(), 4).values()
    remedies = sorted(o.refusal.remedy.value for o in outcomes if o.refusal)
    assert remedies == ["freeze", "retry"]
    assert sum(o.copy is not None for o in outcomes) == 2


def test_each_part_is_conditional(google: Google) -> None:
    provider = google.open()
    copies = [o.copy for o in batch(provider, 3).values() if o.copy]
    google.change(copies[1].remote_id, {"title": "theirs"})
    writes = [update(copy, f"u{n}", title="ours") for n, copy in enumerate(copies)]
    outcomes = {o.write.attempt: o for o in provider.write(writes)}
    assert outcomes["u1"].refusal is not None
    assert outcomes["u1"].refusal.remedy is Remedy.REREAD
    assert all(outcomes[name].copy for name in ("u0", "u2"))


def test_a_batch_without_an_answer_is_uncertain_in_every_part(google: Google) -> None:
    google.sandbox.fault("lost_answer", operation="batch")
    provider = google.open()
    refusals = [outcome.refusal for outcome in batch(provider, 3).values()]
    assert [(r.remedy, r.certain) for r in refusals if r] == [(Remedy.RETRY, False)] * 3
    copies, _ = listed(provider)
    assert len(copies) == 3


@pytest.mark.parametrize("kind", ["html", "truncated_json", "empty"])
def test_a_part_without_a_readable_answer_is_uncertain_and_the_others_are_not(
    google: Google, kind: str
) -> None:
    google.sandbox.fault(kind, operation="events.insert", nth=2)
    provider = google.open()
    outcomes = batch(provider, 3).values()
    (refusal,) = [outcome.refusal for outcome in outcomes if outcome.refusal]
    assert (refusal.remedy, refusal.certain) == (Remedy.RETRY, False)
    copies, _ = listed(provider)
    assert len(copies) == 3


def test_deletions_go_in_batches_too(google: Google) -> None:
    provider = google.open()
    copies = [o.copy for o in batch(provider, 3).values() if o.copy]
    outcomes = list(provider.write([delete(copy) for copy in copies]))
    assert [o.copy is not None and o.copy.fields for o in outcomes] == [None, None, None]


@pytest.mark.parametrize("kind", ["html", "empty"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_deletion_is_believed_only_by_its_own_answer(
    google: Google, kind: str, count: int
) -> None:
    provider = google.open()
    copies = [o.copy for o in batch(provider, count).values() if o.copy]
    google.sandbox.fault(kind, operation="events.delete", times=None)
    for outcome in provider.write([delete(copy) for copy in copies]):
        assert outcome.refusal is not None
        assert (outcome.refusal.remedy, outcome.refusal.certain) == (Remedy.RETRY, False)


def test_a_batch_is_on_its_way_before_anybody_asks_for_its_outcomes(google: Google) -> None:
    provider = google.open()
    writes = [create(provider.name(str(n)), plain(str(n)), attempt=f"a{n}") for n in range(3)]
    outcomes = provider.write(writes)
    done = ("events.insert", 200)
    wait_until(lambda: [(e["operation"], e["status"]) for e in google.requests()].count(done) == 3)
    copies, _ = listed(provider)
    assert len(copies) == 3
    assert all(outcome.copy for outcome in outcomes)


def test_a_batch_with_a_refused_token_is_sent_again_with_a_new_one(google: Google) -> None:
    provider = google.open()
    listed(provider)
    saved = google.purse.saved
    google.sandbox.fault("error", operation="batch", status=401, reason="authError")
    outcomes = batch(provider, 3)
    assert all(outcome.copy for outcome in outcomes.values())
    assert google.purse.saved == saved + 1
