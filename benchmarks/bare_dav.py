"""The requests that keep two CalDAV calendars together, bare: their time is the servers'."""

import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import requests

from integrations.caldav.multistatus import MultiStatus, read_multistatus
from integrations.caldav.resources import DATA, ETAG
from integrations.caldav.xml import multiget, sync_collection

_XML = {"content-type": "application/xml; charset=utf-8"}


class BareDav:
    """Two calendars at two servers, and what the last look at each of them said."""

    def __init__(self, user: str, addresses: Sequence[str]) -> None:
        self._session = requests.Session()
        self._session.auth = (user, "password")
        self._addresses = addresses
        self._tokens = [self._report(url, sync_collection("")).sync_token for url in addresses]

    def nothing(self) -> float:
        """Ask both what changed; seconds."""
        started = time.perf_counter()
        for number in range(2):
            self._changed(number)
        return time.perf_counter() - started

    def carry_over(self) -> float:
        """Store what changed at the first at the second, each only if it is as it was; seconds."""
        started = time.perf_counter()
        files = [_file(url) for url in self._changed(0)]
        self._changed(1)
        texts, before = (self._many(url, files) for url in self._addresses)
        for file in files:
            etag, text = before[file][0], texts[file][1]
            address = self._addresses[1] + file
            answer = self._session.put(address, text.encode(), headers={"if-match": etag})
            answer.raise_for_status()
        self._many(self._addresses[1], files)
        return time.perf_counter() - started

    def _changed(self, number: int) -> list[str]:
        url = self._addresses[number]
        answer = self._report(url, sync_collection(self._tokens[number]))
        self._tokens[number] = answer.sync_token
        return [member.url for member in answer.members if _file(member.url)]

    def _many(self, url: str, files: Sequence[str]) -> dict[str, tuple[str, str]]:
        folder = urlsplit(url).path
        answer = self._report(url, multiget(folder + file for file in files), depth="1")
        return {_file(m.url): (m.text(ETAG), m.text(DATA)) for m in answer.members}

    def _report(self, url: str, body: bytes, depth: str = "0") -> MultiStatus:
        headers = {**_XML, "depth": depth}
        answer = self._session.request("REPORT", url, data=body, headers=headers)
        answer.raise_for_status()
        return read_multistatus(answer.content, url)


def _file(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]
