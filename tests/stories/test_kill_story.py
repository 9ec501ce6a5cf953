"""kill -9 of each process in the middle of a release: it ends right, no step runs twice, no log byte is lost."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from fakes.installation import Installation, processes, wait_for

pytestmark = [pytest.mark.story, pytest.mark.timeout(240)]

LINES = 200


def counting(marks: Path) -> list[dict[str, Any]]:
    """Two steps that leave a mark each time they run; the first prints for about six seconds."""
    slow = f"echo first >> {marks}; i=0; while [ $i -lt {LINES} ]; do echo line $i; i=$((i+1)); sleep 0.03; done"
    return [{"run": slow}, {"run": f"echo second >> {marks}; echo done"}]


def expected_log() -> bytes:
    return b"".join(b"line %d\n" % number for number in range(LINES))


def start(slipway: Installation, name: str, marks: Path) -> str:
    slipway.apply(
        {"pipeline": name, "stages": [{"stage": "test", "jobs": [{"job": "deploy", "steps": counting(marks)}]}]}
    )
    release = slipway.release(name)
    run = f"{release}/test/1/deploy/1/1"
    wait_for(lambda: marks.exists() and b"line 20\n" in slipway.http.get(f"/api/v1/logs/{run}/text").content)
    return release


def assert_ran_once(slipway: Installation, release: str, marks: Path) -> None:
    view = slipway.ended(release, within=120)
    assert view["status"] == "succeeded", view
    assert marks.read_text() == "first\nsecond\n"
    log = slipway.step_log(f"{release}/test/1/deploy/1/1")
    assert hashlib.sha256(log).hexdigest() == hashlib.sha256(expected_log()).hexdigest()
    assert slipway.step_log(f"{release}/test/1/deploy/2/1") == b"done\n"


@pytest.fixture(autouse=True)
def recovered(slipway: Installation) -> None:
    """Each story begins with everything up."""
    wait_for(slipway.is_ready, what="the installation recovered")


@pytest.fixture(scope="module", autouse=True)
def agent(slipway: Installation) -> None:
    slipway.agent("agent-1")


@pytest.mark.parametrize("victim", ["worker", "api", "agent-1", "temporal"])
def test_a_killed_process_loses_nothing(slipway: Installation, tmp_path: Path, victim: str) -> None:
    """Killed while a step prints, and started again."""
    marks = tmp_path / "marks"
    release = start(slipway, f"kill-{victim}", marks)
    slipway.kill_alive(victim)
    slipway.start(victim)
    assert_ran_once(slipway, release, marks)


def test_an_agent_that_never_comes_back_leaves_the_outcome_unknown(slipway: Installation, tmp_path: Path) -> None:
    """The step is ended by its own runner and not started elsewhere; the job says what is not known."""
    slipway.agent("mortal", "mortal")
    marks = tmp_path / "marks"
    steps = [{"run": f"echo ran >> {marks}; sleep 300.5130"}]
    job = {"job": "deploy", "demands": ["mortal"], "rejoin": "3s", "steps": steps}
    slipway.apply({"pipeline": "lost", "stages": [{"stage": "test", "jobs": [job]}]})
    release = slipway.release("lost")
    wait_for(marks.exists)
    slipway.kill_alive("mortal")
    view = slipway.ended(release)
    assert view["status"] == "failed"
    [job_view] = view["deployments"][0]["jobs"]
    assert job_view["status"] == "unknown"
    assert "mortal stayed away" in job_view["reason"]
    assert marks.read_text() == "ran\n"
    assert not processes("sleep 300.5130")


def test_a_job_starts_anew_elsewhere_only_when_its_step_has_ended(slipway: Installation, tmp_path: Path) -> None:
    """The lost agent's runner ends the step by itself; then another agent begins, and never do both run."""
    slipway.agent("first", "movable")
    beats, begun = tmp_path / "beats", tmp_path / "begun"
    script = f"if [ -e {begun} ]; then date +%s.%N > {begun}; exit; fi; touch {begun}; "
    script += f"while true; do date +%s.%N >> {beats}; sleep 0.1; done"
    job = {"job": "deploy", "demands": ["movable"], "rejoin": "3s", "on_agent_lost": "restart"}
    jobs = [{**job, "steps": [{"run": script, "shell": "bash"}]}]
    slipway.apply({"pipeline": "moved", "stages": [{"stage": "test", "jobs": jobs}]})
    release = slipway.release("moved")
    wait_for(beats.exists)
    slipway.kill_alive("first")
    slipway.agent("second", "movable")
    view = slipway.ended(release)
    assert "succeeded" == view["status"]
    [job_view] = view["deployments"][0]["jobs"]
    assert ("second", [1, 2]) == (job_view["agent"], [step["try_number"] for step in job_view["steps"]])
    assert float(beats.read_text().split()[-1]) < float(begun.read_text())


def test_a_vote_given_while_every_worker_is_down_is_counted(slipway: Installation) -> None:
    """The page says that the answer is stored, and it counts when a worker is back."""
    approval = {"approval": {"approvers": ["ana@example.com"]}}
    job = {"job": "deploy", "steps": [{"run": "echo approved"}]}
    slipway.apply({"pipeline": "upgrade", "stages": [{"stage": "test", "before": approval, "jobs": [job]}]})
    release = slipway.release("upgrade")
    link = slipway.link("ana@example.com", f"{release}/test/1/before")
    slipway.kill_alive("worker")
    page = slipway.answer(link, "approve")
    assert "stored" in page.text.lower()
    slipway.start("worker")
    assert slipway.ended(release)["status"] == "succeeded"


def test_a_release_requested_while_temporal_is_down_starts_later(slipway: Installation) -> None:
    """The request is kept and started by the sweep when Temporal is back."""
    job = {"job": "deploy", "steps": [{"run": "echo late"}]}
    slipway.apply({"pipeline": "late", "stages": [{"stage": "test", "jobs": [job]}]})
    slipway.kill_alive("temporal")
    release = slipway.release("late")
    assert slipway.view(release)["status"] == "requested"
    slipway.start("temporal")
    assert slipway.ended(release)["status"] == "succeeded"
