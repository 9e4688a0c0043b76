"""Echoes: busy blocks of ours that a feed shows, because it shows a calendar that we write to.

A feed has no place for the signed mark: that is bound to the calendar and to the name of the copy
there. What comes through is the iCalUID. Taken for events they would be blocked in turn, be shown
by the feed again, and so on for ever.
"""

from collections.abc import Iterable
from dataclasses import replace

from django.db.models.fields.json import KT

from calendars.adoption import is_adopted
from calendars.models import Event
from sync.core.provider import Copy, Page
from sync.models import Mapping
from sync.run import Run

EVIDENCE = "a busy block of ours, shown by a feed"


def without_echoes(run: Run, page: Page) -> Page:
    """Call gone what a page of a feed shows of busy blocks that this workspace's rules made."""
    if not run.provider.traits.read_only:
        return page
    echoes = _uids_of_blocks(run, {uid for copy in page.copies if (uid := _uid(copy))})
    if not echoes:
        return page
    copies = [
        Copy(copy.remote_id, evidence=EVIDENCE) if _uid(copy) in echoes else copy
        for copy in page.copies
    ]
    return replace(page, copies=copies)


def _uid(copy: Copy) -> str:
    return str(copy.facts.get("uid") or "")


def _uids_of_blocks(run: Run, uids: Iterable[str]) -> set[str]:
    """Return those of the iCalUIDs that copies of our blocks bear, or bore: a feed may lag behind.

    A copy that a rule adopted was somebody's own before, and may have the UID of its event.
    """
    copies = Mapping.objects.annotate(uid=KT("facts__uid")).filter(uid__in=list(uids))
    here = copies.filter(collection__account__workspace=run.collection.account.workspace_id)
    found = dict(here.filter(item__event__busy_rule__isnull=False).values_list("item", "uid"))
    blocks = Event.objects.filter(pk__in=list(found), series=None).values(
        "item_id", "busy_rule_id", "source_id", "occurrence", "series_id"
    )
    return {found[block["item_id"]] for block in blocks if not is_adopted(block)}
