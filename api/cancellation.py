"""Canceling over HTTP: the body that says why, and the refusal when there is nothing left to cancel."""

from pydantic import Field

from api.inputs import Body
from domain.refusal import Kind, Refusal


class Cancellation(Body):
    """Why the release or deployment is canceled."""

    reason: str = Field(default="", max_length=1000)


class AlreadyOver(Refusal):
    """What is to be canceled has ended."""

    kind = Kind.CONFLICT
