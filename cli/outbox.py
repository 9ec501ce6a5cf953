"""The command that reads mails in the terminal, where no mail service is set up."""

from typing import Annotated

import typer

from cli.release_text import local_time
from cli.safe_text import plain
from cli.screen import Output, OutputFormat, examples, print_fields, print_json, print_rows
from cli.session import api_of


def outbox(
    context: typer.Context,
    mail: Annotated[str | None, typer.Argument(metavar="[ID]", help="Read this one.")] = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List the mails in the outbox, or read one. They hold links that answer for people: for admins only."""
    answer = api_of(context).get("/outbox" if mail is None else f"/outbox/{mail}")
    if output == OutputFormat.JSON:
        print_json(answer)
    elif mail is None:
        rows = [[str(m["id"]), local_time(m["sent_at"]), m["to"], m["subject"]] for m in answer]
        print_rows(["id", "at", "to", "subject"], rows, none="no mails yet")
    else:
        print_fields([("to", answer["to"]), ("subject", answer["subject"]), ("at", local_time(answer["sent_at"]))])
        print(f"\n{plain(answer['text']).rstrip()}")


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(epilog=examples("slipway outbox", "slipway outbox 3"))(outbox)
