"""An approval in the console: the question, and what the person who is signed in does about it."""

# ruff: noqa: FAST003  the parts of a deployment's path are read by a dependency

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.approval_actions import author
from api.auth import Approver, Caller, Viewer
from api.inputs import Deployment
from api.pages.approval_forms import NotFilledIn
from api.pages.approval_page import ApprovalPage
from api.pages.forms import SentForm
from api.pages.notices import Notice
from api.pages.viewer import require_own_form
from api.pages.visitor import Visitor
from api.services import Services, ServicesHere
from domain.approval import Moment
from domain.ids import approval_id
from domain.role import Role

router = APIRouter(prefix="/approvals", include_in_schema=False)
_NEEDS_ROLE = Notice(
    "idle", "info", "You may look only", "Your token has the role viewer; answering needs the role approver."
)


def _approval_id(deployment: Deployment, moment: Moment) -> str:
    return approval_id(deployment, moment)


ApprovalId = Annotated[str, Depends(_approval_id)]


@router.get("/{pipeline}/{number}/{stage}/{attempt}/{moment}")
async def show(request: Request, approval: ApprovalId, caller: Viewer, services: ServicesHere) -> Response:
    """The question, and the forms for those who may do something."""
    return await (await _page(request, services, approval, caller)).show()


@router.post("/{pipeline}/{number}/{stage}/{attempt}/{moment}")
async def act(
    request: Request, approval: ApprovalId, caller: Approver, form: SentForm, services: ServicesHere
) -> Response:
    """Do what one of the forms asks for. The same form again is the same action."""
    require_own_form(request, form.text("csrf"))
    page = await _page(request, services, approval, caller)
    try:
        action = await page.read(form)
    except NotFilledIn as missing:
        return await page.show_again(form, missing)
    return await page.do(action, form)


async def _page(request: Request, services: Services, approval: str, caller: Caller) -> ApprovalPage:
    visitor = Visitor(
        author=await author(services, caller),
        path=f"/approvals/{approval}",
        barred=None if caller.role.includes(Role.APPROVER) else _NEEDS_ROLE,
    )
    return ApprovalPage(request, approval, visitor, "approval.html", caller)
