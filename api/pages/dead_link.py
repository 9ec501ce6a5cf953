"""What a link tells that answers nothing any more, or never did: as little as its holder needs to go on."""

from fastapi import Request, Response

from api.acting import stored_approval
from api.pages.rendering import render
from api.services import Services, services_of
from domain.approval import Approval, clock, describe
from domain.ids import split_approval_id
from storage.tables import ApprovalLinkRow


def is_dead(link: ApprovalLinkRow | None, services: Services) -> bool:
    """Whether the link is unknown, was taken back, or is over; it is over in its very last second."""
    return link is None or link.revoked_at is not None or link.expires_at <= services.clock()


async def dead_link(request: Request, link: ApprovalLinkRow | None) -> Response:
    """The page of a link for which ``is_dead`` holds."""
    if link is None:
        detail = "Open it exactly as it stands in your mail. It may have been cut at the end of a line."
        return _page(request, 404, "This link is not valid", detail)
    approval = await stored_approval(services_of(request), link.approval_id)
    if link.revoked_at is not None:
        return _page(request, 410, *_revoked(approval, link))
    return _page(request, 410, *_expired(approval, link))


def _page(request: Request, status: int, title: str, detail: str) -> Response:
    return render(request, "error.html", http_status=status, status=status, title=title, detail=detail, trace_id=None)


def _revoked(approval: Approval, link: ApprovalLinkRow) -> tuple[str, str]:
    """Who is asked instead, and why; nothing about the release."""
    if any(asked.approver == link.approver for asked in approval.asked):
        why = _last(approval, "changed what is deployed", f"reassigned from {link.approver} to ")
        return "You were asked anew", f"Open the link in your newest mail. {why}".strip()
    why = _last(approval, f"reassigned from {link.approver} to ")
    return "Somebody else is asked instead of you", why or "This link does not count any more."


def _last(approval: Approval, *beginnings: str) -> str:
    """The last line of the history that begins in one of these ways, as a sentence; empty for none."""
    lines = (line for line in reversed(approval.history) if line.text.startswith(beginnings))
    return next((f"{line.by} {line.text} ({clock(line.at)})." for line in lines), "")


def _expired(approval: Approval, link: ApprovalLinkRow) -> tuple[str, str]:
    """What was decided and by whom, if something was."""
    if approval.verdict.is_final:
        deployment, _ = split_approval_id(link.approval_id)
        return f"{deployment.release} to {deployment.stage}", describe(approval)
    detail = "The time to answer is over. If your answer is still wanted, you will be asked again by mail."
    return "This link has expired", detail
