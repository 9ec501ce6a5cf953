"""Sealed values open with the same key and in the same place only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.sealing import SealBroken, Sealing, derived_key

_KEY = "0123456789abcdef" * 4


@given(st.binary(max_size=200), st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_what_is_sealed_opens_as_it_was(plaintext, place):
    """Any bytes, bound to any place, also by another process with the same key."""
    assert plaintext == Sealing(_KEY).open(Sealing(_KEY).seal(plaintext, place), place)


def test_the_same_value_is_never_sealed_the_same(sealing):
    """Nobody can see that two secrets are equal."""
    assert sealing.seal(b"hunter2", "a") != sealing.seal(b"hunter2", "a")


def test_a_value_moved_to_another_row_does_not_open(sealing):
    """Who can write the tables cannot have a secret handed out under another name."""
    sealed = sealing.seal(b"hunter2", "secrets/prod")
    with pytest.raises(SealBroken, match="secrets/test"):
        sealing.open(sealed, "secrets/test")


def test_another_key_does_not_open_it(sealing):
    """And the refusal says what may have happened."""
    with pytest.raises(SealBroken, match="secret key"):
        Sealing("cd" * 32).open(sealing.seal(b"hunter2", "a"), "a")


def test_any_changed_byte_is_noticed(sealing):
    """Key id, nonce, ciphertext and tag."""
    sealed = sealing.seal(b"hunter2", "a")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(SealBroken):
            sealing.open(bytes(changed), "a")


@pytest.mark.parametrize("length", [0, 1, 12, 13, 28])
def test_a_cut_value_is_noticed(sealing, length):
    """At any length, also too short to be one at all."""
    with pytest.raises(SealBroken):
        sealing.open(sealing.seal(b"hunter2", "a")[:length], "a")


@pytest.mark.parametrize("key", ["", "00" * 16, "00" * 33, "zz" * 32, "secret"])
def test_a_key_of_the_wrong_form_is_refused(key):
    """At the start, not at the first secret; the message does not repeat it."""
    with pytest.raises(ValueError, match="hex"):
        Sealing(key)


def test_each_purpose_has_a_key_of_its_own():
    """Knowing one derived key tells nothing about another."""
    key = bytes.fromhex(_KEY)
    assert len({key, derived_key(key, "a"), derived_key(key, "b")}) == 3
    assert derived_key(key, "a") == derived_key(key, "a")
