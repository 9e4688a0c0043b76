"""Video conferences: a create request is granted at once with an invented meeting."""

from __future__ import annotations

import hashlib
from typing import Any

from integrations.sandbox.errors import invalid

_LETTERS = "abcdefghijkmnopqrstuvwxyz"


def settle(body: dict[str, Any]) -> None:
    """Fill `conferenceData` where it asks for a conference, and keep `hangoutLink` in line."""
    data = body.get("conferenceData")
    request = (data or {}).get("createRequest")
    if data and request and "conferenceId" not in data:
        body["conferenceData"] = _created(request)
    points = body.get("conferenceData", {}).get("entryPoints", [])
    video = next((one.get("uri") for one in points if one.get("entryPointType") == "video"), None)
    body.pop("hangoutLink", None)
    if video:
        body["hangoutLink"] = video


def _created(request: dict[str, Any]) -> dict[str, Any]:
    if not request.get("requestId"):
        raise invalid("Invalid conference create request: requestId is missing.", "conferenceData")
    digest = hashlib.sha256(request["requestId"].encode()).digest()
    letters = "".join(_LETTERS[byte % 25] for byte in digest[:10])
    code = f"{letters[:3]}-{letters[3:7]}-{letters[7:]}"
    solution = request.get("conferenceSolutionKey") or {"type": "hangoutsMeet"}
    uri = f"https://meet.google.com/{code}"
    return {
        "createRequest": {
            "requestId": request["requestId"],
            "conferenceSolutionKey": solution,
            "status": {"statusCode": "success"},
        },
        "entryPoints": [{"entryPointType": "video", "uri": uri, "label": uri.split("//")[1]}],
        "conferenceSolution": {"key": solution, "name": "Google Meet"},
        "conferenceId": code,
    }
