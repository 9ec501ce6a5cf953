"""What is measured. Each function returns one line for people; figures are medians or totals of one run."""

import asyncio
import statistics
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from bench import bare
from bench.agents import job_throughput, lease_hand_over, log_memory
from bench.artifacts import large_artifact, small_artifacts
from bench.stack import Stack, until

_MIB = 1024 * 1024
_ENVIRONMENT = {"at_once": 1000}
_CALM, _BUSY = "calm@localhost", "busy@localhost"
_STAGES = 10


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


def approval_latency(stack: Stack, votes: int = 20, few: int = 30, many: int = 1000) -> str:
    """From the POST of a vote to the first line of the next step, as the step's own clock tells."""
    approval = {"approval": {"approvers": ["admin@localhost"], "requester_may_approve": True}}
    stack.apply("bench-approval", _stage({"run": "date +%s.%N"}, before=approval))
    medians, told = [], []
    for waiting in (few, many):
        _let_wait(stack, waiting)
        latencies = [_latency(stack) for _ in range(votes)]
        medians.append(statistics.median(latencies))
        cuts = statistics.quantiles(latencies, n=20)
        told.append(f"with {waiting} approvals waiting p50 {medians[-1]:.0f} ms, p95 {cuts[18]:.0f} ms")
    return f"vote to next step: {'; '.join(told)}; ratio {medians[1] / medians[0]:.2f} ({votes} votes each)"


def _latency(stack: Stack) -> float:
    release = stack.release("bench-approval")
    path = f"/approvals/{release}/test/1/before"
    until(partial(_is_there, stack, path), 30)
    digest = stack.view(release)["digest"]
    began = time.time()
    stack.ask("POST", path + "/votes", json={"choice": "approve", "comment": "", "digest": digest})
    stack.ended(release)
    return 1000 * (float(stack.http.get(f"/api/v1/logs/{release}/test/1/deploy/1/1/text").text) - began)


def _let_wait(stack: Stack, waiting: int) -> None:
    """So many approvals in all: the first for two people, the others for one of them. Their mails are sent."""
    before = {"approval": {"approvers": [_BUSY, *([] if stack.waiting else [_CALM])], "need": "any"}}
    stages = [{**_stage({"run": "true"}, before=before), "stage": f"s{at}"} for at in range(_STAGES)]
    stack.apply("bench-people", *stages)
    made = [stack.release("bench-people") for _ in range((waiting - stack.waiting) // _STAGES)]
    for release in made:
        until(partial(_all_asked, stack, release), 300)
    stack.waiting += len(made) * _STAGES


def _all_asked(stack: Stack, release: str) -> bool:
    approvals = [approval for one in stack.view(release)["deployments"] for approval in one["approvals"]]
    mails = [asked["delivery"] for approval in approvals for asked in approval["asked"]]
    return len(approvals) == _STAGES and not {None, "pending"} & set(mails)


def vote_throughput(stack: Stack, approvals: int = 6, people: int = 50, at_once: int = 12) -> str:
    """Votes of different people, each with its receipt, against bare signals with a query after each."""
    names = [f"voter{number}@localhost" for number in range(people)]
    headers = {name: {"authorization": f"Bearer {stack.token(name)}"} for name in names}
    left_out = {"job": "deploy", "condition": "failed", "steps": [{"run": "true"}]}
    stage = {**_stage(before={"approval": {"approvers": names}}), "jobs": [left_out]}
    stack.apply("bench-votes", stage)
    releases = [stack.release("bench-votes") for _ in range(approvals)]
    paths = [f"/approvals/{release}/test/1/before" for release in releases]
    for path in paths:
        until(partial(_is_mailed, stack, path), 120)
    bodies = {path: {"choice": "approve", "digest": stack.ask("GET", path)["digest"]} for path in paths}

    def vote(path: str, name: str) -> str:
        told = stack.ask("POST", path + "/votes", json=bodies[path], headers=headers[name])
        return str(told["kind"])

    began = time.monotonic()
    with ThreadPoolExecutor(at_once) as pool:
        kinds = list(pool.map(vote, paths * people, [name for name in names for _ in paths]))
    ours = time.monotonic() - began
    for release in releases:
        stack.ended(release)
    theirs = asyncio.run(bare.seconds_for_signals(stack.temporal_address, approvals, people, at_once))
    return (
        f"votes a second: Slipway {len(kinds) / ours:.0f}, bare Temporal {len(kinds) / theirs:.0f}, "
        f"ratio {theirs / ours:.2f} ({len(kinds)} votes of {people} people, {at_once} at once; "
        f"{kinds.count('stored')} told only that they are stored)"
    )


def _is_mailed(stack: Stack, path: str) -> bool:
    return _is_there(stack, path) and not {None, "pending"} & {
        asked["delivery"] for asked in stack.ask("GET", path)["asked"]
    }


def inbox_page(stack: Stack, looks: int = 20, few: int = 30, many: int = 1000) -> str:
    """The first fifty of a person's inbox, by how many wait for that person."""
    _let_wait(stack, few)
    _let_wait(stack, many)
    calm, busy = (_page_times(stack, name, looks) for name in (_CALM, _BUSY))
    return (
        f"a page of the inbox: {few} waiting {calm:.0f} ms, {many} waiting {busy:.0f} ms, "
        f"ratio {busy / calm:.2f} (median of {looks})"
    )


def _page_times(stack: Stack, name: str, looks: int) -> float:
    """The median, in milliseconds."""
    headers = {"authorization": f"Bearer {stack.token(name)}"}
    taken = []
    for _ in range(looks):
        began = time.monotonic()
        page = stack.ask("GET", "/approvals?mine=true&limit=50", headers=headers)
        taken.append(1000 * (time.monotonic() - began))
        assert page["items"], "approvals wait for everybody who looks"
    return statistics.median(taken)


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


# What leaves approvals waiting comes last.
MEASUREMENTS = [
    throughput,
    step_overhead,
    log_throughput,
    job_throughput,
    lease_hand_over,
    log_memory,
    large_artifact,
    small_artifacts,
    approval_latency,
    inbox_page,
    vote_throughput,
    waiting_memory,
]
