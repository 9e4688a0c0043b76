"""Addresses: what a server's hrefs mean, and to whom credentials may be shown."""

import re
from typing import Final
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

# What stays as it is in a path (RFC 3986 §3.3); "/" stays only between segments.
_SAFE: Final = "!$&'()*+,;=:@-._~"
_PORTS: Final = {"http": 80, "https": 443}
# A path that is in its one spelling already, as nearly all of a long listing are.
_PLAIN: Final = re.compile(r"/(?:[A-Za-z0-9._~@-]+/?)*", re.ASCII)
# Services that lead from their known address to a server of their own for each account.
_FAMILIES: Final = ("icloud.com", "icloud.com.cn")


class BadAddress(ValueError):
    """A text is no web address; the message says why."""


def cleaned(text: str) -> str:
    """Return an address as a person typed it in full: a scheme, no user, no fragment.

    Without a scheme it is https. Raises `BadAddress`.
    """
    text = text.strip()
    text = text if "://" in text else f"https://{text}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise BadAddress("this is not a web address") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise BadAddress("an address begins with https:// (or http://) and names a server")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    netloc = host if port in (None, _PORTS[parts.scheme]) else f"{host}:{port}"
    return urlunsplit((parts.scheme, netloc, canonical(parts.path) or "/", parts.query, ""))


def canonical(path: str) -> str:
    """Return a path in one spelling: whatever need not be percent-encoded is not."""
    return "/".join(quote(unquote(segment), safe=_SAFE) for segment in path.split("/"))


def resolve(base: str, href: str) -> str:
    """Return the full address that an href means (absolute, or relative to `base`).

    Servers send spaces and other letters that should have been encoded; they come out encoded. One
    behind a proxy may not know that it is spoken to over https; we stay there. Raises `BadAddress`
    for what is no address at all.
    """
    if _PLAIN.fullmatch(href) and "/." not in href:
        return origin(base) + href
    try:
        there = urlsplit(cleaned(urljoin(base, href.strip())))
    except ValueError:
        raise BadAddress("an href that is no address") from None
    here = urlsplit(base)
    if (here.scheme, there.scheme) == ("https", "http") and here.hostname == there.hostname:
        there = there._replace(scheme=here.scheme, netloc=here.netloc)
    return urlunsplit(there)


def origin(url: str) -> str:
    """Return scheme, host and port of an address, as `cleaned` spells them."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def trusted(known: str, other: str) -> bool:
    """Say whether credentials for `known` may be shown to `other`.

    To the same origin; from http to https on the same host; and between the servers of a service
    that is known to spread its accounts, over https.
    """
    if origin(known) == origin(other):
        return True
    here, there = urlsplit(known), urlsplit(other)
    if there.scheme != "https":
        return False
    if here.hostname == there.hostname:
        return here.scheme == "http" and there.port is None
    return here.scheme == "https" and any(
        _within(here.hostname, family) and _within(there.hostname, family) for family in _FAMILIES
    )


def _within(host: str | None, family: str) -> bool:
    return host is not None and (host == family or host.endswith(f".{family}"))


def file_in(collection: str, url: str) -> str:
    """Return the name of a member within its collection, "" if it is none, or a collection itself.

    Only paths are compared: behind some proxies servers get scheme and port of their own address
    wrong. Where a member is asked for follows from its collection's address and this name.
    """
    base, path = urlsplit(collection).path, urlsplit(url).path
    name = path[len(base) :] if path.startswith(base) else ""
    return "" if "/" in name else name


def as_collection(url: str) -> str:
    """Return the address of a collection, with the slash at its end (RFC 4918 §5.2)."""
    return url if url.endswith("/") else f"{url}/"
