"""Big logs from eight steps at once: complete, masked, and neither the agent nor the API needs much memory for them.

Short lines, lines of a mebibyte, binary, a secret in every line, and no newline at the end.
"""

import hashlib
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fakes.installation import Installation
from trials.verdict import Verdict

_STEPS = 8
_AGENT_MB, _API_MB = 150, 300
_SECRET = "big-log-secret-4f1d"
_ENDED_WITHIN = 3600.0

# The same code makes the blocks in the step and here.
_BLOCKS = """
import random

def blocks(seed, count, secret):
    rng = random.Random(seed)
    noise = rng.randbytes(1024 * 1024)
    kinds = [
        b"".join(b"line %d of a log\\n" % number for number in range(50000)),
        b"x" * (1024 * 1024) + b"\\n",
        noise,
        b"".join(b"%d: the password is %s\\n" % (number, secret) for number in range(20000)),
        b"no newline",
    ]
    for _ in range(count):
        yield rng.choice(kinds)
"""
_PRINT = """
import os, sys
for block in blocks({seed}, {count}, os.environb[b"PASSWORD"]):
    sys.stdout.buffer.write(block)
"""


async def run(seed: int, megabytes: int) -> Verdict:
    """So much log in all."""
    with tempfile.TemporaryDirectory() as folder, Installation(Path(folder) / "slipway") as slipway:
        return strike(slipway, seed, megabytes)


def strike(slipway: Installation, seed: int, megabytes: int) -> Verdict:
    """The trial in an installation that runs."""
    slipway.agent("talkative", slots=_STEPS, pool="talkative", is_plain=True)  # its memory is measured
    slipway.ok("PUT", "/api/v1/secrets/big-log", json={"value": _SECRET})
    rng = random.Random(seed)
    name = f"big-logs-{seed}"
    share = max(1, round(megabytes / _STEPS))
    seeds = {f"s{number}": rng.randrange(10**6) for number in range(_STEPS)}
    stages = [_stage(stage, own, share) for stage, own in seeds.items()]
    variables = {"PASSWORD": {"secret": "big-log"}}
    slipway.apply({"pipeline": name, "variables": variables, "stages": stages})
    release = slipway.release(name)
    view = slipway.ended(release, within=_ENDED_WITHIN)
    violations = [] if view["status"] == "succeeded" else [f"{release} {view['status']}"]
    counts = {"bytes": 0, "secrets masked": 0}
    for stage, own in seeds.items():
        size, digest, masked = _expected(own, share)
        counts["bytes"] += size
        counts["secrets masked"] += masked
        kept = _kept(slipway, f"{release}/{stage}/1/deploy/1/1")
        if kept != (size, digest):
            violations.append(f"{release}/{stage} has {kept[0]} bytes instead of {size}, or others")
    memory = {name: slipway.most_memory(name) // 10**6 for name in ("talkative", "api")}
    violations += [
        f"{name} took {memory[name]} MB"
        for name, most in (("talkative", _AGENT_MB), ("api", _API_MB))
        if memory[name] >= most
    ]
    return Verdict(
        trial="big_logs",
        seed=seed,
        counts=counts | {f"MB of {name}": size for name, size in memory.items()},
        fired={"secrets masked": counts["secrets masked"]},
        violations=tuple(violations),
    )


def _stage(stage: str, seed: int, count: int) -> dict[str, Any]:
    script = _BLOCKS + _PRINT.format(seed=seed, count=count)
    step = {"run": script, "shell": "python", "secrets": ["PASSWORD"], "timeout": "1h"}
    return {"stage": stage, "jobs": [{"job": "deploy", "pool": "talkative", "steps": [step]}]}


def _blocks(seed: int, count: int, secret: bytes) -> Iterator[bytes]:
    made: dict[str, Any] = {}
    exec(_BLOCKS, made)
    blocks: Iterator[bytes] = made["blocks"](seed, count, secret)
    return blocks


def _expected(seed: int, count: int) -> tuple[int, str, int]:
    """Size and digest of the masked log, and how many secrets were in it."""
    size, digest, masked = 0, hashlib.sha256(), 0
    for block in _blocks(seed, count, b"***"):
        size += len(block)
        digest.update(block)
        masked += block.count(b"***")
    return size, digest.hexdigest(), masked


def _kept(slipway: Installation, run: str) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    while piece := slipway.http.get(f"/api/v1/logs/{run}/text", params={"offset": size}).content:
        size += len(piece)
        digest.update(piece)
    return size, digest.hexdigest()
