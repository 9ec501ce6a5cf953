"""The six digits that go with a mailed link where the policy wants them typed by hand: computed, never kept."""

import hashlib
import hmac

from storage.sealing import Sealing

_DIGITS = 6


class LinkCodes:
    """Who has only the link cannot tell the digits: they come from its token and from the installation's key."""

    def __init__(self, sealing: Sealing) -> None:
        self._key = sealing.key_for("slipway link codes")

    def code_of(self, token: str) -> str:
        digest = hmac.digest(self._key, token.encode(), hashlib.sha256)
        return f"{int.from_bytes(digest[:16]) % 10**_DIGITS:0{_DIGITS}}"

    def is_code(self, token: str, typed: str) -> bool:
        """Compare in constant time; blanks between the digits do not matter. Count the try first (``try_code``)."""
        return hmac.compare_digest(self.code_of(token).encode(), "".join(typed.split()).encode())
