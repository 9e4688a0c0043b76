"""Runs one part of Lockstep in this process: `python -m config.part web|worker|beat`."""

import argparse
import os
import signal
import socket
import sys
import threading
import time
import warnings

STOP_SECONDS = 8.0


def main(arguments: list[str]) -> None:
    """Run the part named on the command line until it is asked to stop."""
    options = _parser().parse_args(arguments)
    os.environ["LOCKSTEP_PART"] = options.part  # the settings depend on it
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if options.lifeline is not None:
        threading.Thread(target=_end_with, args=(options.lifeline,), daemon=True).start()
    from config.embedded import start_missing

    start_missing()
    {"web": _web, "worker": _worker, "beat": _beat}[options.part](options)


def _parser() -> argparse.ArgumentParser:
    """The options of all parts."""
    parser = argparse.ArgumentParser(prog="python -m config.part", description=__doc__)
    parser.add_argument("--lifeline", type=int, help=argparse.SUPPRESS)
    parts = parser.add_subparsers(dest="part", required=True)
    web = parts.add_parser("web", help="pages and API")
    web.add_argument("--host", default="127.0.0.1")
    web.add_argument("--port", type=int, default=8000)
    web.add_argument("--socket", type=int, help=argparse.SUPPRESS)
    worker = parts.add_parser("worker", help="the work that the clock and the pages hand over")
    worker.add_argument("--queues", default="priority,default,bulk", help="in order of urgency")
    worker.add_argument("--concurrency", type=int, default=2, help="processes")
    parts.add_parser("beat", help="the clock; exactly one everywhere")
    return parser


def _web(options: argparse.Namespace) -> None:
    """Serve ASGI on the socket handed over, or on an own one."""
    import uvicorn

    config = uvicorn.Config(
        "config.asgi:application",
        lifespan="off",
        log_config=None,
        proxy_headers=True,
        timeout_graceful_shutdown=5,
    )
    if options.socket is not None:
        listener = socket.socket(fileno=options.socket)
    else:
        listener = socket.create_server((options.host, options.port))
    uvicorn.Server(config).run(sockets=[listener])


def _worker(options: argparse.Namespace) -> None:
    """Work on the queues in a few forked processes."""
    from celery.exceptions import SecurityWarning

    from config.celery import app

    # It warns root of messages that run code; ours are JSON.
    warnings.simplefilter("ignore", SecurityWarning)
    app.worker_main(
        [
            *("--quiet", "worker", "--pool", "prefork", "--without-gossip", "--without-mingle"),
            *("--queues", options.queues, "--concurrency", str(options.concurrency)),
            *("--hostname", f"{options.queues.replace(',', '-')}@%h", "--loglevel", "INFO"),
        ]
    )


def _beat(options: argparse.Namespace) -> None:
    """Tick."""
    from config.celery import app

    app.start(["--quiet", "beat", "--loglevel", "INFO"])


def _end_with(lifeline: int) -> None:
    """Stop this process when the one that started it is gone: the pipe from it then closes."""
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
