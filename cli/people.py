"""Commands about people: which addresses belong to one person, so that nobody counts, or decides, as two."""

from typing import Annotated

import typer

from cli.screen import Output, OutputFormat, examples, print_json, print_rows, say
from cli.session import SlipwayGroup, api_of

app = typer.Typer(help="People and their addresses.", no_args_is_help=True, cls=SlipwayGroup)
Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="The mail address they are kept under, no alias.")]


@app.command("list", epilog=examples("slipway people list"))
def list_all(context: typer.Context, output: Output = OutputFormat.TEXT) -> None:
    """List the people who were entered. Others are known by the one address that a pipeline or a token has."""
    answer = api_of(context).get("/people")
    if output == OutputFormat.JSON:
        print_json(answer)
        return
    rows = [[item["address"], item["name"], ", ".join(item["aliases"])] for item in answer]
    print_rows(["address", "name", "aliases"], rows, none="no people")


@app.command(
    "set",
    epilog=examples(
        'slipway people set ana@example.com --name "Ana Silva" --alias asilva@example.com',
        'slipway people set ana@new.example.com --name "Ana Silva" --alias ana@example.com   # renames her',
    ),
)
def store(
    context: typer.Context,
    address: Address,
    name: Annotated[str, typer.Option(metavar="NAME", help="What they are called.")] = "",
    alias: Annotated[
        list[str] | None, typer.Option(metavar="ADDRESS", help="A further address; may be given several times.")
    ] = None,
) -> None:
    """Say who a person is. Name and aliases that are not named again are forgotten.

    A new address with the old one as an alias renames them.
    """
    body = {"name": name, "aliases": alias or []}
    kept = api_of(context).call("PUT", f"/people/{address}", body=body)
    aliases = ", ".join(kept["aliases"]) or "no aliases"
    say(f"{kept['address']} is a person, with {aliases}")


@app.command(epilog=examples("slipway people remove ana@example.com"))
def remove(context: typer.Context, address: Address) -> None:
    """Forget a person and their aliases. Their tokens, groups and pipelines stay as they are."""
    api_of(context).call("DELETE", f"/people/{address}")
    say(f"{address} is no person that was entered any more")
