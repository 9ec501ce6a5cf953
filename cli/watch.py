"""Watch a release until nothing runs or waits any more: redrawn on a terminal, lines of changes elsewhere."""

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from cli.answers import Release
from cli.api_client import ApiClient
from cli.exit_codes import ExitCode
from cli.failure import Failure
from cli.lazy_import import lazy
from cli.patience import Patience
from cli.release_text import changes, duration, exit_code, explanation, is_over, versions
from cli.safe_text import one_line
from cli.screen import has_colours, is_live, say

if TYPE_CHECKING:
    from rich import box as rich_box
    from rich import console as rich_console
    from rich import live as rich_live
    from rich import table as rich_table
    from rich import text as rich_text
else:
    rich_box = lazy("rich.box")
    rich_console = lazy("rich.console")
    rich_live = lazy("rich.live")
    rich_table = lazy("rich.table")
    rich_text = lazy("rich.text")

_LOOK_EVERY_SECONDS = 0.7
_MARKS = {
    "not started": ("·", "dim"),
    "waiting": ("◷", "yellow"),
    "in progress": ("▶", "cyan"),
    "succeeded": ("✓", "green"),
    "partially succeeded": ("!", "yellow"),
    "failed": ("✗", "red"),
    "rejected": ("✗", "red"),
    "expired": ("✗", "red"),
    "canceled": ("◼", "magenta"),
    "skipped": ("↷", "dim"),
    "superseded": ("↷", "dim"),
}


def watch(api: ApiClient, release_id: str, *, timeout_seconds: float | None) -> ExitCode:
    """Watch to the end; raises Failure for a time-out, and for Ctrl-C with the words how to re-join."""
    try:
        looks = _looks(api, release_id, timeout_seconds)
        last = _redrawn(looks) if is_live(sys.stdout) else _in_lines(looks)
    except KeyboardInterrupt as interrupt:
        hint = f"`slipway release watch {release_id}` re-joins, `slipway release cancel {release_id}` ends it"
        raise Failure(ExitCode.INTERRUPTED, f"stopped watching; {release_id} goes on", hint) from interrupt
    if last["status"] == "partially succeeded":
        say(f"{release_id} succeeded only in part")
    return exit_code(last)


def _looks(api: ApiClient, release_id: str, timeout_seconds: float | None) -> Iterator[Release]:
    """The release, again and again, until it is over. Bridges a restart of the API."""
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    patience = Patience()
    while True:
        try:
            release = cast("Release", api.get(f"/releases/{release_id}"))
        except Failure as failure:
            patience.bear(failure)
        else:
            patience.renew()
            yield release
            if is_over(release):
                return
        if deadline is not None and time.monotonic() >= deadline:
            hint = f"it goes on; `slipway release watch {release_id}` re-joins"
            raise Failure(ExitCode.TIMED_OUT, f"{release_id} is not over after {timeout_seconds:.0f} s", hint)
        time.sleep(_LOOK_EVERY_SECONDS)


def _in_lines(looks: Iterator[Release]) -> Release:
    before: Release | None = None
    for release in looks:
        for line in changes(before, release):
            print(f"{datetime.now(tz=UTC).astimezone():%H:%M:%S} {one_line(line)}", flush=True)
        before = release
    assert before is not None, "there is at least one look, or a Failure"
    return before


def _redrawn(looks: Iterator[Release]) -> Release:
    console = rich_console.Console(markup=False, highlight=False, emoji=False, no_color=not has_colours(sys.stdout))
    last: Release | None = None
    with rich_live.Live(console=console, auto_refresh=False, transient=False) as live:
        for release in looks:
            last = release
            live.update(_picture(release, datetime.now(tz=UTC)), refresh=True)
    assert last is not None, "there is at least one look, or a Failure"
    return last


def _picture(release: Release, now: datetime) -> "rich_table.Table":
    title = " · ".join(filter(None, [release["id"], one_line(release["name"]), one_line(versions(release))]))
    table = rich_table.Table(title=title, title_justify="left", box=rich_box.SIMPLE_HEAD, expand=False)
    for header in ("", "stage", "status", "for", ""):
        table.add_column(header, no_wrap=header != "")
    for stage in release["stages"]:
        mark, style = _MARKS.get(stage["status"], ("?", ""))
        cells = [mark, stage["stage"], stage["status"], duration(release, stage, now), explanation(release, stage)]
        table.add_row(
            *(rich_text.Text(one_line(cell), style=style if at in {0, 2} else "") for at, cell in enumerate(cells))
        )
    words = release["reason"] if is_over(release) else release["waiting_for"]
    table.caption = f"{release['status']}{': ' + one_line(words) if words else ''}\n{release['links']['console']}"
    table.caption_justify, table.caption_style, table.title_style = "left", "", "bold"
    return table
