"""Commands about hooks: where other systems tell of builds, or ask for releases."""

from enum import StrEnum
from typing import Annotated

import typer

from cli.release_text import local_time
from cli.screen import Output, OutputFormat, examples, print_json, print_rows, say
from cli.session import SlipwayGroup, api_of

app = typer.Typer(help="Where other systems tell of builds.", no_args_is_help=True, cls=SlipwayGroup)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The last part of its address.")]


class HookKind(StrEnum):
    """Who speaks there."""

    JENKINS = "jenkins"
    AZURE = "azure"
    GENERIC = "generic"


@app.command(
    epilog=examples(
        "slipway hook create ci --kind jenkins --connection ci",
        "slipway hook create contoso-shop --kind azure --connection contoso --project shop",
        "slipway hook create builds --kind generic --pipeline webshop --owner ana@example.com",
    )
)
def create(  # noqa: PLR0913  each is an option
    context: typer.Context,
    name: Name,
    *,
    kind: Annotated[HookKind, typer.Option(help="Who speaks there; generic is whoever signs.")],
    connection: Annotated[str, typer.Option(help="Whose builds it tells of (jenkins, azure).")] = "",
    project: Annotated[str, typer.Option(help="What pipelines call the Azure project.")] = "",
    pipeline: Annotated[
        list[str] | None, typer.Option(help="What a generic hook may release; may be given several times.")
    ] = None,
    owner: Annotated[str, typer.Option(metavar="MAIL", help="Who answers for it; default: you.")] = "",
    output: Output = OutputFormat.TEXT,
) -> None:
    """Make a hook and print its address and secret. The secret is shown this once."""
    body = {"name": name, "kind": kind.value, "pipelines": pipeline or []}
    body |= {key: value for key, value in (("connection", connection), ("project", project), ("owner", owner)) if value}
    answer = api_of(context).call("POST", "/hooks", body=body)
    if output == OutputFormat.JSON:
        print_json(answer)
        return
    print(answer["url"])
    print(answer["secret"])
    say(f"hook {name}, {kind.value}: {_how(kind)}; the secret will not be shown again")


def _how(kind: HookKind) -> str:
    if kind == HookKind.JENKINS:
        return "let the notification plugin post to the address with ?secret=<secret> behind it"
    if kind == HookKind.AZURE:
        return "let a service hook post to the address, with the secret as password of basic authentication"
    return "sign as Standard Webhooks are signed, with the secret"


@app.command("list", epilog=examples("slipway hook list"))
def list_all(context: typer.Context, output: Output = OutputFormat.TEXT) -> None:
    """List the hooks, without their secrets."""
    answer = api_of(context).get("/hooks")
    if output == OutputFormat.JSON:
        print_json(answer)
        return
    rows = [
        [
            item["name"],
            item["kind"],
            item["connection"] or ", ".join(item["pipelines"]),
            item["owner"],
            local_time(item["last_used_at"]),
        ]
        for item in answer
    ]
    print_rows(["hook", "kind", "about", "owner", "last used"], rows, none="no hooks")


@app.command(epilog=examples("slipway hook delete ci"))
def delete(context: typer.Context, name: Name) -> None:
    """Believe its secret no more, at once and for good."""
    api_of(context).call("DELETE", f"/hooks/{name}")
    say(f"hook {name} is removed")
