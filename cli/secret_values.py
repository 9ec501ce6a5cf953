"""Commands about stored secrets: put one in, see which there are. Nothing ever reads one back."""

import sys
from typing import Annotated

import typer

from cli.exit_codes import ExitCode
from cli.failure import Failure
from cli.screen import Output, OutputFormat, examples, print_json, print_rows, say
from cli.session import SlipwayGroup, api_of

app = typer.Typer(help="Store secrets for steps.", no_args_is_help=True, cls=SlipwayGroup)


@app.command(
    "set", epilog=examples("slipway secret set webshop/db", "pass show webshop/db | slipway secret set webshop/db")
)
def store(context: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Store a secret, read from a hidden prompt or from standard input. An option would show it to `ps`."""
    value = hidden_value(f"value of {name}")
    api_of(context).call("PUT", f"/secrets/{name}", body={"value": value})
    say(f"secret {name} is stored")


def hidden_value(prompt: str) -> str:
    """Ask without echo on a terminal; elsewhere read standard input, less one line feed at its end."""
    if sys.stdin.isatty():
        return str(typer.prompt(prompt, hide_input=True, err=True))
    value = sys.stdin.read().removesuffix("\n")
    if not value:
        raise Failure(ExitCode.MISUSE, f"{prompt}: nothing came on standard input")
    return value


@app.command("list", epilog=examples("slipway secret list"))
def list_all(context: typer.Context, output: Output = OutputFormat.TEXT) -> None:
    """List the names of the stored secrets."""
    answer = api_of(context).get("/secrets")
    if output == OutputFormat.JSON:
        print_json(answer)
        return
    rows = [[name] for name in answer]
    print_rows(["secret"], rows, none="no secrets stored")
