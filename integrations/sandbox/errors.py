"""Refusals in the words and the body family of Google's older APIs."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """A call that Google would refuse, with everything its error body carries."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        domain: str = "global",
        location: str | None = None,
        location_type: str = "parameter",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.domain = domain
        self.location = location
        self.location_type = location_type
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """Return the JSON error document: one entry in `errors`, and the code beside it."""
        entry = {"domain": self.domain, "reason": self.reason, "message": self.message}
        if self.location:
            entry |= {"locationType": self.location_type, "location": self.location}
        return {"error": {"errors": [entry], "code": self.status, "message": self.message}}


class OAuthError(Exception):
    """A refusal of the token endpoint, which has its own small error body (RFC 6749 §5.2)."""

    def __init__(self, status: int, error: str, description: str, subtype: str = "") -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description
        self.subtype = subtype

    def body(self) -> dict[str, str]:
        """Return `error`, `error_description` and, if set, `error_subtype`."""
        body = {"error": self.error, "error_description": self.description}
        return body | ({"error_subtype": self.subtype} if self.subtype else {})


def invalid(message: str, location: str | None = None) -> ApiError:
    """Return the 400 for a bad value."""
    return ApiError(400, "invalid", message, location=location)


def required(message: str) -> ApiError:
    """Return the 400 for a missing value."""
    return ApiError(400, "required", message)


def not_found() -> ApiError:
    """Return the 404 for what does not exist or may not be seen; Google does not say which."""
    return ApiError(404, "notFound", "Not Found")


def forbidden(message: str = "Forbidden") -> ApiError:
    """Return the 403 for an access role that is too weak."""
    return ApiError(403, "forbidden", message)


def full_sync_required() -> ApiError:
    """Return the 410 that tells a client to forget its sync token and list everything."""
    return ApiError(
        410,
        "fullSyncRequired",
        "Sync token is no longer valid, a full sync is required.",
        domain="calendar",
        location="syncToken",
    )
