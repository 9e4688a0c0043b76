"""A believable local Google: OAuth and Calendar v3 over real HTTP, in a process of its own.

It imports nothing of Lockstep, so that what Lockstep believes about Google is not believed twice.
Start it with `manage.py sandbox`, `python -m integrations.sandbox` or, in tests, `Sandbox`.

Addresses: `/calendar/v3/…` and `/batch/calendar/v3` (the API), `/o/oauth2/v2/auth`, `/token`,
`/revoke`, `/oauth2/v2/userinfo`, `/oauth2/v3/userinfo`, `/oauth2/v3/certs` (signing in), `/` (a
page for a person on the other side) and `/sandbox/…` (the control API, JSON):

=====================================  ===========================================================
GET  state                             accounts, calendars with roles, channels, options, time
POST reset {seed_data}                 forget everything, plant `empty`, `demo` or `large:N`
POST options {name: value, …}          change `world.OPTIONS`: clock, expiry, quotas, and which of
                                       two answers to play where Google's own pages disagree
POST accounts {email, name, timeZone}  a new person with a primary calendar
POST calendars {account, summary, …}   a new secondary calendar; returns its id
POST calendars/change, calendars/entry {account, calendar, changes}
POST calendars/delete {account, calendar}
POST calendars/share {account, calendar, with, role}
GET  events?calendar=…                 every stored event, cancelled ones too
POST events {account, calendar, event}
POST events/edit {account, calendar, id, changes, original_start?}
POST events/delete {account, calendar, id, original_start?}
POST events/move {account, calendar, id, destination}
POST events/split {account, calendar, id, original_start, changes?}
POST events/respond {account, calendar, id, response, original_start?}
POST refresh_token {account, scopes?}  a refresh token as if the account had consented
POST clients {client_id, client_secret, redirect_uris}
POST tokens/expire_access {account?}, tokens/kill_sync {}, grants/revoke {account}
POST messages {address, headers}       a late or forged channel message
GET  faults, POST faults {rule}, POST faults/clear {}
GET  journal?after=N, POST journal/clear {}
=====================================  ===========================================================

`original_start` points at one occurrence of the series `id`. The `faults` module describes rules
and kinds. The journal tells of each API request its account, operation, status, the mails that
Google would have sent, and the faults it met; never bodies, texts or tokens. Beside the entries
stand the numbers of HTTP requests by kind. What a person does is not in it.

Left out: `calendars.transferOwnership`, free text (`quickAdd`), event labels, groups and domains
as people. Reminders, colours and transparency belong to a calendar's copy of an event, not to
each reader of it. Conferences are granted at once.
"""

from integrations.sandbox.client import Sandbox
from integrations.sandbox.server import serve

__all__ = ["Sandbox", "serve"]
