"""What is measured of agents: memory during a big log, hand-over after kill -9, jobs a minute."""

import itertools
import statistics
import time
from datetime import datetime, timedelta
from typing import Any

from bench.stack import Stack, until

_ENVIRONMENT = {"at_once": 1000}
_MB = 1_000_000
_SLOTS = 4


def log_memory(stack: Stack, megabytes: int = 1000) -> str:
    """The most memory that agent and API had, from their start to the end of a step that printed so much."""
    line = "a line of a log that somebody will perhaps want to read, and that makes a hundred bytes with its end"
    script = f"yes '{line[:99]}' | head -c {megabytes * _MB}"
    stack.apply("bench-log-memory", _stage("test", "default", {"run": script}))
    before = {name: stack.most_memory(name) for name in ("agent", "api")}
    began = time.monotonic()
    view = stack.ended(stack.release("bench-log-memory"), within=3600)
    took = time.monotonic() - began
    step = view["deployments"][0]["jobs"][0]["steps"][0]
    assert step["log_size"] == megabytes * _MB, "the log is complete"
    told = ", ".join(
        f"{name} {stack.most_memory(name) / _MB:.0f} MB (before {size / _MB:.0f} MB)" for name, size in before.items()
    )
    return f"most memory through a log of {megabytes} MB: {told}; {megabytes / took:.1f} MB/s"


def lease_hand_over(stack: Stack, kills: int = 5) -> str:
    """From kill -9 of an agent to the first line of the next step under the agent that is started at once."""
    with stack.agents(1, pool="bench-handed-over", slots=1) as (agent,):
        steps = ({"run": "echo up; sleep 3"}, {"run": "date +%s.%N"})
        stack.apply("bench-hand-over", _stage("test", "bench-handed-over", *steps))
        waited = []
        for _ in range(kills):
            release = stack.release("bench-hand-over")
            first = f"{release}/test/1/deploy/1/1"
            until(lambda first=first: stack.log(first), within=60)  # type: ignore[misc]
            began = time.time()
            agent.kill()
            agent.start()
            stack.ended(release)
            waited.append(float(stack.log(f"{release}/test/1/deploy/2/1")) - began)
    return (
        f"from kill -9 of an agent to the next step: median {statistics.median(waited):.1f} s, "
        f"most {max(waited):.1f} s ({kills} kills, started again at once)"
    )


def job_throughput(stack: Stack, jobs: int = 48) -> str:
    """Jobs a minute on one, two and four agents of four slots each, from the first start to the last end."""
    told = []
    for agents in (1, 2, 4):
        pool = f"bench-jobs-{agents}"
        with stack.agents(agents, pool=pool, slots=_SLOTS):
            stages = [_stage(f"s{number}", pool, {"run": "true"}) for number in range(jobs)]
            stack.apply(pool, *stages)
            stack.ended(stack.release(pool))
            view = stack.ended(stack.release(pool))
        runs = list(itertools.chain.from_iterable(job["steps"] for one in view["deployments"] for job in one["jobs"]))
        took = max(_time(run["finished_at"]) for run in runs) - min(_time(run["started_at"]) for run in runs)
        told.append(f"{agents} agents {60 * jobs / max(took, timedelta(seconds=0.001)).total_seconds():.0f}")
    return f"jobs a minute: {', '.join(told)} ({jobs} jobs of a step of nothing, {_SLOTS} slots each)"


def _stage(name: str, pool: str, *steps: dict[str, Any]) -> dict[str, Any]:
    job = {"job": "deploy", "pool": pool, "steps": list(steps)}
    return {"stage": name, "environment": _ENVIRONMENT, "jobs": [job]}


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
