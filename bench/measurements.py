"""What is measured. Each function returns one line for people; figures are medians or totals of one run."""

import asyncio
import statistics
import subprocess
import tempfile
import time
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from bench import bare
from bench.stack import Stack, until

_MIB = 1024 * 1024
_ENVIRONMENT = {"at_once": 1000}


def _stage(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"stage": "test", "environment": _ENVIRONMENT, "jobs": [{"job": "deploy", "steps": list(steps)}], **more}


def throughput(stack: Stack, releases: int = 30) -> str:
    """Releases of one stage and one step a minute, against the bare workflow on the same server."""
    stack.apply("bench-throughput", _stage({"run": "true"}))
    stack.ended(stack.release("bench-throughput"))
    began = time.monotonic()
    for release in [stack.release("bench-throughput") for _ in range(releases)]:
        stack.ended(release)
    ours = time.monotonic() - began
    theirs = asyncio.run(bare.seconds_for(stack.temporal_address, releases))
    per_minute = 60 * releases / ours
    return (
        f"releases a minute: Slipway {per_minute:.0f}, bare Temporal {60 * releases / theirs:.0f}, "
        f"ratio {theirs / ours:.2f} ({releases} at once)"
    )


def approval_latency(stack: Stack, votes: int = 30) -> str:
    """From the POST of a vote to the first line of the first step, as the step's own clock tells."""
    approval = {"approval": {"approvers": ["admin@localhost"], "requester_may_approve": True}}
    stack.apply("bench-approval", _stage({"run": "date +%s.%N"}, before=approval))
    latencies = []
    for _ in range(votes):
        release = stack.release("bench-approval")
        path = f"/approvals/{release}/test/1/before"
        until(partial(_is_there, stack, path), 30)
        digest = stack.view(release)["digest"]
        began = time.time()
        stack.ask("POST", path + "/votes", json={"choice": "approve", "comment": "", "digest": digest})
        stack.ended(release)
        log = stack.http.get(f"/api/v1/logs/{release}/test/1/deploy/1/1/text").text
        latencies.append(1000 * (float(log) - began))
    cuts = statistics.quantiles(latencies, n=20)
    return f"vote to first step: p50 {statistics.median(latencies):.0f} ms, p95 {cuts[18]:.0f} ms ({votes} votes)"


def step_overhead(stack: Stack, steps: int = 40) -> str:
    """What a step costs beyond its command, against running the command directly."""
    stack.apply("bench-steps", _stage(*[{"run": "true"}] * steps))
    view = stack.ended(stack.release("bench-steps"))
    runs = view["deployments"][0]["jobs"][0]["steps"]
    total = (_time(runs[-1]["finished_at"]) - _time(runs[0]["started_at"])).total_seconds()
    began = time.monotonic()
    for _ in range(steps):
        subprocess.run(["sh", "-c", "true"], check=True)
    direct = time.monotonic() - began
    return (
        f"a step of nothing: {1000 * total / steps:.0f} ms, the command itself {1000 * direct / steps:.1f} ms, "
        f"overhead {1000 * (total - direct) / steps:.0f} ms a step ({steps} steps)"
    )


def log_throughput(stack: Stack, lines: int = 200_000) -> str:
    """A step that prints, until its log is complete on the server, against the same into a file."""
    script = f"seq -f 'line %.0f of a log that somebody will want to read' {lines}"
    stack.apply("bench-log", _stage({"run": script}))
    release = stack.release("bench-log")
    began = time.monotonic()
    view = stack.ended(release)
    took = time.monotonic() - began
    step = view["deployments"][0]["jobs"][0]["steps"][0]
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        subprocess.run(["sh", "-c", f"{script} > {folder}/log"], check=True)
        direct = time.monotonic() - began
        size = (Path(folder) / "log").stat().st_size
    assert step["log_size"] == size, "the log is complete"
    return (
        f"log of {lines} lines ({size / _MIB:.1f} MiB): {took:.2f} s to the server ({lines / took:.0f} lines/s, "
        f"{size / _MIB / took:.1f} MiB/s, the release around it included), into a file {direct:.2f} s, "
        f"ratio {took / direct:.1f}"
    )


def waiting_memory(stack: Stack, releases: int = 200) -> str:
    """What a release that waits for people costs each process."""
    approval = {"approval": {"approvers": ["nobody@localhost"]}}
    stack.apply("bench-waiting", _stage({"run": "true"}, before=approval))
    before = stack.memory()
    last = [stack.release("bench-waiting") for _ in range(releases)][-1]
    until(partial(_is_there, stack, f"/approvals/{last}/test/1/before"), 120)
    grown = {name: (size - before[name]) / releases / 1024 for name, size in stack.memory().items() if name in before}
    each = ", ".join(
        f"{name} {kib:.0f}" for name, kib in sorted(grown.items()) if name in {"api", "temporal", "worker"}
    )
    return f"memory of a waiting release: {sum(grown.values()):.0f} KiB ({each}; {releases} releases)"


def _is_there(stack: Stack, path: str) -> bool:
    return stack.http.get("/api/v1" + path).is_success


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


MEASUREMENTS = [throughput, approval_latency, step_overhead, log_throughput, waiting_memory]
