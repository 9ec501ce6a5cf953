"""The release worker killed at random points: no release is lost, and no step begins out of its order."""

import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from fakes.installation import Installation, wait_for
from trials.marked_steps import MarkedSteps
from trials.verdict import Verdict

_AGENTS = 2
_SLOTS = 10
_AT_ONCE = 20
_KILLS_A_BATCH = 4
_AFTER = {"b": "a"}
# A task that the killed worker had is handed out again after ten seconds.
_ENDED_WITHIN = 120.0


async def run(seed: int, releases: int) -> Verdict:
    """So many releases, twenty at once."""
    with tempfile.TemporaryDirectory() as folder, Installation(Path(folder) / "slipway") as slipway:
        return strike(slipway, seed, releases)


def strike(slipway: Installation, seed: int, releases: int) -> Verdict:
    """The trial in an installation that runs."""
    rng = random.Random(seed)
    for number in range(_AGENTS):
        slipway.agent(f"steady-{number}", slots=_SLOTS, pool="steady")
    counts: Counter[str] = Counter()
    fired: Counter[str] = Counter({"kill -9 of the worker": 0, "a release was under way": 0})
    violations: list[str] = []
    for batch in range(0, releases, _AT_ONCE):
        works = [
            _work(slipway, f"r2-{seed}-{batch + number}", rng) for number in range(min(_AT_ONCE, releases - batch))
        ]
        started = {work.release(slipway): work for work in works}
        wait_for(lambda works=works: any(work.marked() for work in works), what="a step runs")  # type: ignore[misc]
        for _ in range(_KILLS_A_BATCH):
            time.sleep(rng.uniform(0.1, 1.5))
            slipway.kill_alive("worker")
            fired["kill -9 of the worker"] += 1
            fired["a release was under way"] += any(not slipway.view(release)["finished_at"] for release in started)
            slipway.start("worker")
        for release, work in started.items():
            slipway.ended(release, within=_ENDED_WITHIN)
            violations += work.violations(slipway, release)
            counts.update({"releases": 1, "steps": len(work.runs(release))})
    return Verdict(
        trial="worker_kills", seed=seed, counts=dict(counts), fired=dict(fired), violations=tuple(violations)
    )


def _work(slipway: Installation, name: str, rng: random.Random) -> MarkedSteps:
    """A stage of two steps, or one and another after it."""
    steps = {"a": 2} if rng.random() < 1 / 2 else {"a": 1, "b": 1}
    stages = {stage: [rng.uniform(0.2, 0.8) for _ in range(count)] for stage, count in steps.items()}
    marks = slipway.folder / f"{name}.marks"
    return MarkedSteps(name, marks, stages, {"pool": "steady", "rejoin": "2m"}, after=_AFTER if "b" in steps else {})
