"""Run a command each time a line is read, in one process, as a worker does; say what each took."""

import json
import sys
import time

import django
from django.core.management import call_command

from benchmarks.probe import peak_megabytes

django.setup()
for _ in sys.stdin:
    wall, cpu = time.perf_counter(), time.process_time()
    call_command(*sys.argv[1:])
    spent = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps([*spent, peak_megabytes()]), file=sys.stderr, flush=True)
