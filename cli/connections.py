"""Commands about connections: where Jenkins and Azure DevOps are, and how to sign in there."""

from enum import StrEnum
from typing import Annotated

import typer

from cli.screen import Output, OutputFormat, examples, print_json, print_rows, say
from cli.secret_values import hidden_value
from cli.session import SlipwayGroup, api_of

app = typer.Typer(help="Where artifacts come from.", no_args_is_help=True, cls=SlipwayGroup)


class ConnectionKind(StrEnum):
    """What stands at the other end."""

    JENKINS = "jenkins"
    AZURE_PIPELINES = "azure-pipelines"


@app.command(
    "set",
    epilog=examples(
        "slipway connection set ci --kind jenkins --url https://jenkins.example.com --user release-bot",
        "slipway connection set contoso --kind azure-pipelines --url https://dev.azure.com/contoso < token.txt",
    ),
)
def store(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="As pipelines name it.")],
    kind: Annotated[ConnectionKind, typer.Option(help="What stands there.")],
    url: Annotated[str, typer.Option(help="Base address; for Azure: of the organisation or collection.")],
    user: Annotated[str, typer.Option(help="User the token belongs to (Jenkins).")] = "",
    ca: Annotated[str | None, typer.Option(help="Path of a CA bundle on the machines that connect.")] = None,
) -> None:
    """Store a connection; its token is read from a hidden prompt or from standard input."""
    token = hidden_value(f"token for {url}")
    body = {"kind": kind.value, "url": url, "user": user, "token": token, "ca": ca}
    api_of(context).call("PUT", f"/connections/{name}", body=body)
    say(f"connection {name} is stored")


@app.command("list", epilog=examples("slipway connection list"))
def list_all(context: typer.Context, output: Output = OutputFormat.TEXT) -> None:
    """List the connections, without their tokens."""
    answer = api_of(context).get("/connections")
    if output == OutputFormat.JSON:
        print_json(answer)
        return
    rows = [[item["name"], item["kind"], item["url"], item["user"]] for item in answer]
    print_rows(["connection", "kind", "url", "user"], rows, none="no connections")
