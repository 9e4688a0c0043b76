"""`make soak SEEDS=n`: the simulator with more seeds; says how fast, how often, and which failed.

    python -m benchmarks.soak --seeds 3000 --first 1000 [--jobs 2] [--weak]

`--weak` plays a service without client ids and conditional writes, where harm can be made rare but
not impossible, and says how rare it is. Exit code 1 if a seed failed that must not.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

WEAK = {"conditional": False, "client_ids": False, "batch": 1}


def main() -> None:
    """Share the seeds out among processes, and print what they found."""
    options = _options()
    if options.job:
        _job(options)
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    os.environ.setdefault("LOCKSTEP_ENV_FILE", os.devnull)
    from config import embedded

    holders = embedded.start_missing()
    try:
        failed = _soak(options)
    finally:
        for holder in holders:
            holder.release()
    sys.exit(bool(failed) and not options.weak)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3_000)
    parser.add_argument("--first", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--weak", action="store_true")
    parser.add_argument("--job", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def _soak(options: argparse.Namespace) -> dict[int, str]:
    started = time.monotonic()
    failed: dict[int, str] = {}
    struck: Counter[str] = Counter()
    for done, line in enumerate(_lines(options), start=1):
        struck.update(line["struck"])
        if line["problem"]:
            failed[line["seed"]] = line["problem"]
            print(f"seed {line['seed']}: {line['problem']}", flush=True)
        if done % 500 == 0:
            print(f"{done} seeds, {len(failed)} failed", flush=True)
    took = time.monotonic() - started
    share = f"{len(failed) / options.seeds:.2%}" if options.weak else str(sorted(failed))
    print(f"{options.seeds} seeds in {took:.0f} s, {options.seeds / took:.1f} a second")
    print("faults: " + ", ".join(f"{name} {number}" for name, number in sorted(struck.items())))
    print(f"failed: {share}")
    return failed


def _lines(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Start the jobs, each with every n-th seed, and yield what they report."""
    command = [sys.executable, "-m", "benchmarks.soak", *sys.argv[1:]]
    jobs = [
        subprocess.Popen(
            [*command, "--job", f"{number}/{options.jobs}"], stdout=subprocess.PIPE, text=True
        )
        for number in range(options.jobs)
    ]
    for job in jobs:
        assert job.stdout is not None
        yield from map(json.loads, job.stdout)
    if any(job.wait() for job in jobs):
        sys.exit("a job broke off")


def _job(options: argparse.Namespace) -> None:
    """Live through one job's share of the seeds in a scratch database, one line for each."""
    import django

    django.setup()
    from django.db import connection

    number, jobs = map(int, options.job.split("/"))
    connection.settings_dict["TEST"]["NAME"] = f"lockstep_soak_{os.getpid()}"
    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        for seed in range(options.first + number, options.first + options.seeds, jobs):
            print(json.dumps(_live_through(seed, options.weak)), flush=True)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def _live_through(seed: int, weak: bool) -> dict[str, Any]:
    from sync.core.provider import Traits
    from tests.sync.remote import FULL
    from tests.sync.simulator.properties import broken, check
    from tests.sync.simulator.world import simulate

    problems: list[str] = []
    struck: dict[str, int] = {}
    try:
        traits = Traits(**WEAK) if weak else FULL
        judge = (lambda world: problems.extend(broken(world))) if weak else check
        struck = simulate(seed, traits, judge).faults.struck
    except Exception as error:  # whatever a seed comes upon is that seed's finding
        problems.append(f"{type(error).__name__}: {str(error)[:200]}")
    return {"seed": seed, "problem": ", ".join(problems), "struck": struck}


if __name__ == "__main__":
    main()
