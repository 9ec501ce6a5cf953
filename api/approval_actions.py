"""The bodies of what people do to an approval, and the actions of the domain that they become.

Who acts is the caller, never somebody the body names.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth import Caller
from api.inputs import Body
from api.people import person_of
from api.services import Services
from domain.answering import is_one_of
from domain.approval import Action, Approval, Asked, Channel, Choice, Vote
from domain.approval_actions import Override, Reassignment, Withdrawal
from domain.approval_policy import Approver, Proof
from domain.nearest import did_you_mean
from domain.person import Person
from domain.refusal import NotFound, Refusal
from domain.role import Role
from storage import groups, people

_LONGEST_COMMENT = 4000
_ACTION_ID = r"^[A-Za-z0-9._:-]{1,64}$"


class SeveralPlaces(Refusal):
    """There are several approvers whose place it could be; the body names none of them."""


class NoSuchGroup(NotFound):
    """There is no group of that name."""


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is beyond all calendars") from error


class _Done(Body):
    """What all that people do has in common. ``action_id`` makes sending again harmless."""

    comment: str = Field(default="", max_length=_LONGEST_COMMENT, description="Kept in the history.")
    action_id: str = Field(
        default_factory=lambda: uuid4().hex,
        pattern=_ACTION_ID,
        description="Your own name for this; sent again, it counts once.",
    )


class Ballot(_Done):
    """An answer. ``digest`` is that of the approval as it was shown."""

    choice: Choice
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    not_before: Annotated[AwareDatetime, AfterValidator(_in_utc)] | None = Field(
        default=None, description="Approved from this time on, at most a year ahead."
    )


class NewWithdrawal(_Done):
    """A vote that is taken back, before the decision."""

    vote_id: str | None = Field(
        default=None, pattern=_ACTION_ID, description="The action_id of the vote; yours that counts if left out."
    )


class NewReassignment(_Done):
    """Somebody else to be asked in an approver's place."""

    approver: Approver | None = Field(
        default=None, description="In whose place, as the approval names them; where you are asked if left out."
    )
    to: Approver = Field(description="A mail address, or group:name with the members it has now.")


class NewOverride(_Done):
    """A decision in the approvers' stead; the comment is the reason."""

    choice: Choice
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    comment: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = Field(
        max_length=_LONGEST_COMMENT, description="Why; kept in the history."
    )


@dataclass(frozen=True)
class Author:
    """Who does something: the person behind the caller, how it came, and how they have shown who they are."""

    person: Person
    channel: Channel
    proof: Proof
    is_manager: bool

    def vote(self, ballot: Ballot) -> Vote:
        return Vote(
            **self._signed(ballot).model_dump(),
            choice=ballot.choice,
            digest=ballot.digest,
            not_before=ballot.not_before,
        )

    def withdrawal(self, new: NewWithdrawal, approval: Approval) -> Withdrawal:
        """Of the vote that is named, or else of theirs that counts; of none where they have none."""
        return Withdrawal(**self._signed(new).model_dump(), vote_id=new.vote_id or self._counted(approval))

    def reassignment(self, new: NewReassignment, approval: Approval, members: tuple[str, ...]) -> Reassignment:
        """Raises SeveralPlaces."""
        return Reassignment(
            **self._signed(new).model_dump(),
            approver=self._place(new.approver, approval),
            to=new.to if new.to.startswith("group:") else members[0],
            members=members,
            is_by_manager=self.is_manager,
        )

    def override(self, new: NewOverride) -> Override:
        return Override(**self._signed(new).model_dump(), choice=new.choice, digest=new.digest)

    def _signed(self, new: _Done) -> Action:
        return Action(
            action_id=new.action_id,
            comment=new.comment,
            by=self.person.address,
            also=self.person.also,
            channel=self.channel,
            proof=self.proof,
        )

    def _counted(self, approval: Approval) -> str:
        mine = [c.vote.action_id for c in approval.votes if is_one_of(self.person.addresses, (c.vote.by,))]
        return mine[-1] if mine else ""

    def _place(self, named: str | None, approval: Approval) -> str:
        """The approver as the approval has them."""
        if named is not None:
            return next((a.approver for a in approval.asked if _is_named(a, named)), named)
        mine = [asked.approver for asked in self._places(approval)]
        if len(mine) > 1:
            raise SeveralPlaces(f"say in whose place with approver: {', '.join(mine)}")
        return mine[0] if mine else self.person.address

    def _places(self, approval: Approval) -> tuple[Asked, ...]:
        """Where they are asked; a release manager who is asked nowhere may mean anybody's."""
        theirs = tuple(asked for asked in approval.asked if is_one_of(self.person.addresses, asked.people))
        meant = approval.asked if self.is_manager and not theirs else theirs
        answered = {counted.approver for counted in approval.votes}
        return tuple(asked for asked in meant if asked.approver not in answered) or meant[:1]


def _is_named(asked: Asked, named: str) -> bool:
    """By the name in the policy, or by the address of the person behind it."""
    return named == asked.approver or (not asked.is_group and is_one_of((named,), asked.members))


async def author(services: Services, caller: Caller) -> Author:
    """Who calls, as the author of what they do."""
    async with services.database.reading() as session:
        person = await person_of(session, caller)
    return Author(
        person=person,
        channel=Channel.CONSOLE if caller.is_browser else Channel.API,
        proof=caller.proof(services.clock()),
        is_manager=caller.role.includes(Role.RELEASE_MANAGER),
    )


async def successors(session: AsyncSession, to: str) -> tuple[str, ...]:
    """The people who may answer for this approver as things are now; raises NoSuchGroup."""
    if not to.startswith("group:"):
        return ((await people.person(session, to)).address,)
    name = to.removeprefix("group:")
    known = await groups.all_groups(session)
    # Approvers are written in lower case; the exact name goes before another spelling, as when a release is made.
    found = {group.lower(): members for group, members in known.items()} | known
    if name not in found:
        raise NoSuchGroup(f"there is no group {name}{did_you_mean(name, known)}")
    address_of = await people.primary_of(session)
    return tuple(dict.fromkeys(address_of.get(member, member) for member in found[name]))
