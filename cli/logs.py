"""The command that prints what steps wrote: of one step run, or of a whole release, once or as it grows."""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from cli.answers import Release, StepRun
from cli.api_client import ApiClient
from cli.exit_codes import ExitCode
from cli.failure import Failure
from cli.log_archive import save_archive
from cli.patience import Patience
from cli.release_text import is_over
from cli.safe_text import one_line, plain, safe
from cli.screen import examples, has_colours, say
from cli.session import api_of

if TYPE_CHECKING:
    import httpx2

_RUN_ID_PARTS = 7
_RELEASE_ID_PARTS = 2
_PIECE = 1 << 20
_MOST_TAIL = 100_000
_PLAIN_AGAIN = "\x1b[0m"
_LOOK_EVERY_SECONDS = 0.7
_OVER = frozenset({"succeeded", "partially succeeded", "failed", "timed out", "canceled", "skipped", "unknown"})


def logs(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(metavar="WHAT", help="A release (webshop/41), a part of it (webshop/41/prod), or a step run."),
    ],
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as more is printed, until it is over.")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="The bytes as the step wrote them, escape sequences and all.")
    ] = False,
    tail: Annotated[
        int | None, typer.Option("--tail", min=1, max=_MOST_TAIL, help="Of each step only the last so many lines.")
    ] = None,
    archive: Annotated[
        Path | None, typer.Option("--zip", metavar="FILE", help="Write all logs into a ZIP file instead.")
    ] = None,
) -> None:
    """Print what the steps of a release have written."""
    api = api_of(context)
    parts = what.strip("/").split("/")
    if len(parts) < _RELEASE_ID_PARTS:
        raise Failure(ExitCode.MISUSE, f"{what!r} names no release: write pipeline and number, webshop/41")
    if archive is not None:
        save_archive(api, parts, archive)
        return
    printer = LogPrinter(raw=raw)
    reader = _Reader(api, printer, tail)
    try:
        if len(parts) == _RUN_ID_PARTS:
            reader.print_run("/".join(parts), follow=follow)
        else:
            _print_release(reader, parts, follow=follow)
    except KeyboardInterrupt as interrupt:
        hint = f"`slipway logs {what} -f` goes on"
        raise Failure(ExitCode.INTERRUPTED, "stopped following; the release goes on", hint) from interrupt
    finally:
        printer.finish()


class LogPrinter:
    """Prints pieces of logs by whole lines, so that no escape sequence or character is cut in two."""

    def __init__(self, *, raw: bool) -> None:
        self._raw = raw
        self._clean = safe if has_colours(sys.stdout) else plain
        self._rest = b""
        self._may_be_coloured = False

    def write(self, piece: bytes) -> None:
        if self._raw:
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            return
        lines, feed, rest = (self._rest + piece).rpartition(b"\n")
        self._rest = rest
        if feed:
            self._print(lines)

    def finish(self) -> None:
        """Print what came without a line feed; what comes after the log is not in its colours."""
        if self._rest:
            self._print(self._rest)
        self._rest = b""
        if self._may_be_coloured:
            print(_PLAIN_AGAIN, end="", flush=True)
        self._may_be_coloured = False

    def _print(self, lines: bytes) -> None:
        text = self._clean(lines.decode("utf-8", "replace"))
        self._may_be_coloured = self._may_be_coloured or "\x1b" in text
        print(text, flush=True)

    def heading(self, text: str) -> None:
        self.finish()
        say(f"==> {one_line(text)}")


@dataclass(frozen=True)
class _Reader:
    """Reads logs and prints them; with ``tail``, from so many lines before their end on."""

    api: ApiClient
    printer: LogPrinter
    tail: int | None

    def print_run(self, run_id: str, *, follow: bool) -> None:
        offset = self._print_tail(run_id, self.tail) if self.tail else 0
        if follow:
            for piece in _followed(self.api, run_id, offset):
                self.printer.write(piece)
        elif not self.tail:
            self._print_all(run_id)

    def _print_tail(self, run_id: str, lines: int) -> int:
        """Print the last lines; returns where they end."""
        response = self.api.send("GET", f"/api/v1/logs/{run_id}/text", query={"from_line": -lines, "lines": lines})
        self.printer.write(response.content)
        return int(response.headers.get("X-Log-Offset", "0")) + len(response.content)

    def _print_all(self, run_id: str) -> None:
        offset = 0
        while True:
            query = {"offset": offset, "limit": _PIECE}
            piece = self.api.send("GET", f"/api/v1/logs/{run_id}/text", query=query).content
            if not piece:
                return
            self.printer.write(piece)
            offset += len(piece)


