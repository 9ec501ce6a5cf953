"""The forms on an approval's page, read into what they ask for."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from api.approval_actions import NoSuchGroup, successors
from api.pages.forms import Form
from api.pages.visitor import Visitor
from api.services import Services
from domain.approval import Action, Approval, Choice, Vote
from domain.approval_actions import Override, Reassignment, Withdrawal
from domain.approval_policy import APPROVER_PATTERN
from domain.refusal import NotAllowed, Refusal
from domain.role import Role

_LONGEST_COMMENT = 2000
_LONGEST_APPROVER = 320
_ACTION_ID = re.compile(r"[A-Za-z0-9._:-]{1,48}")
_MINUTE = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?Z?")


class NotFilledIn(Refusal):
    """Something is missing in a form, or cannot be read. Nothing was sent."""


async def read_action(form: Form, visitor: Visitor, approval: Approval, services: Services) -> Action:
    """What the form asks for; raises NotFilledIn. The same form sent twice is the same action."""
    action = Action(
        action_id=action_id(form),
        by=visitor.author.person.address,
        also=visitor.author.person.also,
        channel=visitor.author.channel,
        proof=visitor.author.proof,
        comment=form.text("comment", _LONGEST_COMMENT),
    )
    match form.text("do", 20):
        case "withdraw":
            return _withdrawal(form, action)
        case "reassign":
            return await _reassignment(form, action, visitor, services)
        case "override":
            return _override(form, action, visitor)
        case _:
            return _vote(form, action, approval, services.clock())


def action_id(form: Form) -> str:
    """The one that the form came with. A form without one, or with a strange one, is a new action each time."""
    sent = form.text("action_id", 64)
    return sent if _ACTION_ID.fullmatch(sent) else uuid4().hex


def _vote(form: Form, action: Action, approval: Approval, now: datetime) -> Vote:
    choice = read_choice(form)
    if approval.policy.comment_required and not action.comment:
        raise NotFilledIn("An answer needs a comment here; nothing was sent.")
    return Vote(
        **_named_after(action, choice),
        choice=choice,
        digest=form.text("digest", 64),
        not_before=_not_before(form, now),
    )


def _withdrawal(form: Form, action: Action) -> Withdrawal:
    if form.text("sure") != "yes":
        raise NotFilledIn("Tick the box to take your answer back; nothing was sent.")
    return Withdrawal(**action.model_dump(), vote_id=form.text("vote_id", 100))


async def _reassignment(form: Form, action: Action, visitor: Visitor, services: Services) -> Reassignment:
    to = form.text("to", _LONGEST_APPROVER).lower()
    if not re.fullmatch(APPROVER_PATTERN, to):
        raise NotFilledIn("Name who is asked instead: a mail address, or a group as group:name; nothing was sent.")
    try:
        async with services.database.reading() as session:
            members = await successors(session, to)
    except NoSuchGroup as unknown:
        raise NotFilledIn(f"{str(unknown).capitalize()}; nothing was sent.") from unknown
    return Reassignment(
        **action.model_dump(),
        approver=form.text("approver", _LONGEST_APPROVER),
        to=to if to.startswith("group:") else members[0],
        members=members,
        is_by_manager=visitor.author.is_manager,
    )


def _override(form: Form, action: Action, visitor: Visitor) -> Override:
    """Raises NotAllowed: to whom the form is not shown must not send it."""
    if not visitor.author.is_manager:
        raise NotAllowed(f"deciding instead of the approvers needs the role {Role.RELEASE_MANAGER}")
    choice = read_choice(form)
    if not action.comment:
        raise NotFilledIn("Say why you decide instead of the approvers; nothing was sent.")
    return Override(**_named_after(action, choice), choice=choice, digest=form.text("digest", 64))


def read_choice(form: Form) -> Choice:
    """Raises NotFilledIn: nothing is chosen for anybody."""
    if form.text("choice") not in set(Choice):
        raise NotFilledIn("Choose Approve or Reject first; nothing was sent.")
    return Choice(form.text("choice"))


def _named_after(action: Action, choice: Choice) -> dict[str, Any]:
    """The fields of the action; another choice is another action."""
    return action.model_dump() | {"action_id": f"{action.action_id}-{choice}"}


def _not_before(form: Form, now: datetime) -> datetime | None:
    """As browsers send a local time; it is meant, and labelled, in UTC."""
    written = form.text("not_before", 40)
    if not written:
        return None
    try:
        moment = datetime.fromisoformat(written.removesuffix("Z")) if _MINUTE.fullmatch(written) else None
    except ValueError:  # such as the 31st of February
        moment = None
    if moment is None:
        raise NotFilledIn("Write the time as 2026-11-30 08:00, in UTC; nothing was sent.")
    if moment.replace(tzinfo=UTC) <= now:
        raise NotFilledIn("That time is over (it is read as UTC). Leave it empty to approve at once; nothing was sent.")
    return moment.replace(tzinfo=UTC)
