"""Looking at an installation from outside."""

from email.utils import formatdate

from fakes.api_server import Answer, ApiServer, problem

AGENT = {"name": "a1", "is_online": True}


def well(api: ApiServer) -> None:
    """Everything in order."""
    api.on("GET /healthz", Answer({"status": "ok"}))
    api.on("GET /version", Answer({"version": "0.1.0"}))
    api.on("GET /readyz", Answer({"status": "ready", "parts": {"database": "ok", "temporal": "ok"}}))
    api.on("GET /api/v1/me", Answer({"subject": "ana@x", "role": "approver"}))
    api.on("GET /api/v1/agents", Answer([AGENT]))


def test_all_is_well(api: ApiServer, run) -> None:
    """Every part is named, and the exit code is 0."""
    well(api)
    result = run("doctor")
    assert 0 == result.exit_code
    assert ["API", "clock", "database", "temporal", "token", "agents"] == [
        line.split()[1].rstrip(":") for line in result.stdout.splitlines()
    ]


def test_the_part_in_trouble_is_named(api: ApiServer, run) -> None:
    """A server without its database says so, and the rest is looked at all the same."""
    well(api)
    api.on(
        "GET /readyz", Answer({"status": "not ready", "parts": {"database": "no connection", "temporal": "ok"}}, 503)
    )
    result = run("doctor")
    assert 4 == result.exit_code
    assert "failed  database: no connection" in result.stdout
    assert "agents" in result.stdout


def test_a_wrong_clock_is_found(api: ApiServer, run, monkeypatch) -> None:
    """A difference that would confuse expiries is told with its direction."""
    well(api)
    monkeypatch.setattr("http.server.formatdate", lambda *_, **__: formatdate(0, usegmt=True), raising=False)
    monkeypatch.setattr("email.utils.formatdate", lambda *_, **__: formatdate(0, usegmt=True))
    result = run("doctor")
    assert 1 == result.exit_code
    assert "ahead of the server's" in result.stdout


def test_no_agent_online_is_trouble(api: ApiServer, run) -> None:
    """Nothing would be deployed."""
    well(api)
    api.on("GET /api/v1/agents", Answer([AGENT | {"is_online": False}]))
    result = run("doctor")
    assert 1 == result.exit_code
    assert "0 of 1 online" in result.stdout


def test_a_bad_token_is_told(api: ApiServer, run) -> None:
    """With the exit code of missing rights."""
    well(api)
    api.on("GET /api/v1/me", problem(401, "Unauthorized", "no"))
    assert "failed  token: the token is not valid" in run("doctor").stdout
