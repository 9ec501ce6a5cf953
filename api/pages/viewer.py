"""The person a page is made for: what they may do, and the token that their forms send back."""

import hashlib
import hmac
from dataclasses import dataclass

from fastapi import Request

from api.approval_views import ApprovalView
from api.auth import SESSION_COOKIE, Caller
from domain.answering import is_one_of
from domain.person import Person
from domain.refusal import NotAllowed
from domain.role import Role


class ForgedForm(NotAllowed):
    """The form was not sent from a page of this session."""


@dataclass(frozen=True)
class SignedIn:
    """For templates. ``csrf`` is bound to the session, so that a form of another session's page is refused."""

    subject: str
    role: Role
    csrf: str

    @property
    def may_release(self) -> bool:
        return self.role.includes(Role.RELEASER)

    @property
    def is_manager(self) -> bool:
        return self.role.includes(Role.RELEASE_MANAGER)

    @property
    def is_admin(self) -> bool:
        return self.role.includes(Role.ADMIN)


def is_awaited(person: Person, approval: ApprovalView) -> bool:
    """Whether this person's answer is awaited there now, under any address of theirs."""
    return any(
        asked.is_asked_now and is_one_of(person.addresses, (*asked.members, *asked.deputies))
        for asked in approval.asked
    )


def signed_in(request: Request, caller: Caller) -> SignedIn:
    """The caller as templates see them."""
    return SignedIn(subject=caller.subject, role=caller.role, csrf=_form_token(request))


def require_own_form(request: Request, sent: str) -> None:
    """Raise ForgedForm unless the form came from a page of this very session."""
    if not hmac.compare_digest(_form_token(request).encode(), sent.encode()):
        raise ForgedForm("this form is out of date; open the page again")


def _form_token(request: Request) -> str:
    """Made from the session's secret, which a foreign page cannot read; says nothing about it."""
    session = request.cookies.get(SESSION_COOKIE) or request.headers.get("authorization", "")
    return hashlib.sha256(b"slipway form\0" + session.encode()).hexdigest()[:32]
