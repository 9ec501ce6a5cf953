"""What stands on a mail whichever way it goes: one recipient, a sender, an id, and no line break near a header."""

import re
from email.utils import parseaddr

from activities.notifications import Letter, MailRefused
from domain.frozen import Frozen

_ATOM = r"[^\s@:<>,;\"\x00-\x1f\x7f\ud800-\udfff]+"
_ADDRESS = re.compile(f"{_ATOM}@{_ATOM}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Begins an encoded word, which may hold line breaks. Python's own email package decodes it while it writes a header.
ENCODED = "=?"
_DELIVERY_ID = re.compile(r"[A-Za-z0-9._-]{1,200}")

# Keeps programs that answer by themselves ("I am on holiday") from answering.
WRITTEN_BY_A_PROGRAM = ("Auto-Submitted", "auto-generated")


class Sender(Frozen):
    """Whom the mails come from."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        return self.address.rsplit("@", 1)[1]

    def message_id(self, letter: Letter) -> str:
        """The same for the same delivery, so that mail programs show a mail that was sent twice once."""
        return f"<{letter.delivery_id}@{self.domain}>"


def sender_of(text: str) -> Sender:
    """Read ``Slipway <slipway@example.com>``, or the bare address; raises ValueError otherwise."""
    name, address = parseaddr(text)
    if _CONTROL.search(text) or ENCODED in text or not _ADDRESS.fullmatch(address):
        raise ValueError(f"{text!r} is no mail address to send from")
    return Sender(name=name, address=address)


def check(letter: Letter) -> None:
    """Raise MailRefused for what would become a second recipient, or a header that nobody meant."""
    if not _ADDRESS.fullmatch(letter.to):
        raise MailRefused(f"{letter.to[:200]!r} is no mail address")
    if not letter.subject.strip() or _CONTROL.search(letter.subject):
        raise MailRefused("the subject is empty, or has a line break or another control character")
    if ENCODED in letter.subject:
        raise MailRefused(f"the subject holds {ENCODED!r}, and would be read as something else than is written")
    if not _DELIVERY_ID.fullmatch(letter.delivery_id):
        raise MailRefused(f"{letter.delivery_id[:200]!r} is no delivery id")
