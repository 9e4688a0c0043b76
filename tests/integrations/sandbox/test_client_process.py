"""A sandbox in a process of its own ends with whoever started it."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
START_AND_WAIT = """
import sys
from integrations.sandbox import Sandbox
sandbox = Sandbox("empty")
sandbox.start()
print(sandbox.url, flush=True)
sys.stdin.read()
"""


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/sandbox/state", timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False


def test_a_sandbox_ends_when_its_starter_is_killed() -> None:
    command = [sys.executable, "-c", START_AND_WAIT]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as starter:
        url = starter.stdout.readline().strip()
        assert answers(url)
        starter.kill()
    end = time.monotonic() + 20
    while answers(url):
        assert time.monotonic() < end, "the sandbox outlives its starter"
        time.sleep(0.05)
