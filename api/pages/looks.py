"""How a status looks: a tone and an icon beside its word, so that colour never speaks alone."""

from typing import NamedTuple


class Look(NamedTuple):
    """``tone`` is a class of the stylesheet, ``icon`` a symbol of the icon sheet."""

    tone: str
    icon: str


_UNKNOWN = Look("warn", "question")

# By the word itself: stages, releases, runs, approvals and deliveries share one vocabulary of words.
_LOOKS = {
    "not started": Look("idle", "circle"),
    "requested": Look("idle", "circle"),
    "pending": Look("wait", "clock"),
    "waiting": Look("wait", "clock"),
    "active": Look("run", "play"),
    "in progress": Look("run", "play"),
    "running": Look("run", "play"),
    "succeeded": Look("good", "check"),
    "approved": Look("good", "check"),
    "approve": Look("good", "check"),
    "sent": Look("idle", "mail"),
    "delivered": Look("good", "mail"),
    "deferred": Look("warn", "mail"),
    "dropped": Look("bad", "mail"),
    "bounced": Look("bad", "mail"),
    "partially succeeded": Look("warn", "half"),
    "unknown": Look("warn", "question"),
    "failed": Look("bad", "cross"),
    "timed out": Look("bad", "clock"),
    "rejected": Look("bad", "stop"),
    "reject": Look("bad", "stop"),
    "expired": Look("bad", "clock"),
    "canceled": Look("off", "slash"),
    "abandoned": Look("off", "slash"),
    "skipped": Look("off", "skip"),
    "superseded": Look("off", "skip"),
    "made": Look("good", "check"),
    "ignored": Look("off", "skip"),
    "online": Look("good", "check"),
    "offline": Look("off", "slash"),
    "maintenance": Look("warn", "stop"),
    "draining": Look("warn", "clock"),
    "waiting for approval": Look("wait", "clock"),
}


def look(status: str) -> Look:
    """The look of a status word; a word from a newer version looks like a question."""
    return _LOOKS.get(str(status), _UNKNOWN)
