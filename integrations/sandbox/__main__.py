"""`python -m integrations.sandbox`: run a sandbox; print its address as a line of JSON."""

from __future__ import annotations

import argparse
import json
import sys
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
    options = parser.parse_args()

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


if __name__ == "__main__":
    sys.exit(main())
