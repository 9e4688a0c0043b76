"""The fields of Google's resources, for field masks and for reading bodies.

One line notation: names separated by spaces; `:b` boolean, `:i` integer, `:a` anything, else a
string; `{}` an object, `[]` a list, `*` any key. A test holds it against the discovery document.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from integrations.sandbox.errors import ApiError

_PERSON = "{displayName email id self:b}"
_TIME = "{date dateTime timeZone}"
_REMINDERS = "[{method minutes:i}]"
_CONFERENCE = """{conferenceId conferenceSolution:{iconUri key:{type} name}
  createRequest:{conferenceSolutionKey:{type} requestId status:{statusCode}}
  entryPoints:[{accessCode entryPointFeatures:[s] entryPointType label meetingCode passcode
    password pin regionCode uri}]
  notes parameters:{addOnParameters:{parameters:{*}}} signature}"""
_EVENT = f"""{{anyoneCanAddSelf:b attachments:[{{fileId fileUrl iconLink mimeType title}}]
  attendees:[{{additionalGuests:i asyncOperation comment displayName email id optional:b
    organizer:b resource:b responseStatus self:b}}]
  attendeesOmitted:b birthdayProperties:{{contact customTypeName type}} colorId
  conferenceData:{_CONFERENCE} created creator:{_PERSON} description end:{_TIME}
  endTimeUnspecified:b etag eventLabelId eventType
  extendedProperties:{{private:{{*}} shared:{{*}}}}
  focusTimeProperties:{{autoDeclineMode chatStatus declineMessage}}
  gadget:{{display height:i iconLink link preferences:{{*}} title type width:i}}
  guestsCanInviteOthers:b guestsCanModify:b guestsCanSeeOtherGuests:b hangoutLink htmlLink iCalUID
  id kind location locked:b organizer:{_PERSON} originalStartTime:{_TIME}
  outOfOfficeProperties:{{autoDeclineMode declineMessage}} privateCopy:b recurrence:[s]
  recurringEventId reminders:{{overrides:{_REMINDERS} useDefault:b}} sequence:i source:{{title url}}
  start:{_TIME} status summary transparency updated visibility
  workingLocationProperties:{{customLocation:{{label}} homeOffice:a
    officeLocation:{{buildingId deskId floorId floorSectionId label}} type}}}}"""
_ENTRY = f"""{{accessRole autoAcceptInvitations:b backgroundColor colorId
  conferenceProperties:{{allowedConferenceSolutionTypes:[s]}} dataOwner
  defaultReminders:{_REMINDERS} deleted:b description etag foregroundColor hidden:b id kind location
  notificationSettings:{{notifications:[{{method type}}]}} primary:b selected:b summary
  summaryOverride timeZone}}"""
_CALENDAR = """{autoAcceptInvitations:b conferenceProperties:{allowedConferenceSolutionTypes:[s]}
  dataOwner description etag id kind labelProperties:{eventLabels:[{backgroundColor id name}]}
  location summary timeZone
  workingHours:{availableTimes:[{dayOfWeek periodEnd:i periodStart:i}] workingHoursEnabled:b}}"""
_ACL_RULE = "{etag id kind role scope:{type value}}"
_SETTING = "{etag id kind value}"
_COLORS = "{*:{background foreground}}"
_PERIODS = "busy:[{end start}] errors:[{domain reason}]"
_PAGE = "etag kind nextPageToken nextSyncToken"

SHAPES = {
    "Event": _EVENT,
    "Events": f"{{accessRole defaultReminders:{_REMINDERS} description items:[{_EVENT}] summary "
    f"timeZone updated {_PAGE}}}",
    "CalendarListEntry": _ENTRY,
    "CalendarList": f"{{items:[{_ENTRY}] {_PAGE}}}",
    "Calendar": _CALENDAR,
    "AclRule": _ACL_RULE,
    "Acl": f"{{items:[{_ACL_RULE}] {_PAGE}}}",
    "Setting": _SETTING,
    "Settings": f"{{items:[{_SETTING}] {_PAGE}}}",
    "Colors": f"{{calendar:{_COLORS} event:{_COLORS} kind updated}}",
    "Channel": "{address expiration id kind params:{*} payload:b resourceId resourceUri token "
    "type}",
    "FreeBusyRequest": "{calendarExpansionMax:i groupExpansionMax:i items:[{id}] timeMax timeMin "
    "timeZone}",
    "FreeBusyResponse": f"{{calendars:{{*:{{{_PERIODS}}}}} "
    "groups:{*:{calendars:[s] errors:[{domain reason}]}} kind timeMax timeMin}",
    "Userinfo": "{email family_name gender given_name hd id link locale name picture "
    "verified_email:b}",
}


@cache
def shape(name: str) -> Any:
    """Return a resource as nested dicts and one-element lists over `str`, `bool`, `int`, None."""
    return _read(re.findall(r"[{}\[\]:]|[*\w]+", SHAPES[name]))


_LEAVES: dict[str, Any] = {"b": bool, "i": int, "s": str, "a": None}


def _read(words: list[str]) -> Any:
    word = words.pop(0)
    if word == "[":
        inner = [_read(words)]
        words.pop(0)
        return inner
    if word != "{":
        return _LEAVES[word]
    fields: dict[str, Any] = {}
    while (name := words.pop(0)) != "}":
        typed = words[0] == ":" and words.pop(0)
        fields[name] = _read(words) if typed else str
    return fields


def read_body(value: Any, wanted: Any, path: str = "") -> Any:
    """Return the known part of a request body; unknown keys are ignored, as Google ignores them.

    Null stays where it stands: a patch uses it to delete. Raises the 400 for a wrong type.
    """
    if value is None or wanted is None:
        return value
    if isinstance(wanted, dict) and isinstance(value, dict):
        kind = {key: wanted.get(key, wanted.get("*", ...)) for key in value}
        return {k: read_body(v, kind[k], f"{path}.{k}") for k, v in value.items() if kind[k] != ...}
    if isinstance(wanted, list) and isinstance(value, list) and None not in value:
        return [read_body(item, wanted[0], path) for item in value]
    return _leaf(value, wanted, path)


def _leaf(value: Any, wanted: Any, path: str) -> Any:
    if wanted is str and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)  # int64 fields arrive in either spelling
    if isinstance(wanted, type) and isinstance(value, wanted):
        return value
    raise ApiError(400, "parseError", f"Invalid value at '{path.lstrip('.') or 'body'}'.")
