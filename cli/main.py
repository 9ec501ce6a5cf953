"""The command line's root: its options, its commands, and how it ends."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cli import (
    agents,
    approvals,
    changes,
    connections,
    doctor,
    groups,
    hooks,
    interventions,
    login,
    logs,
    outbox,
    people,
    pipelines,
    processes,
    releases,
    secret_values,
    tokens,
    triggers,
)
from cli.configuration import Asked
from cli.lazy_import import lazy
from cli.screen import examples
from cli.session import SlipwayGroup, begin

if TYPE_CHECKING:
    import importlib.metadata as installed
else:
    installed = lazy("importlib.metadata")

app = typer.Typer(
    name="slipway",
    help="Release management on Temporal.",
    epilog=examples(
        "slipway up                              # a whole installation on this machine",
        "slipway release create webshop --wait   # release, and watch it",
        "slipway approvals                       # what waits for me",
        "slipway logs webshop/1 -f               # follow what the steps print",
    ),
    cls=SlipwayGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(*, wanted: bool) -> None:
    if wanted:
        print(f"slipway {installed.version('slipway')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    api: Annotated[str, typer.Option("--api", metavar="URL", help="Address of the API [env: SLIPWAY_API_URL].")] = "",
    token: Annotated[
        str, typer.Option("--token", metavar="TOKEN", help="Token to use [env: SLIPWAY_TOKEN, which ps does not show].")
    ] = "",
    person: Annotated[
        str, typer.Option("--as", metavar="PERSON", help="Act as a person of the local installation.")
    ] = "",
    *,
    version: Annotated[  # noqa: ARG001  the callback has answered it
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Release management on Temporal: from an HTTP call to production, with people approving on the way."""
    context.obj = begin(Asked(url=api.rstrip("/"), token=token, person=person))


processes.register(app)
app.add_typer(pipelines.app, name="pipeline")
changes.register(releases.app)
app.add_typer(releases.app, name="release")
approvals.register(app)
interventions.register(app)
logs.register(app)
agents.register(app)
app.add_typer(tokens.app, name="token")
app.add_typer(secret_values.app, name="secret")
app.add_typer(connections.app, name="connection")
app.add_typer(hooks.app, name="hook")
app.add_typer(triggers.app, name="trigger")
app.add_typer(groups.app, name="group")
app.add_typer(people.app, name="people")
outbox.register(app)
doctor.register(app)
login.register(app)


def main() -> None:
    """Run the command line; leaves with the exit code of the command."""
    try:
        app(prog_name="slipway")
    except BrokenPipeError:  # the reader of a pipe has seen enough
        sys.stderr.close()
        sys.exit(0)
