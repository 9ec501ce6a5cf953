"""Secrets, connections and groups over HTTP: values go in and never come out."""

from pathlib import Path

import httpx2
import pytest
from fakes.api_world import PIPELINE, World
from structlog.testing import capture_logs

CANARY = "canary-7f3a9c"
CONNECTION = {"kind": "jenkins", "url": "https://ci.example", "user": "bot", "token": CANARY}


async def test_secrets_are_listed_by_name_only(admin: httpx2.AsyncClient) -> None:
    """A slash is part of a name."""
    put = await admin.put("/secrets/webshop/db", json={"value": CANARY})
    listed = await admin.get("/secrets")
    assert (204, ["webshop/db"]) == (put.status_code, listed.json())
    assert 405 == (await admin.get("/secrets/webshop/db")).status_code, "there is no way to read one"
    deleted = await admin.delete("/secrets/webshop/db")
    again = await admin.delete("/secrets/webshop/db")
    assert (204, 404, []) == (deleted.status_code, again.status_code, (await admin.get("/secrets")).json())


async def test_no_value_leaves_by_any_answer_file_or_log(
    world: World, admin: httpx2.AsyncClient, tmp_path: Path
) -> None:
    """Every GET of the API, the database with its write-ahead log, and our own log lines are free of it."""
    with capture_logs() as lines:
        await admin.put("/secrets/webshop/db", json={"value": CANARY})
        await admin.put("/connections/ci", json=CONNECTION)
        paths = [p for p, methods in world.app.openapi()["paths"].items() if "get" in methods and "{" not in p]
        answers = [await admin.get(f"http://slipway.test{path}") for path in paths]
    kept = _all_bytes(tmp_path)
    assert len(paths) > 10
    assert CANARY not in "".join(answer.text for answer in answers)
    assert CANARY not in str(lines)
    assert CANARY.encode() not in kept


