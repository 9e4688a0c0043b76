"""`make soak SEEDS=n`: both simulators with fresh seeds; says how fast, and which failed.

    python -m benchmarks.soak --seeds 40000 --first 1000000 [--jobs 2] [--whole 1000]

The pure simulator lives through `--seeds`, the whole engine on PostgreSQL through `--whole` of them
(by default one in forty). Before that every switch of the design is spoiled once, to see how soon
the pure simulator notices (`--mutants 0` leaves that out); what it comes upon too seldom is left to
tests of its own. Then the harm is measured that services
without client ids and conditional writes come to: it can be made rare, not impossible. Exit code 1
if a seed failed that must not, or a mutant lived.
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

PURE, WHOLE, WEAK = "pure", "whole", "weak"


def main() -> None:
    """Share the seeds out among processes, and print what they found."""
    options = _options()
    if options.job:
        _job(options)
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    os.environ.setdefault("LOCKSTEP_ENV_FILE", os.devnull)
    lived = _hunt(options.mutants) if options.mutants else []
    failed = [*_soak(PURE, options.seeds, options), *lived]
    _soak(WEAK, options.seeds // 40, options)
    if options.whole:
        failed += _with_servers(options)
    sys.exit(bool(failed))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3_000)
    parser.add_argument("--first", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--whole", type=int, default=None)
    parser.add_argument("--mutants", type=int, default=5_000, help="seeds tried on each")
    parser.add_argument("--job", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.whole = options.seeds // 40 if options.whole is None else options.whole
    return options


def _with_servers(options: argparse.Namespace) -> list[Any]:
    from config import embedded

    holders = embedded.start_missing()
    try:
        return _soak(WHOLE, options.whole, options)
    finally:
        for holder in holders:
            holder.release()


def _hunt(most: int) -> list[str]:
    """Print how soon each spoiled design is noticed; returns those that are not."""
    from tests.sync.pure.hunt import hunt
    from tests.sync.pure.mutants import RARE, SWITCHES, TRAPS

    lived = []
    print(f"{'spoiled':<32}{'seeds':>7}  noticed by   {'seeds':>7}  by the harm")
    for mutant in (one for one in (*SWITCHES, *TRAPS) if one not in RARE):
        first, harm = (hunt(mutant, range(most), strict=strict) for strict in (True, False))
        told = f"{first.seeds or '-':>7}  {first.said:<12}{harm.seeds or '-':>8}  {harm.said}"
        print(f"{mutant.__name__:<32}{told}", flush=True)
        lived += [] if first.seeds else [mutant.__name__]
    return lived


def _soak(part: str, seeds: int, options: argparse.Namespace) -> list[int]:
    started, failed, struck = time.monotonic(), [], Counter[str]()
    cpu = 0.0
    for line in _lines(part, seeds, options.jobs):
        struck.update(line["struck"])
        cpu += line["cpu"]
        if line["problem"]:
            failed.append(line["seed"])
            if part != WEAK:
                print(f"seed {line['seed']}: {line['problem']}", flush=True)
    took = time.monotonic() - started
    print(f"{part}: {seeds} seeds in {took:.0f} s, {seeds / took:.1f} a second,", end=" ")
    print(f"{seeds / cpu if cpu else 0:.1f} a second of one processor")
    if part == WEAK:
        print(f"weak: harm in {len(failed)} of {seeds} worlds, {len(failed) / max(seeds, 1):.2%}")
        return []
    print("mishaps: " + ", ".join(f"{name} {number}" for name, number in sorted(struck.items())))
    bound = "" if failed else f"; at 95 % fewer than {3 / max(seeds, 1):.1e} of such worlds fail"
    print(f"failed: {len(failed)} {sorted(failed)}{bound}")
    return failed


def _lines(part: str, seeds: int, jobs: int) -> Iterator[dict[str, Any]]:
    """Start the jobs, each with every n-th seed, and yield what they report."""
    command = [sys.executable, "-m", "benchmarks.soak", *sys.argv[1:]]
    started = [
        subprocess.Popen(
            [*command, "--job", f"{part}/{number}/{jobs}/{seeds}"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(jobs)
    ]
    for job in started:
        assert job.stdout is not None
        yield from map(json.loads, job.stdout)
    if any(job.wait() for job in started):
        sys.exit("a job broke off")


def _job(options: argparse.Namespace) -> None:
    """Live through one job's share of the seeds, one line for each."""
    part, *numbers = options.job.split("/")
    number, jobs, seeds = map(int, numbers)
    share = range(options.first + number, options.first + seeds, jobs)
    if part == WHOLE:
        _in_a_database(share)
        return
    for seed in share:
        _report(seed, _live_weakly if part == WEAK else _live_purely)


def _in_a_database(seeds: range) -> None:
    """Live through seeds in a scratch database."""
    import django

    django.setup()
    from django.db import connection

    connection.settings_dict["TEST"]["NAME"] = f"lockstep_soak_{os.getpid()}"
    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        for seed in seeds:
            _report(seed, _live_wholly)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def _report(seed: int, live: Any) -> None:
    struck: Counter[str] = Counter()
    problem, started = "", time.process_time()
    try:
        struck = live(seed)
    except Exception as error:  # whatever a seed comes upon is that seed's finding
        problem = f"{type(error).__name__}: {str(error)[:200]}"
    cpu = round(time.process_time() - started, 4)
    line = {"seed": seed, "problem": problem, "struck": struck, "cpu": cpu}
    print(json.dumps(line), flush=True)


def _live_purely(seed: int) -> Counter[str]:
    from tests.sync.pure.world import simulate

    world = simulate(seed)
    return sum((service.met for service in world.services.values()), world.faults.struck)


def _live_weakly(seed: int) -> Counter[str]:
    """Every calendar is of a service that lacks names of ours, conditional writes, or both."""
    from tests.sync.pure.world import simulate

    return simulate(seed, weak=1.0, forgiving=False).faults.struck


def _live_wholly(seed: int) -> Counter[str]:
    from tests.sync.simulator.world import simulate

    return Counter(simulate(seed).faults.struck)


if __name__ == "__main__":
    main()
