"""Credentials at rest: sealed, and bound to their place."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace

import pytest

from integrations.vault import BadKeys, CannotOpen, Place, Vault, key_of

OLD, NEW = "old:" + "11" * 32, "new:" + "22" * 32
PLACE = Place("integrations_account", "credentials", "row1", "workspace1", "google")


def test_what_is_sealed_opens_in_its_place() -> None:
    assert Vault(NEW).open(Vault(NEW).seal("secret ü", PLACE), PLACE) == "secret ü"


def test_a_sealed_text_shows_nothing_and_is_never_the_same_twice() -> None:
    first, second = Vault(NEW).seal("canary", PLACE), Vault(NEW).seal("canary", PLACE)
    assert "canary" not in first
    assert first != second


@pytest.mark.parametrize("part", ["table", "column", "row", "workspace", "service"])
def test_a_value_copied_to_another_place_does_not_open(part: str) -> None:
    sealed = Vault(NEW).seal("secret", PLACE)
    with pytest.raises(CannotOpen, match="copied"):
        Vault(NEW).open(sealed, replace(PLACE, **{part: "other"}))


def test_every_changed_byte_is_noticed() -> None:
    header, _, body = Vault(NEW).seal("secret", PLACE).rpartition(".")
    sealed = urlsafe_b64decode(body)
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(CannotOpen):
            Vault(NEW).open(f"{header}.{urlsafe_b64encode(changed).decode()}", PLACE)


def test_the_first_key_seals_and_every_key_opens() -> None:
    sealed = Vault(OLD).seal("secret", PLACE)
    both = Vault(f"{NEW}, {OLD}")
    assert both.open(sealed, PLACE) == "secret"
    assert key_of(both.seal("secret", PLACE)) == "new"


def test_a_swapped_key_id_is_noticed() -> None:
    same_key = Vault("a:" + "11" * 32 + ",b:" + "11" * 32)
    sealed = same_key.seal("secret", PLACE)
    with pytest.raises(CannotOpen):
        same_key.open(sealed.replace("g1.a.", "g1.b."), PLACE)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(CannotOpen, match=r"'old'.*has only: new"):
        Vault(NEW).open(Vault(OLD).seal("secret", PLACE), PLACE)


@pytest.mark.parametrize("text", ["", "plain", "g1.new", "g2.new.AAAA", "g1.new.!!!!", "g1.new.é"])
def test_what_is_no_sealed_text_does_not_open(text: str) -> None:
    with pytest.raises(CannotOpen):
        Vault(NEW).open(text, PLACE)


@pytest.mark.parametrize(
    "keys", ["", " , ", "k1", "k1:xyz", "k1:" + "1" * 63, f"{OLD},{OLD}", ":" + "1" * 64]
)
def test_bad_keys_are_refused_with_advice_and_never_quoted(keys: str) -> None:
    with pytest.raises(BadKeys, match="TOKEN_ENCRYPTION_KEYS") as error:
        Vault(keys)
    assert "1" * 30 not in str(error.value)
