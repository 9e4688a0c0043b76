"""Busy blocks of a mesh: each of ten calendars blocks the nine others; nothing is sent."""

import json
import subprocess
import sys
from collections.abc import Iterator

from benchmarks import product
from benchmarks.installation import Installation, installation
from benchmarks.table import Row

CALENDARS, EVENTS = 10, 5_000
STEPS = "benchmarks/mesh_steps.py"


def rows(sizes: list[int]) -> Iterator[Row]:
    """Draw the mesh, then change one event; of the `sizes`, the largest bounds the calendars."""
    events = min(EVENTS, max(sizes))
    with installation({}) as lockstep:
        product.measure(STEPS, "plant", str(CALENDARS), str(events))
        lockstep.ask("VACUUM ANALYZE")
        idle = product.idle()
        drawn = product.measure(STEPS, "draw")
        blocks = _blocks(lockstep)
        yield Row(f"{blocks:,} blocks drawn by 90 rules", drawn, 0.0, "")
        lockstep.ask("VACUUM ANALYZE")
        runs = [product.measure(STEPS, "change") for _ in range(product.REPEAT)]
        looked = json.loads(_run("look"))
        what = f"1 change in the mesh ({looked['rows']} rows looked at)"
        yield Row(what, product.median_of(runs), idle.wall, "an idle Django")
        quiet = [product.measure(STEPS, "draw") for _ in range(product.REPEAT)]
        yield Row("nothing to draw", product.median_of(quiet), idle.wall, "an idle Django")


def _blocks(lockstep: Installation) -> int:
    counted = "SELECT count(*) FROM calendars_event WHERE busy_rule_id IS NOT NULL"
    return int(lockstep.ask(counted)[0][0])


def _run(step: str) -> str:
    command = [sys.executable, "-m", "benchmarks.mesh_steps", step]
    return subprocess.run(
        command, cwd=product.ROOT, check=True, capture_output=True
    ).stdout.decode()
