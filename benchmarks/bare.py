"""Fetch a calendar with Google's own client, parse it and end: what any program has to do."""

import sys

from benchmarks.floor import BareClient

url, calendar, refresh_token, *client = sys.argv[1:]
BareClient(url, calendar, refresh_token, (client[0], client[1])).fetch()
