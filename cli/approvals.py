"""Commands about approvals: what waits for me, one approval, and what is done to it besides answering."""

import uuid
from typing import Annotated, cast

import typer

from cli import answering, approval_text, identifiers
from cli.answering import Comment, Yes, confirm, is_asked, print_what_is_decided
from cli.answers import Approval, Receipt
from cli.api_client import ApiClient
from cli.exit_codes import ExitCode
from cli.release_text import local_time
from cli.safe_text import one_line
from cli.screen import Output, OutputFormat, examples, print_fields, print_json, print_rows, say
from cli.session import SlipwayGroup, api_of

app = typer.Typer(
    help="What waits for whom. Without a command: what waits for me.", invoke_without_command=True, cls=SlipwayGroup
)

ApprovalId = Annotated[
    str,
    typer.Argument(
        metavar="APPROVAL",
        help="As `slipway approvals` lists it: webshop/41/prod/1/before.",
        callback=identifiers.approval,
    ),
]


@app.callback()
def inbox(context: typer.Context) -> None:
    """List what waits for me, or run one of the commands."""
    if context.invoked_subcommand is None:
        list_all(context)


@app.command(
    "list",
    epilog=examples(
        "slipway approvals list",
        "slipway approvals list --all --pipeline webshop --verdict any",
        "slipway approvals list --all --group ops",
    ),
)
def list_all(  # noqa: PLR0913, PLR0917  each is an option of the command
    context: typer.Context,
    pipeline: Annotated[str | None, typer.Option(metavar="PIPELINE", help="Of this pipeline only.")] = None,
    stage: Annotated[str | None, typer.Option(metavar="STAGE", help="Of this stage only.")] = None,
    group: Annotated[str | None, typer.Option(metavar="GROUP", help="Asked of this group only.")] = None,
    verdict: Annotated[
        str, typer.Option(metavar="VERDICT", help="pending, approved, rejected, expired, canceled, or any.")
    ] = "pending",
    limit: Annotated[int, typer.Option(metavar="NUMBER", min=1, max=200, help="How many, at most 200.")] = 50,
    cursor: Annotated[str | None, typer.Option(metavar="CURSOR", help="Where the page before ended.")] = None,
    *,
    mine: Annotated[bool, typer.Option("--mine/--all", help="Mine and my groups', or everybody's.")] = True,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List approvals, oldest first: those that wait for me, if nothing else is said."""
    answer = api_of(context).get(
        "/approvals",
        mine="true" if mine else None,
        pipeline=pipeline,
        stage=stage,
        group=group.removeprefix("group:") if group else None,
        verdict=verdict,
        limit=limit,
        cursor=cursor,
    )
    if output == OutputFormat.JSON:
        print_json(answer)
        return
    items = cast("list[Approval]", answer["items"])
    rows = [[i["id"], i["verdict"], approval_text.asked(i), local_time(i["expires_at"])] for i in items]
    none = "nothing waits for you" if mine and verdict == "pending" else "no such approvals"
    print_rows(["approval", "verdict", "asked", "until"], rows, none=none)
    if answer["next_cursor"]:
        say(f"more: the same with --cursor {answer['next_cursor']}")


@app.command(epilog=examples("slipway approvals show webshop/41/prod/1/before"))
def show(context: typer.Context, approval: ApprovalId, output: Output = OutputFormat.TEXT) -> None:
    """Show an approval: who is asked, what became of their mails, and all that happened."""
    found = cast("Approval", api_of(context).get(f"/approvals/{approval}"))
    if output == OutputFormat.JSON:
        print_json(found)
        return
    print_fields(
        [
            ("approval", found["id"]),
            ("verdict", found["verdict"]),
            ("standing", found["standing"]),
            ("an answer needs", approval_text.wanted(found)),
            ("until", local_time(found["expires_at"])),
            ("instructions", found["instructions"]),
            ("asked", "\n".join(approval_text.people(found))),
            ("history", "\n".join(approval_text.history(found))),
        ]
    )


@app.command(epilog=examples('slipway approvals withdraw webshop/41/prod/1/before --comment "found a bug"'))
def withdraw(context: typer.Context, approval: ApprovalId, comment: Comment = "") -> None:
    """Take my own answer back, while the approval is pending; then I may answer anew."""
    _do(api_of(context), f"/approvals/{approval}/withdrawals", {"comment": comment})


@app.command(
    epilog=examples(
        "slipway approvals reassign webshop/41/prod/1/before --to ben@example.com",
        "slipway approvals reassign webshop/41/prod/1/before --from-approver group:ops --to group:night-shift",
    )
)
def reassign(
    context: typer.Context,
    approval: ApprovalId,
    to: Annotated[str, typer.Option(metavar="APPROVER", help="A mail address, or group:name.")],
    from_approver: Annotated[
        str, typer.Option(metavar="APPROVER", help="In whose place; mine if left out. Release managers: anybody's.")
    ] = "",
    comment: Comment = "",
) -> None:
    """Let somebody else be asked instead."""
    place = {"approver": from_approver} if from_approver else {}
    _do(api_of(context), f"/approvals/{approval}/reassignments", {"to": to, "comment": comment} | place)


@app.command(
    epilog=examples('slipway approvals override webshop/41/prod/1/before --approve --reason "all approvers are ill"')
)
def override(
    context: typer.Context,
    approval: ApprovalId,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why the approvers are overridden; everybody reads it.")],
    *,
    is_approved: Annotated[bool, typer.Option("--approve/--reject", help="What is decided.")],
    yes: Yes = False,
) -> None:
    """Decide instead of the approvers. For release managers.

    On a terminal it shows what is decided and asks first.
    """
    api, choice = api_of(context), "approve" if is_approved else "reject"
    found = cast("Approval", api.get(f"/approvals/{approval}"))
    if not yes and is_asked():
        print_what_is_decided(api, found)
        confirm(f"{choice} this instead of those asked?")
    body = {"choice": choice, "digest": found["digest"], "comment": reason}
    _do(api, f"/approvals/{approval}/overrides", body, choice)


def _do(api: ApiClient, path: str, body: dict[str, str], choice: str | None = None) -> None:
    receipt = cast("Receipt", api.call("POST", path, body=body | {"action_id": str(uuid.uuid4())}))
    print(one_line(receipt["message"]))
    code = approval_text.exit_code(receipt, choice)
    if code != ExitCode.OK:
        say("nothing was done")
        raise typer.Exit(code)


def register(root: typer.Typer) -> None:
    """Add the commands of this module, and those that answer."""
    root.add_typer(app, name="approvals")
    answering.register(root)
