"""`python -m config.demo`: the demo in an environment of its own; see `manage.py demo`."""

import os
import signal
import sys
from types import FrameType

import django
from rich.console import Console
from rich.markup import escape

from config.demo.stage import CommandFailed, Stage

WIDTH_OF_A_FILE = 110


def main() -> int:
    """Tell the story; return the exit code (1: a check failed, 130: interrupted)."""
    signal.signal(signal.SIGTERM, _interrupt)
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr] # titles hold anything
    console = Console(width=None if sys.stdout.isatty() else WIDTH_OF_A_FILE)
    try:
        with Stage() as stage:
            return _play(stage, console, keep="--keep" in sys.argv)
    except KeyboardInterrupt:
        console.print("\nInterrupted; nothing is left running.")
        return 130


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _play(stage: Stage, console: Console, *, keep: bool) -> int:
    console.print("[bold]Lockstep: a demo.[/bold] A database and a small Google of its own start…")
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    # These read the settings and the models, so they come last.
    from config.demo.scene import CheckFailed
    from config.demo.story import tell

    try:
        return tell(stage, console, keep=keep)
    except (CheckFailed, CommandFailed) as failure:
        console.print(f"[red]✗ FAILED[/red] {escape(str(failure))}", highlight=False)
        return 1


if __name__ == "__main__":
    sys.exit(main())
