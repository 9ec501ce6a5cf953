"""Answering several approvals with one request: each ballot gets its own receipt, or its own problem."""

import asyncio
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from api.acting import act
from api.approval_actions import Author, Ballot
from api.approval_views import ReceiptView
from api.errors import Problem, problem_of
from api.inputs import Body
from api.receipts import receipt_view
from api.services import Services
from api.view import View
from domain.ids import SLUG_PATTERN
from domain.refusal import Refusal

MOST_BALLOTS = 100
_AT_ONCE = 8
_SLUG, _NUMBER = SLUG_PATTERN.strip("^$"), "[1-9][0-9]{0,9}"
_APPROVAL = f"^{_SLUG}/{_NUMBER}/{_SLUG}/{_NUMBER}/(before|after)$"


class AddressedBallot(Ballot):
    """An answer to the approval of this id."""

    approval: Annotated[str, StringConstraints(pattern=_APPROVAL, max_length=200)]


class Ballots(Body):
    """Answers to several approvals, one each."""

    ballots: tuple[AddressedBallot, ...] = Field(min_length=1, max_length=MOST_BALLOTS)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({ballot.approval for ballot in self.ballots}) != len(self.ballots):
            raise ValueError("answers the same approval twice")
        return self


class BallotResult(View):
    """What became of one ballot: a receipt, or a problem when it could not be delivered."""

    approval: str
    receipt: ReceiptView | None = None
    problem: Problem | None = None


class BallotResults(View):
    """In the order of the ballots."""

    results: list[BallotResult]


async def cast_all(services: Services, author: Author, ballots: tuple[AddressedBallot, ...]) -> BallotResults:
    """Cast them, a few at a time. One that fails does not stop the others."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def cast(ballot: AddressedBallot) -> BallotResult:
        async with turns:
            return await _cast(services, author, ballot)

    return BallotResults(results=await asyncio.gather(*(cast(ballot) for ballot in ballots)))


async def _cast(services: Services, author: Author, ballot: AddressedBallot) -> BallotResult:
    vote = author.vote(ballot)
    try:
        told = await act(services, ballot.approval, vote)
    except Refusal as refusal:
        return BallotResult(approval=ballot.approval, problem=problem_of(refusal))
    return BallotResult(approval=ballot.approval, receipt=receipt_view(vote, told))
