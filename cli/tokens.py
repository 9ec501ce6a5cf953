"""Commands about tokens: the keys with which people and programs use the API."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from cli import identifiers
from cli.release_text import local_time
from cli.screen import Output, OutputFormat, examples, print_json, print_rows, say
from cli.session import SlipwayGroup, api_of

app = typer.Typer(help="Make, list and revoke tokens.", no_args_is_help=True, cls=SlipwayGroup)


class Role(StrEnum):
    """Each role includes the rights of those below it."""

    ADMIN = "admin"
    RELEASE_MANAGER = "release-manager"
    RELEASER = "releaser"
    APPROVER = "approver"
    VIEWER = "viewer"


@app.command(
    epilog=examples(
        "slipway token create --subject ana@example.com --role approver",
        "slipway token create --service jenkins --owner ana@example.com --role releaser --days 90",
    )
)
def create(  # noqa: PLR0913  each is an option
    context: typer.Context,
    *,
    role: Annotated[Role, typer.Option(help="What it may do.")],
    subject: Annotated[str, typer.Option(metavar="MAIL", help="The person who acts with it.")] = "",
    service: Annotated[str, typer.Option(metavar="NAME", help="Or the program that does; needs --owner.")] = "",
    owner: Annotated[str, typer.Option(metavar="MAIL", help="The person who answers for the service.")] = "",
    name: Annotated[str, typer.Option(metavar="TEXT", help="What it is for; default: who acts with it.")] = "",
    days: Annotated[int, typer.Option(metavar="DAYS", min=1, max=366, help="How long it is good, at most 366.")] = 90,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Print a new token of a person or of a service. It is shown this once; only its hash is kept."""
    if bool(subject) == bool(service) or bool(service) != bool(owner):
        raise typer.BadParameter("say whose token it is: --subject MAIL, or --service NAME with --owner MAIL")
    whose = {"subject": subject} if subject else {"service": service, "owner": owner}
    body = {"name": name or subject or service, "role": role.value, "days": days} | whose
    answer = api_of(context).call("POST", "/tokens", body=body)
    if output == OutputFormat.JSON:
        print_json(answer)
        return
    print(answer["value"])
    say(f"token {answer['id']} of {_bearer(answer)}, {role.value}; it will not be shown again")


@app.command("list", epilog=examples("slipway token list"))
def list_all(context: typer.Context, output: Output = OutputFormat.TEXT) -> None:
    """List tokens, without their values."""
    answer = api_of(context).get("/tokens")
    if output == OutputFormat.JSON:
        print_json(answer)
        return
    rows = [
        [t["id"], t["name"], _bearer(t), t["role"], local_time(t["expires_at"]), local_time(t["last_used_at"])]
        for t in answer
    ]
    print_rows(["id", "name", "whose", "role", "expires", "last used"], rows, none="no tokens")


@app.command(epilog=examples("slipway token revoke 5f0c2d9e8b7a4c31a6e09d4f7b12c853"))
def revoke(
    context: typer.Context,
    token: Annotated[
        str,
        typer.Argument(metavar="ID", help="As `slipway token list` has it; not its value.", callback=identifiers.token),
    ],
) -> None:
    """Make a token useless, at once and for good. That person's browser sessions end too."""
    api_of(context).call("DELETE", f"/tokens/{token}")
    say(f"token {token} is revoked")


def _bearer(token: Mapping[str, Any]) -> str:
    """Who acts with it, and who answers for a service."""
    owner = token.get("owner")
    return f"{token['subject']}, owned by {owner}" if owner else str(token["subject"])
