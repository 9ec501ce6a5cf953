"""Refusals: a request that is understood and declined. Each is a class whose name is the sentence.

``kind`` is what the API maps to an HTTP status; the class name is what travels (through Temporal as the error
type, over HTTP as ``error``); the text is for people.
"""

from enum import StrEnum


class Kind(StrEnum):
    """Why something was declined."""

    INVALID = "invalid"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    UNAVAILABLE = "unavailable"


class Refusal(Exception):  # noqa: N818  a refusal is no error of ours
    """A request declined for a reason that its author can read."""

    kind: Kind = Kind.INVALID


class NotFound(Refusal):
    """What was asked for does not exist."""

    kind = Kind.NOT_FOUND


class NotAllowed(Refusal):
    """The caller lacks the right."""

    kind = Kind.FORBIDDEN