def _all_bytes(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_connections_are_listed_without_tokens(admin: httpx2.AsyncClient, releaser: httpx2.AsyncClient) -> None:
    """Authors of pipelines see their names."""
    assert 204 == (await admin.put("/connections/ci", json=CONNECTION)).status_code
    assert [{"name": "ci", "kind": "jenkins", "url": "https://ci.example", "user": "bot", "ca": None}] == (
        await releaser.get("/connections")
    ).json()


@pytest.mark.parametrize(
    ("unfit", "words"),
    [
        ({"kind": "jenkins", "user": ""}, "needs both a user and a token"),
        ({"kind": "jenkins", "token": ""}, "needs both a user and a token"),
        ({"kind": "github", "url": "https://github.com/octo"}, "https://api.github.com"),
        ({"kind": "github", "url": "https://www.GitHub.com"}, "https://api.github.com"),
        ({"kind": "s3", "user": ""}, "needs both the id of a key"),
        ({"kind": "azure-blob", "user": ""}, "the name of the account as the user"),
        ({"kind": "gcs", "user": "bot"}, "needs no user"),
        ({"kind": "gcs", "user": "", "token": f'["{CANARY}"]'}, "the key of a service account"),
        ({"kind": "gcs", "user": ""}, "the key of a service account"),
    ],
)
async def test_a_connection_that_could_not_work_is_refused(
    admin: httpx2.AsyncClient, unfit: dict[str, str], words: str
) -> None:
    """In words that say what is needed, without the token."""
    answer = await admin.put("/connections/ci", json=CONNECTION | unfit)
    assert (422, "UnfitConnection") == (answer.status_code, answer.json()["error"])
    assert words in answer.text
    assert CANARY not in answer.text
    assert [] == (await admin.get("/connections")).json()


@pytest.mark.parametrize(
    "fit",
    [
        {"kind": "github", "url": "https://api.github.com", "user": ""},
        {"kind": "github", "url": "https://github.corp.example/api/v3", "user": "", "token": ""},
        {"kind": "s3", "user": "AKID"},
        {"kind": "s3", "user": "", "token": ""},
        {"kind": "azure-blob", "user": "account", "token": ""},
        {"kind": "gcs", "user": "", "token": '{"type": "service_account"}'},
        {"kind": "gcs", "user": "", "token": ""},
    ],
)
async def test_connections_of_all_kinds_are_kept(admin: httpx2.AsyncClient, fit: dict[str, str]) -> None:
    """With a token, or without one for what is public."""
    assert 204 == (await admin.put("/connections/store", json=CONNECTION | fit)).status_code
    assert [fit["kind"]] == [one["kind"] for one in (await admin.get("/connections")).json()]


async def test_groups_keep_their_people(admin: httpx2.AsyncClient, viewer: httpx2.AsyncClient) -> None:
    """Spelt in one way, each once."""
    await admin.put("/groups/ops", json={"members": ["Otto@Example.com", "otto@example.com", "ana@example.com"]})
    assert [{"name": "ops", "members": ["otto@example.com", "ana@example.com"]}] == (await viewer.get("/groups")).json()


async def test_one_group_is_shown_by_its_name(admin: httpx2.AsyncClient, viewer: httpx2.AsyncClient) -> None:
    """An unknown one is not an empty one."""
    await admin.put("/groups/ops", json={"members": []})
    found, unknown = await viewer.get("/groups/ops"), await viewer.get("/groups/nobody")
    assert {"name": "ops", "members": []} == found.json()
    assert (404, "NoSuchGroup") == (unknown.status_code, unknown.json()["error"])


async def test_a_forgotten_group_is_gone(admin: httpx2.AsyncClient) -> None:
    """Once; it is told when there was none."""
    await admin.put("/groups/ops", json={"members": ["otto@example.com"]})
    gone, again = await admin.delete("/groups/ops"), await admin.delete("/groups/ops")
    assert (204, 404, "NoSuchGroup") == (gone.status_code, again.status_code, again.json()["error"])
    assert [] == (await admin.get("/groups")).json()


_ASKING = {"approvers": ["group:ops"]}
_DEPUTIES = {"approvers": ["ana@example.com"], "escalate": {"after": "1h", "to": ["group:ops"]}}


@pytest.mark.parametrize("policy", [_ASKING, _DEPUTIES], ids=["as an approver", "as deputies"])
async def test_a_group_that_a_pipeline_names_is_kept(world: World, admin: httpx2.AsyncClient, policy: object) -> None:
    """The answer names all of those pipelines; once none of them names it any more, it can go."""
    test, prod = PIPELINE["stages"]
    naming = PIPELINE | {"stages": [test, prod | {"before": {"approval": policy}}]}
    for name in ("shop", "blog"):
        await world.save(naming | {"pipeline": name})
    await admin.put("/groups/ops", json={"members": ["otto@example.com"]})
    kept = await admin.delete("/groups/ops")
    assert (409, "GroupInUse") == (kept.status_code, kept.json()["error"])
    assert "group ops is named by pipelines blog, shop; take it out there first" == kept.json()["detail"]
    assert ["otto@example.com"] == (await admin.get("/groups/ops")).json()["members"]
    for name in ("shop", "blog"):
        await world.save(PIPELINE | {"pipeline": name})
    assert 204 == (await admin.delete("/groups/ops")).status_code


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/secrets/webshop/db", {"value": ""}),
        ("/secrets/webshop/db", {"value": 7}),
        ("/secrets/.hidden", {"value": "x"}),
        ("/connections/ci", CONNECTION | {"kind": "gitlab"}),
        ("/connections/ci", CONNECTION | {"url": "file:///etc/passwd"}),
        ("/connections/ci", CONNECTION | {"url": "https://user:pass@ci.example"}),
        ("/groups/ops", {"members": ["otto"]}),
        ("/groups/ops", {"members": "otto@example.com"}),
    ],
)
async def test_what_makes_no_sense_is_refused(admin: httpx2.AsyncClient, path: str, body: dict[str, object]) -> None:
    """And its value is not repeated."""
    answer = await admin.put(path, json=body)
    assert 422 == answer.status_code
    assert CANARY not in answer.text
    assert [[], [], []] == [(await admin.get(kind)).json() for kind in ("/secrets", "/connections", "/groups")]
