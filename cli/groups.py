"""Commands about groups of people: a group is one approver, for which any one member answers."""

from typing import Annotated

import typer

from cli.screen import Output, OutputFormat, examples, print_json, print_rows, say
from cli.session import SlipwayGroup, api_of

app = typer.Typer(help="Groups of approvers.", no_args_is_help=True, cls=SlipwayGroup)
Name = Annotated[str, typer.Argument(metavar="NAME", help="As pipelines name it, without group: before it.")]


@app.command("set", epilog=examples("slipway group set ops ana@example.com ben@example.com"))
def store(
    context: typer.Context,
    name: Name,
    members: Annotated[list[str], typer.Argument(metavar="MEMBER", help="Mail addresses, all of them.")],
) -> None:
    """Say who is in a group: these and nobody else. Earlier releases keep the members they were made with."""
    api_of(context).call("PUT", f"/groups/{name}", body={"members": members})
    say(f"group {name} has {len(members)} members")


@app.command("list", epilog=examples("slipway group list"))
def list_all(context: typer.Context, output: Output = OutputFormat.TEXT) -> None:
    """List the groups and their members."""
    answer = api_of(context).get("/groups")
    if output == OutputFormat.JSON:
        print_json(answer)
        return
    rows = [[item["name"], ", ".join(item["members"])] for item in answer]
    print_rows(["group", "members"], rows, none="no groups")


@app.command(epilog=examples("slipway group delete night-shift"))
def delete(context: typer.Context, name: Name) -> None:
    """Forget a group that no pipeline names any more. Releases keep the members they were made with."""
    api_of(context).call("DELETE", f"/groups/{name}")
    say(f"group {name} is forgotten")
