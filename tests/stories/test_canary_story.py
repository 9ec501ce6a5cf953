"""A secret that a step uses and prints is found nowhere afterwards."""

import base64
import json
import urllib.parse
from pathlib import Path

import pytest
from fakes.installation import Installation
from temporalio.client import Client

pytestmark = [pytest.mark.story, pytest.mark.timeout(120)]

CANARY = 'canary-7f3a&"9c1e\\d2/b8=41'
MULTILINE = "canary-first-line-51d0\ncanary-second-line-88ae"


def spellings() -> dict[str, bytes]:
    """Every form in which the canary might be written."""
    return {
        "as it is": CANARY.encode(),
        "base64": base64.b64encode(CANARY.encode()),
        "in a URL": urllib.parse.quote(CANARY, safe="").encode(),
        "in JSON": json.dumps(CANARY)[1:-1].encode(),
        "first line": b"canary-first-line-51d0",
        "second line": b"canary-second-line-88ae",
    }


SCRIPT = r"""
printf 'plain %s\n' "$PASSWORD"
printf '%s' "$PASSWORD" | base64
python3 - <<'END'
import json, os, sys, time, urllib.parse
value = os.environ["PASSWORD"]
print(json.dumps(value), urllib.parse.quote(value, safe=""))
for letter in value:
    sys.stdout.write(letter); sys.stdout.flush(); time.sleep(0.005)
print()
END
printf '%s\n' "$CERTIFICATE"
printf '%s' "$CERTIFICATE" | tail -n 1
echo; test "${#PASSWORD}" -gt 10 && echo used
"""


async def test_a_secret_leaves_no_trace(slipway: Installation) -> None:
    """Not in Temporal's histories or files, the database, logs, pages, mails, run folders or process logs."""
    slipway.agent("agent-1")
    slipway.ok("PUT", "/api/v1/secrets/shop/db", json={"value": CANARY})
    slipway.ok("PUT", "/api/v1/secrets/shop/cert", json={"value": MULTILINE})
    steps = [{"run": SCRIPT, "secrets": ["PASSWORD", "CERTIFICATE"]}, {"run": "env; ps ewwaux | grep -c canar[y]-"}]
    slipway.apply(
        {
            "pipeline": "shop",
            "variables": {"PASSWORD": {"secret": "shop/db"}, "CERTIFICATE": {"secret": "shop/cert"}},
            "stages": [
                {
                    "stage": "test",
                    "before": {"approval": {"approvers": ["ana@example.com"]}},
                    "jobs": [{"job": "deploy", "steps": steps}],
                }
            ],
        }
    )
    release = slipway.release("shop")
    link = slipway.link("ana@example.com", f"{release}/test/1/before")
    slipway.answer(link, "approve")
    slipway.ended(release)
    used = slipway.step_log(f"{release}/test/1/deploy/1/1")
    assert used.endswith(b"used\n")
    assert b"***" in used
    assert slipway.step_log(f"{release}/test/1/deploy/2/1").endswith(b"0\n")

    places = slipway_pages(slipway, release, link) | files_of(slipway.folder) | await histories(slipway)
    assert len(places) > 20
    found = [
        (place, kind) for place, content in places.items() for kind, text in spellings().items() if text in content
    ]
    assert found == []


def slipway_pages(slipway: Installation, release: str, link: str) -> dict[str, bytes]:
    """What the API and the pages say."""
    paths = [
        f"/api/v1/releases/{release}",
        f"/api/v1/logs/{release}/test/1/deploy/1/1/text",
        "/api/v1/secrets",
        "/api/v1/pipelines/shop",
        "/api/v1/outbox",
        "/api/v1/outbox/1",
        f"/releases/{release}",
        f"/logs/{release}/test/1/deploy/1/1",
        link,
        "/agents",
    ]
    return {path: slipway.http.get(path).content for path in paths}


def files_of(folder: Path) -> dict[str, bytes]:
    """Databases with their logs, Temporal's file, run folders, logs of the processes."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def histories(slipway: Installation) -> dict[str, bytes]:
    """Every history, with its payloads decoded."""
    client = await Client.connect(f"127.0.0.1:{slipway.memory.ports['temporal']}")
    found = {}
    async for execution in client.list_workflows():
        history = await client.get_workflow_handle(execution.id, run_id=execution.run_id).fetch_history()
        data = [p.data for event in history.events for p in payloads(event)]
        found[execution.id] = b"\n".join([str(history.events).encode(), *data])
    return found


def payloads(message: object) -> list:  # type: ignore[type-arg]
    """All payloads inside a protobuf message, however deep."""
    if type(message).__name__ == "Payload":
        return [message]
    found = []
    for _, value in getattr(message, "ListFields", list)():
        children = value.values() if hasattr(value, "values") else value if is_repeated(value) else [value]
        found += [payload for child in children for payload in payloads(child)]
    return found


def is_repeated(value: object) -> bool:
    return hasattr(value, "__iter__") and not isinstance(value, (str, bytes))
