"""What every command shares: the options before its name, and the client that they lead to."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from cli.api_client import ApiClient
from cli.configuration import Asked, Surroundings, find_access
from cli.failure import Failure
from cli.screen import say


@dataclass(frozen=True)
class Session:
    """One run of the command line."""

    asked: Asked
    surroundings: Surroundings

    @property
    def api(self) -> ApiClient:
        return ApiClient(find_access(self.asked, self.surroundings))


def begin(asked: Asked) -> Session:
    """The only place where the environment and the current folder are read."""
    return Session(asked=asked, surroundings=Surroundings(environment=os.environ, folder=Path.cwd()))


def session_of(context: typer.Context) -> Session:
    """The session that the options before the command's name have made."""
    found = context.find_object(Session)
    assert found is not None, "the callback of the app makes it before any command runs"
    return found


def api_of(context: typer.Context) -> ApiClient:
    """The client of the session, closed when the command ends."""
    api = session_of(context).api
    context.call_on_close(api.close)
    return api


class SlipwayGroup(TyperGroup):
    """The root of all commands: a Failure of any of them becomes one sentence on stderr and its exit code."""

    def invoke(self, ctx: Any) -> Any:  # typer's own type of it is private
        try:
            return super().invoke(ctx)
        except Failure as failure:
            say(f"error: {failure.message}")
            if failure.hint:
                say(f"hint: {failure.hint}")
            raise typer.Exit(failure.code) from failure
