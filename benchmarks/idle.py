"""Start Django, connect to the database and end: what any command costs at least."""

import django
from django.db import connection

django.setup()
connection.ensure_connection()
