"""Approving and rejecting, one approval or several at once."""

import sys
import uuid
from typing import Annotated, cast

import typer

from cli import approval_text, identifiers
from cli.answers import Approval, BallotResult, Receipt, Release
from cli.api_client import ApiClient
from cli.exit_codes import ExitCode
from cli.failure import Failure
from cli.moments import moment
from cli.release_text import requester, versions
from cli.safe_text import one_line
from cli.screen import examples, print_fields, say
from cli.session import api_of

ApprovalIds = Annotated[
    list[str],
    typer.Argument(
        metavar="APPROVAL",
        help="As `slipway approvals` lists them: webshop/41/prod/1/before.",
        callback=identifiers.approvals,
    ),
]
Comment = Annotated[str, typer.Option(metavar="TEXT", help="For the history; everybody who sees the release reads it.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def approve(
    context: typer.Context,
    approvals: ApprovalIds,
    comment: Comment = "",
    begin: Annotated[
        str, typer.Option("--from", metavar="TIME", help="Approved from then on: 2026-12-01 08:00, or with its zone.")
    ] = "",
    *,
    yes: Yes = False,
) -> None:
    """Approve deployments. On a terminal it shows what is approved and asks first."""
    later = {"not_before": moment(begin)} if begin else {}
    _answer(api_of(context), approvals, {"choice": "approve", "comment": comment} | later, ask=not yes)


def reject(context: typer.Context, approvals: ApprovalIds, comment: Comment = "", *, yes: Yes = False) -> None:
    """Reject deployments: they end, and what comes after them does not start. On a terminal it asks first."""
    _answer(api_of(context), approvals, {"choice": "reject", "comment": comment}, ask=not yes)


def _answer(api: ApiClient, approval_ids: list[str], answer: dict[str, str], *, ask: bool) -> None:
    found = [cast("Approval", api.get(f"/approvals/{approval_id}")) for approval_id in approval_ids]
    if ask and is_asked():
        for approval in found:
            print_what_is_decided(api, approval)
        confirm(f"{answer['choice']} {'this' if len(found) == 1 else f'these {len(found)}'}?")
    ballots = [answer | {"digest": a["digest"], "action_id": str(uuid.uuid4())} for a in found]
    if len(found) == 1:
        _vote_on_one(api, found[0]["id"], ballots[0])
    else:
        _vote_on_several(api, [{"approval": a["id"]} | b for a, b in zip(found, ballots, strict=True)])


def _vote_on_one(api: ApiClient, approval_id: str, ballot: dict[str, str]) -> None:
    receipt = cast("Receipt", api.call("POST", f"/approvals/{approval_id}/votes", body=ballot))
    print(one_line(receipt["message"]))
    code = approval_text.exit_code(receipt, ballot["choice"])
    if code != ExitCode.OK:
        say("your answer was not counted")
        raise typer.Exit(code)


def _vote_on_several(api: ApiClient, ballots: list[dict[str, str]]) -> None:
    """The exit code is that of the first answer that was not counted."""
    told = api.call("POST", "/approvals/votes", body={"ballots": ballots})
    results = cast("list[BallotResult]", told["results"])
    codes = [_told(result, ballots[0]["choice"]) for result in results]
    refused = [code for code in codes if code != ExitCode.OK]
    if refused:
        say(f"{len(refused)} of {len(codes)} answers were not counted")
        raise typer.Exit(refused[0])


def _told(result: BallotResult, choice: str) -> ExitCode:
    if result["receipt"] is not None:
        print(f"{result['approval']}: {one_line(result['receipt']['message'])}")
        return approval_text.exit_code(result["receipt"], choice)
    assert result["problem"] is not None, "a result is a receipt or a problem"
    print(f"{result['approval']}: {one_line(result['problem']['detail'])}")
    return approval_text.exit_code_of_problem(result["problem"])


def is_asked() -> bool:
    """Whether somebody sits there who can be asked."""
    return sys.stdin.isatty()


def confirm(question: str) -> None:
    """Raise Failure unless the person says yes."""
    if not typer.confirm(question, err=True):
        raise Failure(ExitCode.INTERRUPTED, "nothing was answered")


def print_what_is_decided(api: ApiClient, approval: Approval) -> None:
    """What one must know to answer."""
    release = cast("Release", api.get(f"/releases/{approval['release']}"))
    print_fields(
        [
            ("approval", approval["id"]),
            ("release", f"{release['name']}, requested by {requester(release)}"),
            ("description", release["description"]),
            ("artifacts", versions(release)),
            ("asked", approval_text.asked(approval)),
            ("instructions", approval["instructions"]),
            ("standing", approval["standing"]),
        ]
    )


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        epilog=examples(
            "slipway approve webshop/41/prod/1/before",
            'slipway approve webshop/41/prod/1/before --yes --comment "tested in staging"',
            'slipway approve webshop/41/prod/1/before --from "2026-12-01 08:00"',
            "slipway approve webshop/41/eu/1/before webshop/41/us/1/before",
        )
    )(approve)
    app.command(epilog=examples('slipway reject webshop/41/prod/1/before --comment "prices are wrong"'))(reject)
