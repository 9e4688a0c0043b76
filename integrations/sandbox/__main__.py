"""`python -m integrations.sandbox`: run a sandbox; print its address as a line of JSON."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path

from integrations.sandbox import oauth, seeds
from integrations.sandbox.server import serve


def main() -> int:
    """Run until SIGINT or SIGTERM; return the exit code (2 for a wrong argument)."""
    parser = argparse.ArgumentParser(prog="python -m integrations.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--state", type=Path, help="folder that keeps everything; else memory")
    parser.add_argument("--seed-data", default="demo", metavar="NAME", help=seeds.NAMES)
    parser.add_argument(
        "--end-with-stdin", action="store_true", help="stop when standard input closes"
    )
    options = parser.parse_args()
    if options.end_with_stdin:
        threading.Thread(target=_end_with_stdin, daemon=True).start()

    def ready(port: int) -> None:
        client = {"client_id": oauth.CLIENT_ID, "client_secret": oauth.CLIENT_SECRET}
        print(json.dumps({"url": f"http://{options.host}:{port}", **client}), flush=True)

    try:
        serve(
            host=options.host,
            port=options.port,
            state=options.state,
            seed_data=options.seed_data,
            ready=ready,
        )
    except (seeds.UnknownSeed, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _end_with_stdin() -> None:
    """Stop once nobody holds the other end of the pipe: whoever started this process is gone."""
    while os.read(0, 4096):
        continue
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
