"""Commands that become another process: the local installation, the API, the workers."""

import os
import sys
from typing import Annotated

import typer

from cli.screen import examples

_PASS_ON = {"ignore_unknown_options": True, "help_option_names": []}

Arguments = Annotated[list[str] | None, typer.Argument(metavar="[OPTIONS]", help="Passed on; try --help.")]


def become(module: str, arguments: list[str]) -> None:
    """Replace this process, so that signals and the exit code are the other's own."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606  our own module, no shell


def up(arguments: Arguments = None) -> None:
    """Run a whole installation on this machine: Temporal, API, worker, agent and stand-ins."""
    become("local.up", arguments or [])


def api() -> None:
    """Run the API and the console. Its settings are environment variables, as .env.example lists them."""
    become("api", [])


def worker() -> None:
    """Run a release worker, which walks releases through their stages. Its settings are environment variables."""
    become("workers.release", [])


def agent() -> None:
    """Run an agent on this machine, for the jobs of deployments. Its settings are environment variables."""
    become("workers.agent", [])


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog=examples("slipway up", "slipway up --check"), context_settings=_PASS_ON)(up)
    app.command(epilog=examples("SLIPWAY_SECRET_KEY=... slipway api"))(api)
    app.command(epilog=examples("SLIPWAY_SECRET_KEY=... slipway worker"))(worker)
    app.command(
        epilog=examples(
            "SLIPWAY_AGENT_ENROLMENT_TOKEN=$(slipway agent-token create) slipway agent   # at first",
            "slipway agent                                                                  # ever after",
        )
    )(agent)
