"""The same release with PostgreSQL as the store, which is killed in the middle."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.installation import Installation, wait_for
from fakes.postgres import PostgresServer, postgres_binaries

pytestmark = [pytest.mark.story, pytest.mark.timeout(180)]


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    binaries = postgres_binaries()
    assert binaries is not None, "the development dependencies bring PostgreSQL"
    server = PostgresServer(binaries)
    server.start()
    asyncio.run(server.execute("CREATE DATABASE slipway"))
    yield server
    server.stop()


def test_a_release_outlives_its_database(postgres: PostgresServer, tmp_path: Path) -> None:
    """Killed while a step prints: the API says that it is unavailable, then all goes on where it was."""
    marks = tmp_path / "marks"
    script = f"echo ran >> {marks}; for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.5; done"
    job = {"job": "deploy", "steps": [{"run": script}, {"run": f"echo second >> {marks}"}]}
    approval = {"approval": {"approvers": ["ana@example.com"]}}
    settings = {"SLIPWAY_DATABASE_URL": postgres.url("slipway")}
    with Installation(tmp_path / "slipway", settings) as slipway:
        slipway.agent("agent-1")
        slipway.apply({"pipeline": "shop", "stages": [{"stage": "test", "before": approval, "jobs": [job]}]})
        release = slipway.release("shop")
        slipway.answer(slipway.link("ana@example.com", f"{release}/test/1/before"), "approve")
        wait_for(marks.exists)
        postgres.kill()
        wait_for(lambda: slipway.http.get(f"/api/v1/releases/{release}").status_code == 503)
        postgres.start()
        assert slipway.ended(release)["status"] == "succeeded"
        assert marks.read_text() == "ran\nsecond\n"
        log = slipway.step_log(f"{release}/test/1/deploy/1/1")
        assert log == b"".join(b"line %d\n" % number for number in range(1, 9))
