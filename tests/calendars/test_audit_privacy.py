"""The audit finds every word of an event that its block must not tell, and only those."""

import io
import json
from dataclasses import replace

import pytest
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from calendars.audit import SPEAKING, leaks, masked, words_of
from calendars.mirror import Block, Occurrences, Source, mirror
from calendars.models import Event
from calendars.rulebook import Rule
from calendars.services import add_busy_rule, change_busy_rule, remove_busy_rule
from integrations import registry
from integrations.google.normal import normalise
from sync.auditing import audit_privacy
from sync.core.events import EMPTY
from sync.core.provider import Refusal, Remedy
from tests.calendars.test_blocks_in_step import SLOT, WEEKLY, Hub
from tests.calendars.test_mirror_properties import NOW, TEXT, families, rules
from tests.calendars.world import at
from tests.sync.blocks import with_fault

services = st.sampled_from([normalise, dict])


def drawn(rule, family):
    """Every block that a family makes, with the events it stands for."""
    head, exceptions = family
    found = mirror(rule, head, exceptions, NOW)
    for source, made in zip([head, *exceptions], found, strict=True):
        blocks = made.blocks if isinstance(made, Occurrences) else (made,)
        yield from (([source, head], one) for one in blocks if isinstance(one, Block))


@given(rules, families(), services)
def test_no_block_of_any_rule_holds_a_word_that_the_rule_does_not_show(rule, family, service):
    for sources, block in drawn(rule, family):
        event(f"shows {len(rule.show)}")
        assert leaks(rule, sources, service(block.fields)) == []


PLANTS = {
    "title": lambda old, word: f"{old} {word}",
    "description": lambda old, word: f"<b>{word.lower()}</b>",
    "location": lambda old, word: f"Room {word}",
    "attendees": lambda old, word: [{"email": f"{word}@example.com", "name": ""}],
    "conference": lambda old, word: {"notes": f"Dial in: {word}"},
    "attachments": lambda old, word: [{"title": word}],
    "metadata": lambda old, word: {**old, "shared": {word: "1"}},
    "recurrence": lambda old, word: [*old, f"X-NOTE:{word}"],
}


# What lets nearly every event make a block.
EVERYTHING = {
    **{
        "past_days": 3650,
        "future_days": 3650,
        "include": (),
        "exclude": (),
        "weekdays": frozenset(),
    },
    **{"hours_from": None, "hours_to": None, "minimum_minutes": 0, "skip_free": False},
    **dict.fromkeys(("all_day", "tentative", "unanswered", "private_events"), "busy"),
    **{"skip_declined": False, "skip_event_types": frozenset()},
}


@settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much])
@given(rules, families(), st.sampled_from(sorted(PLANTS)), st.data())
def test_a_word_that_is_planted_in_any_field_of_a_block_is_found(rule, family, field, data):
    made = list(drawn(replace(rule, **EVERYTHING), family))
    assume(made)
    sources, block = data.draw(st.sampled_from(made))
    origin = data.draw(st.sampled_from(["description", "attendees", "conference", "attachments"]))
    secret = replace(rule, show=rule.show - {origin})
    words = {word for word in words_of(sources[0].fields[origin]) if word.startswith("q")}
    word = data.draw(st.sampled_from(sorted(word for word in words if "@" not in word)))
    telling = {**block.fields, field: PLANTS[field](block.fields[field], word.upper())}
    event(f"in {field}")
    found = {(leak.field, leak.word) for leak in leaks(secret, sources, telling)}
    everything = {name for name, leaked in found if leaked == word}
    shown = words_of([source.calendar for source in sources])
    shown |= words_of([s.fields[name] for s in sources for name in secret.show & {*SPEAKING}])
    assert everything >= {field} or word in shown


@given(TEXT)
def test_a_masked_word_does_not_tell_itself(text):
    assert words_of(text) & words_of(masked(text)) == set()


def test_an_address_is_a_word_of_its_own():
    rule = Rule()
    guest = {"email": "Ada.L@Example.com", "name": "Countess"}
    source = _source(attendees=[guest], description="see https://example.org/plan")
    block = {"title": "Busy", "description": "with ada.l@example.com, a countess"}
    assert {leak.word for leak in leaks(rule, [source], block)} >= {"ada.l@example.com", "countess"}
    assert leaks(rule, [source], {"title": "Busy", "location": "Busy"}) == []


def _source(**fields):
    return Source({**EMPTY, "start": at("05-05"), "end": at("05-05", 11), **fields})


@pytest.fixture
def hub(db, monkeypatch):
    hub = Hub()
    monkeypatch.setattr(registry, "open_provider", lambda c, **how: hub.engine.provider(c))
    return hub


def drawn_there(hub, **knobs):
    """A rule with a block of an event that says much."""
    rule = add_busy_rule(source=hub.work, target=hub.home, **knobs)
    guests = [{"email": "ada@example.org", "name": "Ada", "response": "accepted"}]
    hub.event(
        title="Merger talks", location="Harbour", description="Bring papers", attendees=guests
    )
    hub.show()
    return rule


def audit(hub, *rules):
    (found,) = audit_privacy(rules=rules, clock=hub.engine.clock)
    return found


def block(hub):
    return next(iter(hub.remote.alive()))


