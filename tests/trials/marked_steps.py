"""Steps that leave a mark each time they run and print what is known beforehand, and how it looks when all is well."""

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fakes.installation import Installation

_LINES_A_SECOND = 2


@dataclass
class MarkedSteps:
    """The pipeline of this name: stages of one job each, with so many steps, by the seconds that each takes.

    They go side by side, but for those that are ``after`` others.
    """

    name: str
    marks: Path
    stages: dict[str, list[float]]
    job: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def drawn(
        cls, name: str, marks: Path, rng: random.Random, *, stages: int, steps: int, longest: float, **job: Any
    ) -> "MarkedSteps":
        seconds = {f"s{stage}": [rng.uniform(0.3, longest) for _ in range(steps)] for stage in range(stages)}
        return cls(name, marks, seconds, job)

    def release(self, slipway: Installation) -> str:
        """Save the pipeline and release it."""
        stages = [
            {
                "stage": stage,
                "after": [self.after[stage]] if stage in self.after else [],
                "environment": {"at_once": 1000},
                "jobs": [{"job": "deploy", "steps": [{"run": self._script(one)} for one in steps], **self.job}],
            }
            for stage, steps in self.stages.items()
        ]
        slipway.apply({"pipeline": self.name, "stages": stages})
        return slipway.release(self.name)

    def _script(self, seconds: float) -> str:
        lines = self._lines(seconds)
        pause = f"{1 / _LINES_A_SECOND}"
        loop = f"i=0; while [ $i -lt {lines} ]; do echo line $i of $SLIPWAY_RUN; i=$((i+1)); sleep {pause}; done"
        return f"echo $SLIPWAY_RUN >> {self.marks}; {loop}"

    def runs(self, release: str) -> dict[str, bytes]:
        """What each run prints, in the order of stages and steps."""
        return {
            run: b"".join(f"line {line} of {run}\n".encode() for line in range(self._lines(seconds)))
            for stage, steps in self.stages.items()
            for number, seconds in enumerate(steps, start=1)
            for run in [f"{release}/{stage}/1/deploy/{number}/1"]
        }

    def marked(self) -> list[str]:
        """The runs that began, in that order."""
        return self.marks.read_text().split() if self.marks.exists() else []

    def violations(self, slipway: Installation, release: str) -> list[str]:
        """What is wrong with a release that ended: runs repeated, lost or out of order, other logs, its status."""
        view = slipway.view(release)
        found = [] if view["status"] == "succeeded" else [f"{release} {view['status']}: {_reasons(view)}"]
        begun = [run for run in self.marked() if run.startswith(f"{release}/")]
        wanted = self.runs(release)
        found += [f"{run} ran {times} times" for run, times in Counter(begun).items() if times > 1]
        found += [f"{run} never ran" for run in wanted if run not in begun]
        found += [f"{run} ran and is none of the release" for run in begun if run not in wanted]
        found += self._out_of_order(begun)
        told = {step["run_id"]: step for step in slipway.steps(release)}
        return found + [
            trouble for run, log in wanted.items() for trouble in _log_troubles(slipway, run, log, told.get(run))
        ]

    def _out_of_order(self, begun: Iterable[str]) -> list[str]:
        """Runs that began before the step in front of them, or before the last one of the stage in front of theirs."""
        last: dict[str, int] = {}
        found = []
        for run in begun:
            _, _, stage, _, _, step, _ = run.split("/")
            before = self.after.get(stage, "") if step == "1" else ""
            if int(step) != last.get(stage, 0) + 1 or (before and last.get(before) != len(self.stages[before])):
                found.append(f"{run} began out of order")
            last[stage] = int(step)
        return found

    def _lines(self, seconds: float) -> int:
        return max(1, round(seconds * _LINES_A_SECOND))


def _reasons(view: dict[str, Any]) -> list[str]:
    jobs = [job for deployment in view["deployments"] for job in deployment["jobs"]]
    told = [job["reason"] for job in jobs] + [step["reason"] for job in jobs for step in job["steps"]]
    return sorted({reason for reason in told if reason})


def _log_troubles(slipway: Installation, run: str, expected: bytes, told: dict[str, Any] | None) -> list[str]:
    if told is None:
        return [f"{run} is not told of"]
    kept = slipway.step_log(run)
    if (_digest(expected), len(expected)) == (_digest(kept), told["log_size"]):
        return []
    return [f"{run} has a log of {len(kept)} bytes instead of {len(expected)}, told as {told['log_size']}"]


def _digest(log: bytes) -> str:
    return hashlib.sha256(log).hexdigest()
