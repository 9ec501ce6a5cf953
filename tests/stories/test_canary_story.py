"""A secret that a step uses and prints is found nowhere afterwards."""

import base64
import json
import re
import secrets
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


# Base64 of "canary-" at each of the three places in a group of three bytes where it may begin.
FLOCK = re.compile(rb"canary-[0-9a-f]{12}|Y2FuYXJ5L[QR]|NhbmFyeS[0-3]|jYW5hcnkt")
PRINT_ALL = r"""
import base64, json, os, urllib.parse
for name in sorted(n for n in os.environ if n.startswith("BIRD_")):
    value = os.environ[name]
    print(name, value, json.dumps(value), urllib.parse.quote(value, safe=""))
    print(base64.b64encode(value.encode()).decode(), base64.b64encode(b"user:" + value.encode()).decode())
"""


def flock(slipway: Installation) -> list[str]:
    """200 canaries: 180 that a step uses, 10 that nothing uses, 10 tokens of connections; those that are used."""
    birds = [f'canary-{secrets.token_hex(6)}&"{number}' for number in range(200)]
    for number, bird in enumerate(birds[:190]):
        slipway.ok("PUT", f"/api/v1/secrets/flock/{number}", json={"value": bird})
    for number, bird in enumerate(birds[190:]):
        connection = {"kind": "jenkins", "url": "http://127.0.0.1:1", "user": "ci", "token": bird}
        slipway.ok("PUT", f"/api/v1/connections/flock-{number}", json=connection)
    return birds[:180]


async def test_a_secret_leaves_no_trace(slipway: Installation) -> None:
    """Not in Temporal's histories or files, the database, logs, pages, mails, run folders or process logs."""
    slipway.agent("agent-1")
    slipway.ok("PUT", "/api/v1/secrets/shop/db", json={"value": CANARY})
    slipway.ok("PUT", "/api/v1/secrets/shop/cert", json={"value": MULTILINE})
    birds = {f"BIRD_{number}": {"secret": f"flock/{number}"} for number in range(len(flock(slipway)))}
    steps = [
        {"run": SCRIPT, "secrets": ["PASSWORD", "CERTIFICATE"]},
        {"run": "env; ps ewwaux | grep -c canar[y]-"},
        {"run": PRINT_ALL, "shell": "python", "secrets": sorted(birds), "condition": "always"},
    ]
    slipway.apply(
        {
            "pipeline": "shop",
            "variables": birds | {"PASSWORD": {"secret": "shop/db"}, "CERTIFICATE": {"secret": "shop/cert"}},
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
    assert slipway.step_log(f"{release}/test/1/deploy/3/1").count(b"***") >= 5 * len(birds)
    assert [place for place, content in places.items() if FLOCK.search(content)] == []


def slipway_pages(slipway: Installation, release: str, link: str) -> dict[str, bytes]:
    """What the API and the pages say."""
    paths = [
        f"/api/v1/releases/{release}",
        f"/api/v1/logs/{release}/test/1/deploy/1/1/text",
        f"/api/v1/logs/{release}/test/1/deploy/3/1/text",
        "/api/v1/secrets",
        "/api/v1/connections",
        "/api/v1/connections/flock-1",
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
