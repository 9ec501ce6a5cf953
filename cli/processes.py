"""Commands that become another process: the local installation, the API, the workers."""

import os
import sys
from typing import Annotated

import typer

from cli.screen import examples

_PASS_ON = {"ignore_unknown_options": True}
_PASS_ON_HELP_TOO = {**_PASS_ON, "help_option_names": []}

Arguments = Annotated[list[str] | None, typer.Argument(metavar="[OPTIONS]", help="Passed on; try --help.")]


def become(module: str, arguments: list[str]) -> None:
    """Replace this process, so that signals and the exit code are the other's own."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606  our own module, no shell


def up(arguments: Arguments = None) -> None:
    """Run a whole installation on this machine: Temporal, API, worker, agent and stand-ins."""
    become("local.up", arguments or [])


def api(arguments: Arguments = None) -> None:
    """Run the API and the console."""
    become("api", arguments or [])


def worker(arguments: Arguments = None) -> None:
    """Run a release worker: it walks releases through their stages."""
    become("workers.release", arguments or [])


def agent(arguments: Arguments = None) -> None:
    """Run an agent on this machine: it does the jobs of deployments."""
    become("workers.agent", arguments or [])


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog=examples("slipway up", "slipway up --check"), context_settings=_PASS_ON_HELP_TOO)(up)
    app.command(epilog=examples("SLIPWAY_SECRET_KEY=... slipway api"), context_settings=_PASS_ON)(api)
    app.command(epilog=examples("SLIPWAY_SECRET_KEY=... slipway worker"), context_settings=_PASS_ON)(worker)
    app.command(epilog=examples("SLIPWAY_AGENT_ENROLMENT_TOKEN=... slipway agent"), context_settings=_PASS_ON)(agent)
