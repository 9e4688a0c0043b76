"""`--keep`: leave it all running, so that people can look around."""

import re
import signal
import subprocess
import sys

from rich.console import Console

from config.demo.stage import ROOT, Stage


def keep_running(stage: Stage, console: Console, name: str, password: str) -> int:
    """Run `manage.py up` until Ctrl-C and say where to look; return its exit code."""
    command = [sys.executable, "manage.py", "up", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as up:  # noqa: S603
        try:
            for line in up.stdout or ():
                if found := re.search(r"serving (\S+/admin/)", line):
                    _say_where(stage, console, found[1], name, password)
        except KeyboardInterrupt:
            console.print("\nStopping…")
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        up.terminate()
        return up.wait()


def _say_where(stage: Stage, console: Console, admin: str, name: str, password: str) -> None:
    lines = {
        "Lockstep's admin": admin,
        "name and password": f"{name}  {password}",
        "the other side": f"{stage.sandbox.url}/  (edit events as a person in Google would)",
        "your own sync": f"LOCKSTEP_ENV_FILE={stage.settings} {sys.executable} manage.py "
        "sync_calendars --verbose",
    }
    console.print()
    for what, where in lines.items():
        console.print(f"  {what:18} {where}", highlight=False, soft_wrap=True)
    console.print("\nIt all runs until Ctrl-C; then nothing is left of it.")
