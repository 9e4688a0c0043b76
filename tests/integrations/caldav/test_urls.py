"""Addresses: one spelling, and credentials for nobody else."""

import pytest

from integrations.caldav.urls import BadAddress, canonical, cleaned, file_in, resolve, trusted

HOME = "https://dav.example.com/cal/"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("dav.example.com", "https://dav.example.com/"),
        ("HTTPS://DAV.example.com:443", "https://dav.example.com/"),
        ("http://[::1]:5232/a b/", "http://[::1]:5232/a%20b/"),
        ("https://me:secret@dav.example.com/x#y", "https://dav.example.com/x"),
        (" https://dav.example.com/ü/ ", "https://dav.example.com/%C3%BC/"),
    ],
)
def test_an_address_is_taken_as_people_type_it(typed: str, meant: str) -> None:
    assert cleaned(typed) == meant


@pytest.mark.parametrize("typed", ["", "ftp://x/", "https://", "file:///etc", "http://x:y/"])
def test_what_is_no_web_address_is_refused(typed: str) -> None:
    with pytest.raises(BadAddress):
        cleaned(typed)


@pytest.mark.parametrize(
    ("href", "meant"),
    [
        ("/cal/a.ics", "https://dav.example.com/cal/a.ics"),
        ("a.ics", "https://dav.example.com/cal/a.ics"),
        ("https://dav.example.com/cal/a.ics", "https://dav.example.com/cal/a.ics"),
        (" /cal/two words.ics\n", "https://dav.example.com/cal/two%20words.ics"),
        ("/cal/%7Ea%40b.ics", "https://dav.example.com/cal/~a@b.ics"),
        ("/cal/%e4%bd%a0.ics", "https://dav.example.com/cal/%E4%BD%A0.ics"),
        ("/cal/你.ics", "https://dav.example.com/cal/%E4%BD%A0.ics"),
        ("/cal/100%25%2Fday%23.ics", "https://dav.example.com/cal/100%25%2Fday%23.ics"),
    ],
)
def test_an_href_means_one_address_however_it_is_spelt(href: str, meant: str) -> None:
    assert resolve(HOME, href) == meant


def test_a_server_that_does_not_know_that_it_is_encrypted_stays_encrypted() -> None:
    base = "https://dav.example.com:8443/cal/"
    assert resolve(base, "http://dav.example.com/x/") == "https://dav.example.com:8443/x/"
    assert resolve(base, "http://other.example.com/x/") == "http://other.example.com/x/"


def test_a_path_in_its_one_spelling_is_left_alone() -> None:
    once = canonical("/a%2fb/c d/%7e")
    assert canonical(once) == once


@pytest.mark.parametrize(
    ("other", "trust"),
    [
        ("https://dav.example.com/else", True),
        ("https://dav.example.com:8443/", False),
        ("http://dav.example.com/", False),
        ("https://example.com/", False),
        ("https://dav.example.com.evil.test/", False),
        ("https://evil.test/dav.example.com", False),
    ],
)
def test_credentials_are_for_their_origin_only(other: str, trust: bool) -> None:
    assert trusted(HOME, other) is trust


def test_a_plain_address_may_lead_to_its_encrypted_self() -> None:
    assert trusted("http://dav.example.com/", "https://dav.example.com/cal/")
    assert not trusted("http://dav.example.com/", "https://dav.example.com:8443/")


def test_a_service_that_spreads_its_accounts_may_lead_to_its_own_servers() -> None:
    assert trusted("https://caldav.icloud.com/", "https://p42-caldav.icloud.com/1/")
    assert not trusted("https://caldav.icloud.com/", "http://p42-caldav.icloud.com/1/")
    assert not trusted("https://caldav.icloud.com/", "https://p42.icloud.com.evil.test/")
    assert not trusted("https://evil.test/", "https://caldav.icloud.com/")


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("https://dav.example.com/cal/a.ics", "a.ics"),
        ("http://inside:81/cal/a.ics", "a.ics"),
        ("https://dav.example.com/cal/", ""),
        ("https://dav.example.com/cal/deeper/", ""),
        ("https://dav.example.com/other/a.ics", ""),
    ],
)
def test_a_file_is_named_by_its_last_part(url: str, file: str) -> None:
    assert file_in(HOME, url) == file
