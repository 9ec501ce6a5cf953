"""The page of an approval, for whoever may see it: by mailed link, or signed in to the console."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi import Request, Response

from api.acting import act, stored_approval
from api.auth import Caller
from api.pages.approval_forms import NotFilledIn, read_action
from api.pages.forms import Form
from api.pages.notices import Notice, status_of, told
from api.pages.question import question
from api.pages.rendering import render
from api.pages.visitor import Offers, Visitor, offers
from api.services import services_of
from domain.approval import Action
from domain.refusal import Kind

_FORMS = {"answer", "withdraw", "reassign", "override"}
_KEPT = {"comment", "to", "not_before"}
_STATUS_OF = {Kind.INVALID: 422, Kind.FORBIDDEN: 403}


@dataclass(frozen=True)
class Outcome:
    """What became of a form that was sent: a receipt, or the problem for which it is shown again.

    ``form`` is the form's name and ``given`` what was typed in it, when it is to be shown again as it was.
    """

    status: int = 200
    receipt: Notice | None = None
    is_stored: bool = False
    form: str = ""
    problem: str = ""
    given: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ApprovalPage:
    """One approval on one visitor's screen. ``template`` is the file, ``content`` what only this file names."""

    request: Request
    approval_id: str
    visitor: Visitor
    template: str
    caller: Caller | None = None
    content: Mapping[str, object] = field(default_factory=dict)

    async def show(self, outcome: Outcome | None = None) -> Response:
        """The question as it stands now, with the forms for what this person may do. Raises NoSuchApproval."""
        services = services_of(self.request)
        async with services.database.reading() as session:
            asked = await question(session, self.approval_id)
        result = outcome or Outcome()
        return render(
            self.request,
            self.template,
            caller=self.caller,
            http_status=result.status,
            section="Approvals",
            approval=asked.view,
            policy=asked.approval.policy,
            release=asked.plan,
            is_of_this_plan=asked.is_of_this_plan,
            changes=asked.changes,
            visitor=self.visitor,
            offers=Offers() if result.is_stored else offers(asked, self.visitor, services.clock()),
            outcome=result,
            sign_in_href=f"/login?next=/approvals/{self.approval_id}",
            **self.content,
        )

    async def read(self, form: Form) -> Action:
        """What the form asks for; raises NotFilledIn and NoSuchApproval."""
        services = services_of(self.request)
        return await read_action(form, self.visitor, await stored_approval(services, self.approval_id), services)

    async def show_again(self, form: Form, missing: NotFilledIn) -> Response:
        """With what was typed, and what is wrong with it."""
        again = Outcome(_STATUS_OF[missing.kind], form=_name(form), problem=str(missing), given=_typed(form))
        return await self.show(again)

    async def do(self, action: Action, form: Form) -> Response:
        """Do it, and show what became of it. Where it was not done, what was typed is not lost."""
        given = await act(services_of(self.request), self.approval_id, action)
        stands = given.receipt is None or given.receipt.stands
        return await self.show(
            Outcome(
                status_of(given),
                receipt=told(action, given),
                is_stored=given.is_stored,
                form="" if stands else _name(form),
                given={} if stands else _typed(form),
            )
        )


def _name(form: Form) -> str:
    return form.text("do") if form.text("do") in _FORMS else "answer"


def _typed(form: Form) -> Mapping[str, str]:
    return {name: form.text(name) for name in _KEPT}
