"""Agents killed again and again while steps run: each step runs once, and every log is byte for byte what it printed.

Some kills are kill -9 at any moment, in the middle of a start too, some are two SIGTERMs in a row, which leave the
steps to the next agent. At the end step runners are killed: what became of their steps is then unknown, and told so.
"""

import json
import os
import random
import signal
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fakes.installation import Installation, wait_for
from trials.marked_steps import MarkedSteps
from trials.verdict import Verdict

_AGENTS = 4
_SLOTS = 5
_KILLS_A_ROUND = 28
_RUNNERS = 3
_TOLD_WITHIN = 30.0
_ENDED_WITHIN = 120.0
_IN_A_STEP, _IDLE, _STARTING = "while a step ran", "between steps", "while it started"


async def run(seed: int, kills: int) -> Verdict:
    """So many kills, in rounds of 28 over 40 steps."""
    with tempfile.TemporaryDirectory() as folder, Installation(Path(folder) / "slipway") as slipway:
        return strike(slipway, seed, kills)


def strike(slipway: Installation, seed: int, kills: int) -> Verdict:
    """The trial in an installation that runs."""
    rng = random.Random(seed)
    trial = _Trial(slipway, rng)
    for number, left in enumerate(range(kills, 0, -_KILLS_A_ROUND)):
        trial.round(f"kills-{seed}-{number}", min(left, _KILLS_A_ROUND))
    return Verdict(
        trial="agent_kills",
        seed=seed,
        counts=dict(trial.counts),
        fired={_IN_A_STEP: 0, _STARTING: 0, "kill -9": 0, "two SIGTERMs": 0, "kill -9 of a runner": 0} | trial.fired,
        violations=tuple(trial.violations),
    )


class _Trial:
    def __init__(self, slipway: Installation, rng: random.Random) -> None:
        self._slipway = slipway
        self._rng = rng
        self._agents = [f"killed-{number}" for number in range(_AGENTS)]
        for name in self._agents:
            slipway.agent(name, slots=_SLOTS, pool="killed")
        self.counts: Counter[str] = Counter()
        self.fired: Counter[str] = Counter()
        self.violations: list[str] = []

    def round(self, name: str, kills: int) -> None:
        """One release that is disturbed all the time, and then one whose runners are killed."""
        slipway, marks = self._slipway, self._slipway.folder / f"{name}.marks"
        job = {"pool": "killed", "rejoin": "5m"}
        work = MarkedSteps.drawn(name, marks, self._rng, stages=_AGENTS * _SLOTS, steps=2, longest=5.0, **job)
        release = work.release(slipway)
        wait_for(lambda: len(work.marked()) >= _AGENTS * _SLOTS, what="every slot has a step")
        share, more = divmod(kills, _AGENTS)
        with ThreadPoolExecutor(_AGENTS) as pool:
            seeds = [self._rng.random() for _ in self._agents]
            amounts = [share + (number < more) for number in range(_AGENTS)]
            list(pool.map(self._disturb, self._agents, seeds, amounts))
        self._kill_runners(f"{name}-runners")
        slipway.ended(release, within=_ENDED_WITHIN)
        self.violations += work.violations(slipway, release)
        self.counts.update(
            {"kills": kills, "steps": len(work.runs(release)), "logs byte-equal": len(work.runs(release))}
        )

    def _disturb(self, agent: str, seed: float, kills: int) -> None:
        rng = random.Random(seed)
        for _ in range(kills):
            if rng.random() < 1 / 4:
                time.sleep(rng.uniform(0.0, 0.3))
            else:
                wait_for(lambda: self._is_ready(agent), what=f"{agent} is ready")
                time.sleep(rng.uniform(0.0, 1.0))
            self._kill(agent, rng)
            self._slipway.start(agent)

    def _kill(self, agent: str, rng: random.Random) -> None:
        is_ready, runs = self._is_ready(agent), self._running(agent)
        assert self._slipway.is_alive(agent), (
            f"{agent} was dead before it was killed: {self._slipway.log(agent)[-2000:]}"
        )
        # Before the agent listens to signals, the first SIGTERM ends it as kill -9 does.
        if is_ready and rng.random() < 1 / 3:
            self._slipway.signal(agent, signal.SIGTERM)
            time.sleep(rng.uniform(0.0, 0.3))
            self._slipway.kill(agent, signal.SIGTERM)
            self.fired["two SIGTERMs"] += 1
        else:
            self._slipway.kill_alive(agent)
            self.fired["kill -9"] += 1
        self.fired[_IN_A_STEP if runs else _IDLE] += 1
        self.fired[_STARTING] += not is_ready
        self._slipway.log_file(agent).write_bytes(b"")

    def _is_ready(self, agent: str) -> bool:
        return "ready" in self._slipway.log(agent)

    def _running(self, agent: str) -> list[Path]:
        """Folders of the runs under way."""
        runs = (self._slipway.folder / "agents" / agent / "runs").iterdir()
        return [run for run in runs if (run / "started").exists() and not (run / "exit").exists()]

    def _kill_runners(self, name: str) -> None:
        """Each job that loses its step's runner says within 30 s that the outcome is unknown; it is not run again."""
        slipway = self._slipway
        work = MarkedSteps(
            name, slipway.folder / f"{name}.marks", {f"r{at}": [60.0] for at in range(_RUNNERS)}, {"pool": "killed"}
        )
        release = work.release(slipway)
        wait_for(lambda: len(work.marked()) == _RUNNERS, within=60, what="the steps run")
        for run in work.runs(release):
            os.kill(self._runner_of(run), signal.SIGKILL)
            self.fired["kill -9 of a runner"] += 1
        began = time.monotonic()
        view = slipway.ended(release, within=_TOLD_WITHIN * 2)
        self.counts["runners told unknown"] += _RUNNERS
        if time.monotonic() - began > _TOLD_WITHIN:
            self.violations.append(f"{release} told of its runners after {time.monotonic() - began:.0f} s")
        told = [(one["stage"], job["status"]) for one in view["deployments"] for job in one["jobs"]]
        self.violations += [f"{release} {stage} is {status}" for stage, status in told if status != "unknown"]
        if sorted(work.marked()) != sorted(work.runs(release)):
            self.violations.append(f"{release} ran {work.marked()}")

    def _runner_of(self, run: str) -> int:
        for folder in self._slipway.folder.glob("agents/killed-*/runs/*"):
            if json.loads((folder / "run.json").read_bytes())["run_id"] == run:
                return int(json.loads((folder / "started").read_bytes())["pid"])
        raise AssertionError(f"no agent runs {run}")
