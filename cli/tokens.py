"""Commands about tokens: the keys with which people and programs use the API."""

from enum import StrEnum
from typing import Annotated

import typer

from cli.release_text import local_time
from cli.screen import Output, OutputFormat, examples, print_json, print_rows, say
from cli.session import SlipwayGroup, api_of

app = typer.Typer(help="Make, list and revoke tokens.", no_args_is_help=True, cls=SlipwayGroup)


class Role(StrEnum):
    """Each role includes the rights of those below it."""

    ADMIN = "admin"
    RELEASER = "releaser"
    APPROVER = "approver"
    VIEWER = "viewer"


@app.command(
    epilog=examples(
        "slipway token create --subject ana@example.com --role approver",
        "slipway token create --subject ci@example.com --role releaser --name jenkins --days 90",
    )
)
def create(
    context: typer.Context,
    subject: Annotated[str, typer.Option(help="Who acts with it: the mail address of a person or program.")],
    role: Annotated[Role, typer.Option(help="What it may do.")],
    name: Annotated[str, typer.Option(help="What it is for; default: the subject.")] = "",
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long it is good.")] = 90,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Print a new token. It is shown this once; only its hash is kept."""
    body = {"name": name or subject, "subject": subject, "role": role.value, "days": days}
    answer = api_of(context).call("POST", "/tokens", body=body)
    if output == OutputFormat.JSON:
        print_json(answer)
        return
    print(answer["value"])
    say(f"token {answer['id']} of {subject}, {role.value}; it will not be shown again")


@app.command("list", epilog=examples("slipway token list"))
def list_all(context: typer.Context, output: Output = OutputFormat.TEXT) -> None:
    """List tokens, without their values."""
    answer = api_of(context).get("/tokens")
    if output == OutputFormat.JSON:
        print_json(answer)
        return
    rows = [
        [t["id"], t["name"], t["subject"], t["role"], local_time(t["expires_at"]), local_time(t["last_used_at"])]
        for t in answer
    ]
    print_rows(["id", "name", "subject", "role", "expires", "last used"], rows, none="no tokens")


@app.command(epilog=examples("slipway token revoke 7"))
def revoke(context: typer.Context, token: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Make a token useless, at once and for good."""
    api_of(context).call("DELETE", f"/tokens/{token}")
    say(f"token {token} is revoked")
