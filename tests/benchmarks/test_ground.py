"""What `make bench` measures against does what it should."""

from pathlib import Path

import pytest

from benchmarks import fixed, product
from benchmarks.floor import BareClient
from benchmarks.table import Row, show
from integrations.google.events import read_page
from sync.core.marks import Marker

COUNT = fixed.PAGE + 10
SPENT = product.Measured(wall=3.0, cpu=2.0, memory=80.0, queries=35)


def test_the_server_that_costs_nothing_shows_everything_and_then_what_changed() -> None:
    with fixed.serving(COUNT) as url:
        bare = BareClient(url, fixed.ACCOUNT, "token", ("client", "secret"))
        pages = list(bare.pages())
        nothing = list(bare.pages())
        fixed.bump(url, 3)
        changed = [event for page in bare.pages() for event in page]
        bare.service.close()

    assert [len(page) for page in pages] == [fixed.PAGE, 10]
    assert nothing == [[]]
    assert len(changed) == 3
    before = {event["id"]: event for page in pages for event in page}
    for event in changed:
        assert event["updated"] > before[event["id"]]["updated"]
        assert event["etag"] != before[event["id"]]["etag"]


def test_its_events_are_read_without_a_loss() -> None:
    events = [fixed.event(number) for number in range(100)]

    copies, unreadable = read_page(
        events, marker=Marker([b"key"], "main"), role="owner", evidence="test"
    )

    assert len(copies) == 100
    assert unreadable == []


def test_a_process_is_measured_and_one_that_fails_is_not(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys; sum(range(10**6)); sys.exit(int(sys.argv[1]))")

    took = product.measure(str(script), "0")

    assert took.cpu > 0
    assert 5 < took.memory < 1_000
    with pytest.raises(product.Failed, match="exit code 3"):
        product.measure(str(script), "3")


def test_the_table_shows_each_row_beside_its_floor(capsys: pytest.CaptureFixture[str]) -> None:
    show([Row("first import", SPENT, 1.5, "fetch and parse"), Row("alone", SPENT, 0.0, "")])

    said = capsys.readouterr().out
    assert "2.00" in said
    assert "floor of first import: fetch and parse" in said
    assert "floor of alone" not in said
