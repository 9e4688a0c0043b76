"""The story from beginning to end."""

import secrets

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from rich.console import Console

from config.demo import first_sync, second_sync, third_sync
from config.demo.keep import keep_running
from config.demo.scene import Scene
from config.demo.stage import Stage
from config.embedded import start_missing

ADMIN = "admin"


def tell(stage: Stage, console: Console, *, keep: bool) -> int:
    """Tell it on servers of its own; return the exit code 0 if every check held.

    Raises `CheckFailed` and `CommandFailed`.
    """
    holders = start_missing()
    try:
        call_command("migrate", interactive=False, verbosity=0)
        password = secrets.token_hex(6)
        get_user_model().objects.create_superuser(ADMIN, password=password)
        scene = Scene(stage, console)
        _steps(scene)
        console.print(f"\n[bold green]All {scene.checked} checks held.[/bold green]")
        return keep_running(stage, console, ADMIN, password) if keep else 0
    finally:
        connection.close()
        for holder in holders:
            holder.release()


def _steps(scene: Scene) -> None:
    first_sync.connect(scene)
    first_sync.sync(scene, planned=first_sync.plan(scene))
    second_sync.sync(scene, days=second_sync.act(scene))
    second_sync.show_conflict(scene)
    third_sync.sync(scene)
    second_sync.prove_rest(scene)
