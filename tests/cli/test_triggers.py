"""Hooks and triggers on the command line."""

import json
from typing import Any

from fakes.api_server import Answer, ApiServer

HOOK = {"name": "ci", "kind": "jenkins", "connection": "ci", "project": None, "pipelines": [], "owner": "ana@x"}
MADE = HOOK | {"url": "https://s/api/v1/hooks/ci", "secret": "slh_1", "last_used_at": None}
EVENT = {
    "received_at": "2026-11-20T10:00:00Z",
    "kind": "jenkins",
    "label": "#142",
    "version": "142",
    "branch": "main",
    "outcome": "made",
    "release": "webshop/41",
    "reason": "",
}
SHOWN: dict[str, Any] = {
    "paused": {"by": "ana@x", "reason": "the \x1b[2Jfair"},
    "artifacts": [{"alias": "web", "every": "5m", "error": "no \x07answer"}],
    "schedules": [
        {"cron": "0 6 * * *", "timezone": "Europe/Berlin", "next_runs": ["2026-11-20T05:00:00Z"]},
        {"cron": "0 7 * * *", "timezone": "UTC", "next_runs": []},
    ],
    "events": [EVENT, EVENT | {"outcome": "failed", "release": None, "reason": "variable X may not be set"}],
}


def test_a_hook_is_made_and_its_secret_printed(api: ApiServer, run) -> None:
    """Address and secret are data, how to use them is talk."""
    api.on("POST /api/v1/hooks", Answer(MADE, 201))
    result = run("hook", "create", "ci", "--kind", "jenkins", "--connection", "ci")
    assert "https://s/api/v1/hooks/ci\nslh_1\n" == result.stdout
    assert "?secret=" in result.stderr
    sent = api.asked("POST /api/v1/hooks")[0].json
    assert {"name": "ci", "kind": "jenkins", "pipelines": [], "connection": "ci"} == sent


def test_a_generic_hook_names_its_pipelines(api: ApiServer, run) -> None:
    """Each of them, and who answers for it."""
    api.on("POST /api/v1/hooks", Answer(MADE | {"kind": "generic"}, 201))
    run("hook", "create", "b", "--kind", "generic", "--pipeline", "x", "--pipeline", "y", "--owner", "ana@x")
    sent = api.asked("POST /api/v1/hooks")[0].json
    assert {"name": "b", "kind": "generic", "pipelines": ["x", "y"], "owner": "ana@x"} == sent


def test_hooks_are_listed_and_removed(api: ApiServer, run) -> None:
    """Without their secrets."""
    api.on("GET /api/v1/hooks", Answer([HOOK | {"last_used_at": None}]))
    api.on("DELETE /api/v1/hooks/ci", Answer(None, 204))
    assert ["ci", "jenkins", "ci", "ana@x"] == run("hook", "list").stdout.splitlines()[1].split()
    assert "hook ci is removed\n" == run("hook", "delete", "ci").stderr


def test_triggers_are_shown(api: ApiServer, run) -> None:
    """What comes is talk, what came is data; nothing in it commands the terminal."""
    api.on("GET /api/v1/pipelines/webshop/triggers", Answer(SHOWN))
    result = run("trigger", "show", "webshop", "--limit", "7")
    assert "paused by ana@x: the fair\nnew versions of web: polled every 5m; no answer: no answer\n" in result.stderr
    assert "schedule 0 7 * * * (UTC): no next run is known" in result.stderr
    assert ["webshop/41", "variable X may not be set"] == [
        line.split("  ")[-1].strip() for line in result.stdout.splitlines()[1:]
    ]
    assert "7" == api.asked("GET /api/v1/pipelines/webshop/triggers")[0].query["limit"]
    assert SHOWN == json.loads(run("trigger", "show", "webshop", "-o", "json").stdout)


def test_triggers_are_paused_and_resumed(api: ApiServer, run) -> None:
    """With a reason."""
    api.on("POST /api/v1/pipelines/webshop/pause", Answer({}))
    api.on("POST /api/v1/pipelines/webshop/resume", Answer({}))
    assert 0 == run("trigger", "pause", "webshop", "--reason", "the fair").exit_code
    assert {"reason": "the fair"} == api.asked("POST /api/v1/pipelines/webshop/pause")[0].json
    assert "webshop is resumed\n" == run("trigger", "resume", "webshop").stderr
