"""The command that remembers where Slipway is and who you are there."""

from typing import Annotated, cast

import typer

from cli.answers import Me
from cli.api_client import ApiClient
from cli.configuration import Access, is_plain_text_to_afar, keep_login
from cli.safe_text import one_line
from cli.screen import examples, say
from cli.secret_values import hidden_value
from cli.session import session_of


def login(
    context: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="Address of the API: https://slipway.example.com.")],
) -> None:
    """Check a token, read from a hidden prompt or standard input, and keep it, readable by you only."""
    surroundings = session_of(context).surroundings
    if is_plain_text_to_afar(url):
        say("warning: over http:// your token crosses the network readable by others")
    url = url.rstrip("/")
    token = hidden_value(f"token for {url}").strip()
    api = ApiClient(Access(url=url, token=token, source="login"))
    context.call_on_close(api.close)
    me = cast("Me", api.get("/me"))
    keep_login(url, token, surroundings.config_file)
    say(f"you are {one_line(me['subject'])}, {one_line(me['role'])}, at {url}; kept in {surroundings.config_file}")


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(
        epilog=examples(
            "slipway login https://slipway.example.com", "slipway login https://slipway.example.com < token"
        )
    )(login)
