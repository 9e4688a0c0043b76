"""A person's list of calendars, and who the person is."""

from collections.abc import Mapping
from typing import Any, Final

from integrations.collection_list import Listed, Listing
from integrations.google.client import Calendar, Identity
from integrations.google.errors import misread

_MASK: Final = (
    "nextPageToken,nextSyncToken,kind,items(id,summary,summaryOverride,timeZone,accessRole,primary,"
    "hidden,deleted,backgroundColor,defaultReminders)"
)


def list_calendars(calendar: Calendar, cursor: str = "") -> Listing:
    """Return all calendars in the list, or what changed since `cursor`.

    A delta leaves out an entry whose access role alone changed (reference of calendarList.list), so
    a complete list is due from time to time. Raises `Refusal` RESYNC for a dead cursor.
    """
    entries: list[Listed] = []
    query: dict[str, Any] = {"maxResults": 250, "showHidden": True, "fields": _MASK}
    query |= {"syncToken": cursor} if cursor else {}
    while True:
        answer = calendar.read("calendarList.list", calendar.calendar_list.list(**query))
        try:
            entries += [_listed(raw) for raw in answer.get("items", ())]
        except (KeyError, TypeError, AttributeError):
            raise misread("calendar", "calendarList.list", 200, "an odd entry") from None
        if not answer.get("nextPageToken"):
            break
        query["pageToken"] = answer["nextPageToken"]
    if not answer.get("nextSyncToken"):
        raise misread("calendar", "calendarList.list", 200, "neither a next page nor a sync token")
    return Listing(entries, answer["nextSyncToken"], complete=not cursor)


def _listed(raw: Mapping[str, Any]) -> Listed:
    return Listed(
        remote_id=raw["id"],
        name=raw.get("summaryOverride") or raw.get("summary") or raw["id"],
        role=raw.get("accessRole", ""),
        time_zone=raw.get("timeZone", "UTC"),
        primary=raw.get("primary", False),
        colour=raw.get("backgroundColor", ""),
        hidden=raw.get("hidden", False),
        default_reminders=raw.get("defaultReminders", ()),
        gone=raw.get("deleted", False),
    )


def person(identity: Identity) -> tuple[str, str]:
    """Return the unchanging id (`sub`) and the e-mail address of whoever gave the grant."""
    answer = identity.userinfo()
    if not answer.get("id"):
        raise misread("oauth2", "userinfo", 200, "no id")
    return str(answer["id"]), str(answer.get("email", ""))