def _followed(api: ApiClient, run_id: str, offset: int) -> Iterator[bytes]:
    """The pieces of a growing log; after a broken connection it goes on where it was."""
    last_id, patience = str(offset), Patience()
    while True:
        try:
            with api.stream(f"/logs/{run_id}/follow", headers={"Last-Event-ID": last_id}) as response:
                for event in _events(response):
                    if event.get("event") == "end":
                        return
                    last_id = event.get("id", last_id)
                    patience.renew()
                    yield str(json.loads(event["data"])).encode("utf-8", "surrogateescape")
        except Failure as failure:
            patience.bear(failure)
        time.sleep(_LOOK_EVERY_SECONDS)


def _events(response: "httpx2.Response") -> Iterator[dict[str, str]]:
    """Server-sent events that carry data or are named; comments keep the connection alive and are dropped."""
    event: dict[str, str] = {}
    for line in response.iter_lines():
        if not line:
            if event.get("data") or event.get("event"):
                yield event
            event = {}
            continue
        name, _, value = line.partition(":")
        if name:
            value = value.removeprefix(" ")
            event[name] = f"{event[name]}\n{value}" if name == "data" and name in event else value


def _print_release(reader: _Reader, parts: list[str], *, follow: bool) -> None:
    """Print the logs of all matching step runs in their order; following, each to its end before the next."""
    release_id, under = "/".join(parts[:_RELEASE_ID_PARTS]), "/".join(parts)
    printed: set[str] = set()
    while True:
        release = _look(reader.api, release_id, patient=follow)
        fresh = [run for run in _runs(release, under) if run["run_id"] not in printed]
        for run in fresh:
            printed.add(run["run_id"])
            reader.printer.heading(f"{run['run_id']}  {run['title']}: {run['status']}")
            reader.print_run(run["run_id"], follow=follow and run["status"] not in _OVER)
        if not follow or (is_over(release) and not fresh):
            break
        if not fresh:
            time.sleep(_LOOK_EVERY_SECONDS)
    if not printed:
        _refuse_unknown_stage(release, parts)
        say(f"nothing was printed yet under {under}")


def _refuse_unknown_stage(release: Release, parts: list[str]) -> None:
    stages = [stage["stage"] for stage in release["stages"]]
    for stage in parts[_RELEASE_ID_PARTS : _RELEASE_ID_PARTS + 1]:
        if stage not in stages:
            hint = f"its stages: {', '.join(stages)}"
            raise Failure(ExitCode.MISUSE, f"release {release['id']} has no stage {one_line(stage)}", hint)


def _look(api: ApiClient, release_id: str, *, patient: bool) -> Release:
    """The release now; patient, it waits for a server that restarts."""
    patience = Patience()
    while True:
        try:
            return cast("Release", api.get(f"/releases/{release_id}"))
        except Failure as failure:
            if not patient:
                raise
            patience.bear(failure)
        time.sleep(_LOOK_EVERY_SECONDS)


def _runs(release: Release, under: str) -> Iterator[StepRun]:
    """The step runs below an id, in the order they ran; those that never started have no log."""
    for deployment in sorted(release["deployments"], key=lambda d: d["started_at"] or "9"):
        for job in deployment["jobs"]:
            for step in job["steps"]:
                if f"{step['run_id']}/".startswith(f"{under}/") and step["status"] not in {"waiting", "skipped"}:
                    yield step


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(
        epilog=examples(
            "slipway logs webshop/41 -f",
            "slipway logs webshop/41/prod",
            "slipway logs webshop/41/prod/1/deploy/2/1 --raw > step.log",
            "slipway logs webshop/41/prod/1/deploy/2/1 --tail 100",
            "slipway logs webshop/41 --zip logs.zip",
        )
    )(logs)
