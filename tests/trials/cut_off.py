"""Agents cut off from Temporal and the API: their steps go on, and the logs resume without a gap or a doubled byte.

After every second cut the network has forgotten all connections; in every third the agent is killed and started anew.
"""

import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from fakes.black_hole import BlackHole
from fakes.installation import Installation, wait_for
from trials.marked_steps import MarkedSteps
from trials.verdict import Verdict

_SURELY = (1.0, 5.0, 15.0)
# A few are over soon; with more of them, one in ten minutes is among them.
_LONGEST, _LONGEST_OF_FEW, _FEW = 600.0, 10.0, 20
_AT_ONCE = 8
_STAGES = 2
# So much longer than it is cut off the step prints: on a busy machine it takes a while to begin.
_PRINTS_ON = 6.0
# Its next line is awaited that long before the cut ends.
_PRINTS_WITHIN = 4.0
# A cut-off agent gives up well before the others may take over, so that it has to be awaited much longer than a cut.
_REJOIN_FACTOR = 4
_LEAST_REJOIN = 60.0
# The silent server is noticed by a heartbeat that is missed, and joined by a step that is handed out again.
_JOINED_AGAIN_WITHIN = 60.0


async def run(seed: int, cuts: int) -> Verdict:
    """So many cuts, up to eight at once."""
    with tempfile.TemporaryDirectory() as folder, Installation(Path(folder) / "slipway") as slipway:
        return strike(slipway, seed, cuts)


def strike(slipway: Installation, seed: int, cuts: int) -> Verdict:
    """The trial in an installation that runs."""
    rng = random.Random(seed)
    trial = _Trial(slipway, seed)
    longest = _LONGEST_OF_FEW if cuts <= _FEW else _LONGEST
    lengths = [*_SURELY, *(longest ** rng.random() for _ in range(cuts - len(_SURELY)))][:cuts]
    with ExitStack() as stack, ThreadPoolExecutor(_AT_ONCE) as pool:
        lines = [trial.line(number, stack) for number in range(min(cuts, _AT_ONCE))]
        shares = [list(enumerate(lengths))[number :: len(lines)] for number in range(len(lines))]
        list(pool.map(trial.cut_again_and_again, lines, shares))
    return Verdict(
        trial="cut_off",
        seed=seed,
        counts=dict(trial.counts),
        fired={"held by Temporal's way": 0, "held by the API's way": 0, "a log stood still": 0}
        | {"connections forgotten": 0, "killed while cut off": 0}
        | trial.fired,
        violations=tuple(trial.violations),
    )


class _Line:
    """An agent behind a network of its own."""

    def __init__(self, agent: str, temporal: BlackHole, api: BlackHole) -> None:
        self.agent = agent
        self.temporal = temporal
        self.api = api

    def cut(self) -> None:
        self.temporal.cut()
        self.api.cut()

    def mend(self, *, is_forgetful: bool) -> None:
        self.temporal.mend(is_forgetful=is_forgetful)
        self.api.mend(is_forgetful=is_forgetful)


class _Trial:
    def __init__(self, slipway: Installation, seed: int) -> None:
        self._slipway = slipway
        self._seed = seed
        self.counts: Counter[str] = Counter()
        self.fired: Counter[str] = Counter()
        self.violations: list[str] = []

    def line(self, number: int, stack: ExitStack) -> _Line:
        ports = self._slipway.memory.ports
        temporal, api = (stack.enter_context(BlackHole(ports[name])) for name in ("temporal", "api"))
        ways = {
            "SLIPWAY_API_URL": f"http://127.0.0.1:{api.port}",
            "SLIPWAY_TEMPORAL_ADDRESS": f"127.0.0.1:{temporal.port}",
        }
        name = f"cut-off-{number}"
        self._slipway.agent(name, slots=_STAGES, pool=name, settings=ways)
        return _Line(name, temporal, api)

    def cut_again_and_again(self, line: _Line, cuts: list[tuple[int, float]]) -> None:
        for number, seconds in cuts:
            self._cut(line, number, seconds)

    def _cut(self, line: _Line, number: int, seconds: float) -> None:
        """In the middle of a release whose steps take about as long as the cut."""
        slipway, rng = self._slipway, random.Random(f"{self._seed}/{number}")
        name = f"cut-{self._seed}-{number}"
        marks = slipway.folder / f"{name}.marks"
        rejoin = f"{max(_LEAST_REJOIN, seconds * _REJOIN_FACTOR):.0f}s"
        job = {"pool": line.agent, "rejoin": rejoin}
        work = MarkedSteps.drawn(name, marks, rng, stages=_STAGES, steps=1, longest=2, **job)
        # The first prints through the cut; the other ends at some time in it, or after it.
        for place, steps in enumerate(work.stages.values()):
            steps[0] += rng.uniform(0, seconds) if place else seconds + _PRINTS_ON
        release = work.release(slipway)
        run = f"{release}/s0/1/deploy/1/1"
        wait_for(lambda: self._size(run) > 0 and len(work.marked()) >= _STAGES, what=f"{run} prints")
        before = line.temporal.held, line.api.held
        line.cut()
        settled = min(0.5, seconds / 4)
        time.sleep(settled)
        sizes = self._size(run), self._printed(line, run)
        time.sleep((seconds - settled) / 2)
        if number % 3 == 2:
            slipway.kill_alive(line.agent)
            slipway.start(line.agent)
            self.fired["killed while cut off"] += 1
        time.sleep((seconds - settled) / 2)
        self._look(run, sizes, line)
        self.fired["held by Temporal's way"] += line.temporal.held - before[0]
        self.fired["held by the API's way"] += line.api.held - before[1]
        is_forgetful = number % 2 == 1
        line.mend(is_forgetful=is_forgetful)
        self.fired["connections forgotten"] += is_forgetful
        slipway.ended(release, within=_JOINED_AGAIN_WITHIN + 3 * seconds)
        self.violations += work.violations(slipway, release)
        self.counts.update({"cuts": 1, "seconds cut off": round(seconds), "logs byte-equal": len(work.runs(release))})

    def _look(self, run: str, sizes: tuple[int, int], line: _Line) -> None:
        """The step printed on, and nothing of it arrived."""
        deadline = time.monotonic() + _PRINTS_WITHIN
        while self._printed(line, run) <= sizes[1] and time.monotonic() < deadline:
            time.sleep(0.1)
        self.fired["a log stood still"] += self._size(run) == sizes[0]
        if self._printed(line, run) <= sizes[1]:
            self.violations.append(f"{run} did not go on while {line.agent} was cut off")

    def _size(self, run: str) -> int:
        """How much of the log has arrived."""
        return len(self._slipway.http.get(f"/api/v1/logs/{run}/text").content)

    def _printed(self, line: _Line, run: str) -> int:
        return max(log.stat().st_size for log in self._logs(line, run))

    def _logs(self, line: _Line, run: str) -> Iterator[Path]:
        for folder in (self._slipway.folder / "agents" / line.agent / "runs").iterdir():
            if run in (folder / "run.json").read_text():
                yield folder / "log"
