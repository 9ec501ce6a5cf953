"""The command that looks at an installation from outside and names what is not well."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import typer

from cli.answers import Me
from cli.api_client import ApiClient
from cli.exit_codes import ExitCode
from cli.failure import Failure
from cli.safe_text import one_line
from cli.screen import coloured, examples, say
from cli.session import api_of

_HTTP_DATE = "%a, %d %b %Y %H:%M:%S GMT"
_CLOCKS_MAY_DIFFER_SECONDS = 5.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. ``code`` is OK when it is well."""

    about: str
    words: str
    code: ExitCode = ExitCode.OK


def doctor(context: typer.Context) -> None:
    """Check the API, what it stands on, your token, the clock and the agents."""
    api = api_of(context)
    say(f"{api.access.url} ({api.access.source})")
    worst = ExitCode.OK
    for finding in _findings(api):
        mark = "ok" if finding.code == ExitCode.OK else "failed"
        print(f"{coloured(mark):<6}  {one_line(finding.about)}: {one_line(finding.words)}")
        worst = worst if finding.code == ExitCode.OK else finding.code
    raise typer.Exit(worst)


def _findings(api: ApiClient) -> Iterator[Finding]:
    """Look at one thing after the other; without an API there is nothing more to look at."""
    alive = _looked("API", lambda: _alive(api))
    yield from alive
    if any(finding.code != ExitCode.OK for finding in alive):
        return
    yield from _looked("readiness", lambda: _parts(api))
    yield from _looked("token", lambda: _token(api))
    yield from _looked("agents", lambda: _agents(api))


def _looked(about: str, look: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return look()
    except Failure as failure:
        return [Finding(about, failure.message, failure.code)]


def _alive(api: ApiClient) -> list[Finding]:
    response = api.send("GET", "/healthz")
    version = api.send("GET", "/version").json().get("version", "?")
    return [Finding("API", f"answers, version {version}"), _clock(response.headers, datetime.now(tz=UTC))]


def _clock(headers: Mapping[str, str], now: datetime) -> Finding:
    """The server says whole seconds only, so less than that is no difference."""
    if "date" not in headers:
        return Finding("clock", "the server does not say its time")
    behind = (now - datetime.strptime(headers["date"], _HTTP_DATE).replace(tzinfo=UTC)).total_seconds()
    if abs(behind) < _CLOCKS_MAY_DIFFER_SECONDS:
        return Finding("clock", "agrees with the server's")
    direction = "ahead of" if behind > 0 else "behind"
    return Finding("clock", f"{abs(behind):.0f} s {direction} the server's", ExitCode.FAILED)


def _parts(api: ApiClient) -> list[Finding]:
    """What the API stands on, as /readyz names it: database, migrations, Temporal."""
    response = api.probe("GET", "/readyz")
    parts = response.json().get("parts", {})
    findings = [
        Finding(name, str(state), ExitCode.OK if state == "ok" else ExitCode.CANNOT_REACH)
        for name, state in parts.items()
    ]
    unready = [] if response.is_success or findings else [Finding("readiness", "not ready", ExitCode.CANNOT_REACH)]
    return findings + unready


def _token(api: ApiClient) -> list[Finding]:
    me = cast("Me", api.get("/me"))
    return [Finding("token", f"you are {me['subject']}, {me['role']}")]


def _agents(api: ApiClient) -> list[Finding]:
    agents = api.get("/agents")
    online = [agent for agent in agents if agent["is_online"]]
    words = f"{len(online)} of {len(agents)} online"
    return [Finding("agents", words, ExitCode.OK if online else ExitCode.FAILED)]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(epilog=examples("slipway doctor", "slipway --api https://slipway.example.com doctor"))(doctor)
