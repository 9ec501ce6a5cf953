"""Encryption at rest: AES-256-GCM, each sealed value bound to the row it belongs to."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY_ID = b"\x01"
_NONCE_BYTES = 12
_KEY_BYTES = 32


class SealBroken(Exception):  # noqa: N818  reads as what happened
    """The value was changed, belongs to another row, or was sealed with another key."""


class Sealing:
    """Seals with one key. A sealed value is key id (1 byte), nonce (12), ciphertext with tag."""

    def __init__(self, key_hex: str) -> None:
        """Take 32 bytes as 64 hex digits; raises ValueError otherwise."""
        key = bytes.fromhex(key_hex)
        if len(key) != _KEY_BYTES:
            raise ValueError("the secret key is 32 bytes, written as 64 hex digits")
        self._key = key
        self._cipher = AESGCM(self.key_for("slipway sealing"))

    def key_for(self, purpose: str) -> bytes:
        """A key for that purpose alone."""
        return derived_key(self._key, purpose)

    def seal(self, plaintext: bytes, bound_to: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _KEY_ID + nonce + self._cipher.encrypt(nonce, plaintext, bound_to.encode())

    def open(self, sealed: bytes, bound_to: str) -> bytes:
        """Raises SealBroken."""
        if sealed[:1] != _KEY_ID:
            raise SealBroken(f"{bound_to} was sealed with another key")
        nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, ciphertext, bound_to.encode())
        except (InvalidTag, ValueError):
            raise SealBroken(f"{bound_to} cannot be opened: it was changed, or the secret key was") from None


def derived_key(key: bytes, purpose: str) -> bytes:
    """A key of its own for each purpose, so that one use tells nothing about another."""
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=purpose.encode()).derive(key)
