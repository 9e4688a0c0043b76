"""The lock under which all writing to the blocks of a calendar happens."""

import uuid
from collections.abc import Iterable

from calendars.knobs import RELATED
from calendars.models import BusyRule


def lock_rules(targets: Iterable[uuid.UUID]) -> list[BusyRule]:
    """Lock all rules with these targets, removed ones too, in one order for everybody.

    Must run inside a transaction. Whoever writes to blocks takes this lock first, and whole: which
    rule blocks the time of a meeting depends on the others with the same target, and two workers
    that each had a part of it could wait for each other for ever.
    """
    rules = BusyRule.objects.filter(target__in=set(targets)).select_related(*RELATED)
    return list(rules.order_by("target_id", "pk").select_for_update(no_key=True, of=("self",)))
