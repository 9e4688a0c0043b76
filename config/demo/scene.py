"""How the story is told: steps, commands, and checks that hold or stop it."""

import json
import shlex
from typing import Any

from rich.console import Console
from rich.markup import escape

from config.demo.otherside import OtherSide
from config.demo.stage import Stage

STEPS = 8


class CheckFailed(Exception):
    """Something is not as it should be; the text names it."""


class Scene:
    """What every step of the story has at hand."""

    def __init__(self, stage: Stage, console: Console) -> None:
        self.stage = stage
        self.console = console
        self.other_side = OtherSide(stage.sandbox)
        self.checked = 0
        self._step = 0

    def step(self, title: str, text: str) -> None:
        """Begin a step: what is shown now, in a sentence or two."""
        self._step += 1
        self.console.print()
        self.console.rule(f"[bold]{self._step} of {STEPS}  {title}", align="left")
        self.console.print(text, end="\n\n")

    def manage(self, *arguments: str, stdin: str = "") -> str:
        """Run a command of Lockstep before the spectator's eyes; return what it prints."""
        self.console.print(f"[cyan]$ manage.py {escape(shlex.join(arguments))}", highlight=False)
        return self.stage.manage(*arguments, stdin=stdin)

    def sync(self, *options: str) -> list[dict[str, Any]]:
        """Run `sync_calendars` and return its report on each calendar."""
        document = json.loads(self.manage("sync_calendars", *options, "--json", "--verbose"))
        reports: list[dict[str, Any]] = document["collections"]
        return reports

    def check(self, claim: str, holds: object, otherwise: object = "") -> None:
        """Show a claim that holds; raise CheckFailed for one that does not."""
        if not holds:
            raise CheckFailed(f"{claim}: {otherwise}" if otherwise else claim)
        self.checked += 1
        self.console.print(f"[green]✓[/green] {escape(claim)}", highlight=False)
