"""Commands of approvers: what waits for me, approve, reject."""

import sys
import uuid
from typing import Annotated, cast

import typer

from cli import identifiers
from cli.answers import Approval, Receipt, Release
from cli.api_client import ApiClient
from cli.exit_codes import ExitCode
from cli.failure import Failure
from cli.release_text import local_time, versions
from cli.safe_text import one_line
from cli.screen import Output, OutputFormat, examples, print_fields, print_json, print_rows, say
from cli.session import api_of

ApprovalId = Annotated[
    str,
    typer.Argument(
        metavar="APPROVAL",
        help="As `slipway approvals` lists it: webshop/41/prod/1/before.",
        callback=identifiers.approval,
    ),
]
Comment = Annotated[str, typer.Option(help="For the history; everybody who sees the release reads it.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

_NOT_MINE = frozenset({"not an approver", "requester may not approve"})
_VERDICT_OF = {"approve": "approved", "reject": "rejected"}


def approvals(
    context: typer.Context,
    *,
    everybody: Annotated[bool, typer.Option("--all", help="Also those that wait for others.")] = False,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List the approvals that wait for me."""
    answer = api_of(context).get("/approvals", verdict="pending", mine=None if everybody else "true")
    if output == OutputFormat.JSON:
        print_json(answer)
        return
    rows = [[item["id"], _asked(item), local_time(item["expires_at"])] for item in answer["items"]]
    print_rows(["approval", "asked", "until"], rows, none="nothing waits for you")


def approve(context: typer.Context, approval: ApprovalId, comment: Comment = "", *, yes: Yes = False) -> None:
    """Approve a deployment. On a terminal it shows what is approved and asks first."""
    _answer(api_of(context), approval, "approve", comment, ask=not yes)


def reject(context: typer.Context, approval: ApprovalId, comment: Comment = "", *, yes: Yes = False) -> None:
    """Reject a deployment: it ends, and what comes after it does not start."""
    _answer(api_of(context), approval, "reject", comment, ask=not yes)


def _answer(api: ApiClient, approval_id: str, choice: str, comment: str, *, ask: bool) -> None:
    release_id = "/".join(approval_id.split("/")[:2])
    approval = cast("Approval", api.get(f"/approvals/{approval_id}"))
    release = cast("Release", api.get(f"/releases/{release_id}"))
    if ask and is_asked():
        _print_what_is_decided(approval, release)
        if not typer.confirm(f"{choice} this?", err=True):
            raise Failure(ExitCode.INTERRUPTED, "nothing was answered")
    vote = {"choice": choice, "comment": comment, "digest": approval["digest"], "vote_id": str(uuid.uuid4())}
    receipt = cast("Receipt", api.call("POST", f"/approvals/{approval_id}/votes", body=vote))
    print(one_line(receipt["message"]))
    _leave_unless_counted(receipt, choice)


def is_asked() -> bool:
    """Whether somebody sits there who can be asked."""
    return sys.stdin.isatty()


def _print_what_is_decided(approval: Approval, release: Release) -> None:
    print_fields(
        [
            ("approval", approval["id"]),
            ("release", f"{release['name']}, requested by {release['requested_by']}"),
            ("description", release["description"]),
            ("artifacts", versions(release)),
            ("asked", _asked(approval)),
            ("instructions", approval["instructions"]),
            ("verdict", approval["verdict"]),
        ]
    )


def _asked(approval: Approval) -> str:
    return ", ".join(f"{asked['approver']} ({asked['answered'] or 'asked'})" for asked in approval["asked"])


def _leave_unless_counted(receipt: Receipt, choice: str) -> None:
    """A vote that changed nothing must not look like one that did."""
    if receipt["counted"] or receipt["kind"] == "stored" or receipt["verdict"] == _VERDICT_OF[choice]:
        return
    if receipt["kind"] in _NOT_MINE:
        raise typer.Exit(ExitCode.NOT_ALLOWED)
    say("your answer was not counted")
    raise typer.Exit(ExitCode.REJECTED if receipt["verdict"] in {"rejected", "expired"} else ExitCode.MISUSE)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog=examples("slipway approvals", "slipway --as ana@example.com approvals"))(approvals)
    app.command(
        epilog=examples(
            "slipway approve webshop/41/prod/1/before",
            'slipway approve webshop/41/prod/1/before --yes --comment "tested in staging"',
        )
    )(approve)
    app.command(epilog=examples('slipway reject webshop/41/prod/1/before --comment "prices are wrong"'))(reject)