def test_blocks_as_their_rules_draw_them_are_clean(hub):
    rule = drawn_there(hub, fields=["title", "calendar"], title="{title} ({calendar})")
    series = hub.event(title="Weekly secret", recurrence=WEEKLY)
    times = {"start": at("05-13"), "end": at("05-13", 11)}
    hub.show(series, hub.event(series=series, slot=SLOT, title="Hidden", **times))
    found = audit(hub, rule)
    assert (found.blocks, found.findings, found.clean) == (3, [], True)


def test_what_lockstep_wrote_and_must_not_is_found(hub):
    rule = drawn_there(hub)
    change_busy_rule(rule=rule, fields=["location", "title"], title_template="{title}")
    hub.show()
    type(rule).objects.update(fields=[], title_template="Busy")

    found = audit(hub, rule)
    assert {(f.field, f.leak.word, f.leak.origin, f.ours) for f in found.leaks} == {
        ("title", "merger", "title", True),
        ("title", "talks", "title", True),
        ("location", "harbour", "location", True),
    }


def test_what_a_person_wrote_is_told_apart(hub):
    rule = drawn_there(hub)
    guest = {"email": "bob@elsewhere.net", "name": "Bob", "response": "needsAction"}
    hub.remote.edit(block(hub), description="the merger?", attendees=[guest], location="Room 5")

    found = audit(hub, rule)
    assert {(f.field, f.leak and f.leak.word, f.ours) for f in found.findings} == {
        ("description", "merger", False),
        ("attendees", None, False),
        ("location", None, False),
    }
    assert not found.clean


def test_a_block_that_is_left_alone_as_a_person_edited_it_is_audited_too(hub):
    rule = drawn_there(hub, on_edit="respect")
    hub.remote.edit(block(hub), title="Merger")
    hub.show()
    (leak,) = audit(hub, rule).leaks
    assert (leak.field, leak.leak.word, leak.ours) == ("title", "merger", False)


def test_a_block_that_lost_its_mark_is_read_and_one_that_nothing_claims_is_counted(hub):
    rule = drawn_there(hub)
    hub.remote.edit(block(hub), title="Merger").mark = ""
    stray = hub.remote.add("stray", title="Merger")
    stray.mark = hub.engine.provider(hub.home).marker.sign("stray", attempt="f", rule=rule.pk.hex)
    found = audit(hub, rule)
    assert (found.blocks, found.unclaimed, len(found.leaks)) == (1, 1, 1)


def test_a_changed_occurrence_without_a_row_here_is_compared_with_its_series(hub):
    rule = add_busy_rule(source=hub.work, target=hub.home)
    hub.event(title="Secret", recurrence=WEEKLY)
    hub.show()
    series = block(hub)
    fields = hub.remote.events[series].fields | {"title": "secret", "recurrence": []}
    moved = hub.remote.add("moved", **fields, parent=series, slot="2026-05-19T10:00:00Z")
    moved.mark = hub.remote.events[series].mark
    (leak,) = audit(hub, rule).leaks
    assert (leak.remote_id, leak.leak.word) == ("moved", "secret")


def test_the_kept_blocks_of_a_removed_rule_are_audited_as_well(hub):
    rule = drawn_there(hub)
    remove_busy_rule(rule=rule, now=hub.now, removal="keep")
    hub.remote.edit(block(hub), title="Merger")
    assert len(audit(hub, rule).leaks) == 1


def command(*arguments):
    out = io.StringIO()
    code = 0
    try:
        call_command("audit_privacy", *arguments, stdout=out)
    except SystemExit as ended:
        code = ended.code
    return code, out.getvalue()


def test_the_command_tells_words_only_if_asked_and_says_by_its_code_whether_any_leaked(hub):
    rule = drawn_there(hub)
    code, said = command()
    assert (code, "1 blocks, nothing leaked" in said) == (0, True)
    hub.remote.edit(block(hub), title="Merger")

    code, said = command("--rule", str(rule.pk))
    assert (code, "1 leaked words" in said, "merger" in said.casefold()) == (1, True, False)
    assert "m… (6 characters) of the event's title" in said
    code, said = command("--account", "work@example.com", "--show-words", "--json")
    (found,) = json.loads(said)["calendars"][0]["findings"]
    assert (code, found["word"], found["from"], found["ours"]) == (1, "merger", "title", False)


def test_a_calendar_that_cannot_be_read_is_no_clean_one(hub, monkeypatch):
    drawn_there(hub)

    def refuse(call, moment):
        raise Refusal(Remedy.FREEZE, call=call, status=401, reason="invalid_grant")

    with_fault(hub.engine, monkeypatch, refuse)
    code, said = command()
    assert (code, "could not be read: list: 401 invalid_grant" in said) == (1, True)


@pytest.mark.parametrize("arguments", [("--rule", "zzz"), ("--account", "nobody@example.com")])
def test_wrong_usage_is_told(hub, arguments):
    with pytest.raises(CommandError) as refused:
        command(*arguments)
    assert refused.value.returncode == 2


def test_an_audit_changes_nothing(hub):
    rule = drawn_there(hub)
    before = list(Event.objects.order_by("pk").values()), len(hub.remote.history)
    audit(hub, rule)
    assert (list(Event.objects.order_by("pk").values()), len(hub.remote.history)) == before
