"""Pipelines over HTTP."""

from typing import Any

import httpx2
import pytest
from fakes.api_world import World
from jsonschema import Draft202012Validator

YAML = """\
pipeline: webshop
stages:
  - stage: test
    jobs: [{job: deploy, steps: [{run: ./deploy.sh}]}]
  - stage: prod
    after: [test]
    jobs: [{job: deploy, steps: [{run: ./deploy.sh}]}]
"""
HEADERS = {"Content-Type": "application/yaml"}


async def _save(client: httpx2.AsyncClient, text: str = YAML) -> httpx2.Response:
    return await client.post("/pipelines", content=text, headers=HEADERS)


async def test_a_file_is_stored_as_a_revision(admin: httpx2.AsyncClient) -> None:
    """201 for a new one, 200 for the same text again."""
    answers = [await _save(admin, text) for text in (YAML, YAML, YAML + "# changed\n")]
    assert [(201, 1), (200, 1), (201, 2)] == [(a.status_code, a.json()["revision"]) for a in answers]
    shown = (await admin.get("/pipelines/webshop")).json()
    assert (2, YAML + "# changed\n", "adam@example.com") == (shown["revision"], shown["text"], shown["author"])
    assert YAML == (await admin.get("/pipelines/webshop/revisions/1")).json()["text"]
    assert [2, 1] == [row["revision"] for row in (await admin.get("/pipelines/webshop/revisions")).json()]
    assert [("webshop", 2)] == [(row["name"], row["revision"]) for row in (await admin.get("/pipelines")).json()]


async def test_json_of_the_same_shape_is_a_pipeline_too(admin: httpx2.AsyncClient) -> None:
    """Programs write JSON."""
    body: dict[str, Any] = {
        "pipeline": "webshop",
        "stages": [{"stage": "test", "jobs": [{"job": "deploy", "steps": [{"run": "true"}]}]}],
    }
    assert 201 == (await admin.post("/pipelines", json=body)).status_code


@pytest.mark.parametrize(
    ("text", "line", "path", "words"),
    [
        ("pipeline: [unclosed\n", None, None, ""),
        (YAML.replace("jobs: [{job", "jbos: [{job", 1), 4, "stages[0].jbos", ""),
        (YAML.replace("after: [test]", "after: [tset]"), 6, "stages[1].after[0]", "there is no stage tset"),
        (
            YAML.replace("- stage: test\n", "- stage: test\n    after: [prod]\n"),
            4,
            "stages[0].after",
            "wait for each other",
        ),
        ("", 1, "", "empty"),
        ("x" * 300_000, None, None, ""),
    ],
)
async def test_everything_wrong_is_told_with_its_place(
    admin: httpx2.AsyncClient, text: str, line: int | None, path: str | None, words: str
) -> None:
    """And nothing is stored."""
    answer = await _save(admin, text)
    flaw = answer.json()["errors"][0]
    assert (422, "BrokenPipeline", "pipeline.yaml") == (answer.status_code, answer.json()["error"], flaw["file"])
    assert line in {None, flaw["line"]}
    assert path in {None, flaw["path"]}
    assert words in flaw["message"]
    assert [] == (await admin.get("/pipelines")).json()


async def test_a_misspelt_name_is_put_right(admin: httpx2.AsyncClient) -> None:
    """With the name that was probably meant."""
    answer = await _save(admin, YAML.replace("after: [test]", "after: [tset]"))
    assert "test" == answer.json()["errors"][0]["suggestion"]


async def test_validating_stores_nothing(admin: httpx2.AsyncClient, viewer: httpx2.AsyncClient) -> None:
    """Everybody may try out a file; errors call it by its name."""
    good = await viewer.post("/pipelines/validate", content=YAML, headers=HEADERS)
    bad = await viewer.post("/pipelines/validate?file=web.yaml", content="a: b", headers=HEADERS)
    assert (200, {"pipeline": "webshop", "stages": ["test", "prod"]}) == (good.status_code, good.json())
    assert (422, "web.yaml") == (bad.status_code, bad.json()["errors"][0]["file"])
    assert [] == (await admin.get("/pipelines")).json()


async def test_bytes_that_are_no_text_are_refused(admin: httpx2.AsyncClient) -> None:
    """Rather than guessed at."""
    answer = await admin.post("/pipelines", content=b"\xff\xfe", headers=HEADERS)
    assert (422, "NotText") == (answer.status_code, answer.json()["error"])


@pytest.mark.parametrize("name", ["a\\0b", "a\\u0000b"])
async def test_a_character_that_no_database_keeps_is_refused(admin: httpx2.AsyncClient, name: str) -> None:
    """NUL would stop the release's workflow at its first record."""
    text = YAML.replace("{run: ./deploy.sh}", f'{{run: ./deploy.sh, name: "{name}"}}', 1)
    assert 422 == (await _save(admin, text)).status_code


async def test_the_schema_is_open_to_editors(world: World) -> None:
    """No token is needed to write a pipeline with completion."""
    async with world.calling() as nobody:
        schema = (await nobody.get("http://slipway.test/schemas/pipeline-v1.json")).json()
    Draft202012Validator.check_schema(schema)
    assert "stages" in schema["properties"]
