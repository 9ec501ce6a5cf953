"""Commands about connections: where builds and stores of files are, and how to sign in there."""

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
    GITHUB = "github"
    S3 = "s3"
    AZURE_BLOB = "azure-blob"
    GCS = "gcs"


@app.command(
    "set",
    epilog=examples(
        "slipway connection set ci --kind jenkins --url https://jenkins.example.com --user release-bot",
        "slipway connection set contoso --kind azure-pipelines --url https://dev.azure.com/contoso < token.txt",
        "slipway connection set github --kind github --url https://api.github.com < token.txt",
        "slipway connection set builds --kind s3 --url https://s3.eu-central-1.amazonaws.com --user AKIA... < key.txt",
    ),
)
def store(  # noqa: PLR0913, PLR0917  each is an option
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="As pipelines name it.")],
    kind: Annotated[ConnectionKind, typer.Option(help="What stands there.")],
    url: Annotated[str, typer.Option(help="Base address: of the organisation, of the REST interface, of the store.")],
    user: Annotated[
        str, typer.Option(help="Whose token it is (Jenkins), the id of the key (s3), the account (azure-blob).")
    ] = "",
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Without a token: for what anybody may read.")] = False,  # noqa: FBT002  an option
    ca: Annotated[str | None, typer.Option(help="Path of a CA bundle on the machines that connect.")] = None,
) -> None:
    """Store a connection; its token is read from a hidden prompt or from standard input."""
    token = "" if anonymous else hidden_value(f"token for {url}")
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
