"""A release from an HTTP call to production, with real processes and a real Temporal server."""

import hashlib
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fakes.installation import Installation, processes, wait_for

pytestmark = [pytest.mark.story, pytest.mark.timeout(180)]

ANA, BEN = "ana@example.com", "ben@example.com"


def stage(name: str, *scripts: str, after: tuple[str, ...] = (), demands: tuple[str, ...] = (), **more: Any) -> Any:
    pool = more.pop("pool", "default")
    steps = more.pop("steps", None) or [{"run": script} for script in scripts]
    job = {"job": "deploy", "pool": pool, "demands": list(demands), "steps": steps}
    return {"stage": name, "after": list(after), "jobs": [job], **more}


@pytest.fixture(scope="module", autouse=True)
def agents(slipway: Installation) -> None:
    slipway.agent("alpha-1", "alpha", "zone=eu")
    slipway.agent("beta-1", "beta")


def test_a_release_goes_to_production(slipway: Installation) -> None:
    """Two artifacts, three stages that fan out and in, two kinds of agent, approvals by the mailed links."""
    slipway.apply(
        {
            "pipeline": "webshop",
            "artifacts": {
                "web": {"jenkins": {"server": "ci", "job": "team/webshop/main", "paths": ["dist/*.tar.gz"]}},
                "infra": {
                    "azure-pipelines": {
                        "connection": "contoso",
                        "project": "shop",
                        "pipeline": "infra-ci",
                        "artifact": "drop",
                    }
                },
            },
            "stages": [
                stage("eu", "find . -type f | sort; echo on $AGENT_NAME", demands=("alpha",)),
                stage("us", "echo on $AGENT_NAME; ls web infra", demands=("beta",)),
                stage(
                    "prod",
                    "echo release $RELEASE_NAME web $ARTIFACT_WEB_VERSION",
                    after=("eu", "us"),
                    demands=("alpha", "zone=EU"),
                    before={"approval": {"approvers": [ANA]}},
                    after_deployment={"approval": {"approvers": [BEN]}},
                ),
            ],
        }
    )
    release = slipway.release("webshop")
    link = slipway.link(ANA, f"{release}/prod/1/before")
    assert slipway.stages(release) == {"eu": "succeeded", "us": "succeeded", "prod": "waiting"}
    assert "approved" in slipway.answer(link, "approve").text.lower()
    slipway.answer(slipway.link(BEN, f"{release}/prod/1/after"), "approve")
    view = slipway.ended(release)
    assert view["status"] == "succeeded"
    agents = {d["stage"]: d["jobs"][0]["agent"] for d in view["deployments"]}
    assert agents == {"eu": "alpha-1", "us": "beta-1", "prod": "alpha-1"}
    assert {a["alias"] for a in view["artifacts"]} == {"web", "infra"}
    printed = slipway.step_log(f"{release}/prod/1/deploy/1/1")
    assert printed == b"release webshop-1 web 142\n"
    assert b"on alpha-1" in slipway.step_log(f"{release}/eu/1/deploy/1/1")


def test_a_rejection_stops_the_release(slipway: Installation) -> None:
    """Rejected by link: nothing runs, the next stage is skipped, the same link shows who decided."""
    approval = {"approval": {"approvers": [ANA]}}
    slipway.apply(
        {
            "pipeline": "rejected",
            "stages": [stage("one", "echo no", before=approval), stage("two", "x", after=("one",))],
        }
    )
    release = slipway.release("rejected")
    link = slipway.link(ANA, f"{release}/one/1/before")
    slipway.answer(link, "reject")
    assert slipway.ended(release)["status"] == "failed"
    assert slipway.stages(release) == {"one": "rejected", "two": "skipped"}
    assert slipway.steps(release) == []
    with slipway.stranger() as browser:
        again = browser.get(link).text
    assert "rejected" in again.lower()
    assert ANA in again


def test_a_failing_step_is_retried_and_every_try_keeps_its_log(slipway: Installation) -> None:
    """A failure, then success."""
    script = "echo try; if [ -f tried ]; then exit 0; fi; touch tried; exit 9"
    slipway.apply({"pipeline": "flaky", "stages": [stage("test", steps=[{"run": script, "retries": 2}])]})
    release = slipway.release("flaky")
    assert slipway.ended(release)["status"] == "succeeded"
    steps = slipway.steps(release)
    assert [(step["try_number"], step["exit_code"]) for step in steps] == [(1, 9), (2, 0)]
    assert [slipway.step_log(step["run_id"]) for step in steps] == [b"try\n"] * 2


def test_logs_are_byte_for_byte_what_was_printed(slipway: Installation) -> None:
    """Binary, long lines, no newline at the end: the log has the digest of what the step wrote."""
    program = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 2000 + b'x' * 1_100_000 + b'end')"
    slipway.apply({"pipeline": "bytes", "stages": [stage("test", steps=[{"run": program, "shell": "python"}])]})
    release = slipway.release("bytes")
    assert slipway.ended(release)["status"] == "succeeded"
    expected = bytes(range(256)) * 2000 + b"x" * 1_100_000 + b"end"
    [step] = slipway.steps(release)
    got = slipway.step_log(step["run_id"])
    assert step["log_size"] == len(expected)
    assert hashlib.sha256(got).hexdigest() == hashlib.sha256(expected).hexdigest()


def test_a_file_of_a_step_is_kept(slipway: Installation) -> None:
    """Though the step removes it soon after it named it; it can be had alone, and with all logs."""
    program = "printf 'a\\0b' > found.bin; echo '##vso[task.uploadfile]found.bin'; sleep 2; rm found.bin"
    slipway.apply({"pipeline": "kept", "stages": [stage("test", program)]})
    release = slipway.release("kept")
    assert slipway.ended(release)["status"] == "succeeded"
    [step] = slipway.steps(release)
    assert [("found.bin", 3)] == [(file["name"], file["size"]) for file in step["files"]]
    assert b"a\0b" == slipway.http.get(f"/api/v1/logs/{step['run_id']}/files/1").content
    with zipfile.ZipFile(BytesIO(slipway.http.get(f"/api/v1/deployments/{release}/test/1/logs.zip").content)) as logs:
        kept = [name for name in logs.namelist() if name.endswith("found.bin")]
        assert [b"a\0b"] == [logs.read(name) for name in kept]


def test_a_job_nobody_can_do_says_so_at_once(slipway: Installation) -> None:
    """The release page names what is missing and who is nearest; canceling ends the wait."""
    slipway.apply({"pipeline": "impossible", "stages": [stage("test", "echo", demands=("quantum",))]})
    release = slipway.release("impossible")

    def waiting() -> str:
        jobs = [job for d in slipway.view(release)["deployments"] for job in d["jobs"]]
        return str(jobs[0]["waiting_for"]) if jobs else ""

    sentence = wait_for(lambda: "no online agent" in waiting() and waiting())
    assert "quantum" in str(sentence)
    assert "nearest" in str(sentence)
    slipway.ok("POST", f"/api/v1/releases/{release}/cancel", json={"reason": "never mind"})
    assert slipway.ended(release)["status"] == "canceled"


def test_canceling_kills_the_whole_process_tree(slipway: Installation) -> None:
    """A step that ignores TERM and has children of its own is gone after the cancel."""
    marker = "slipway-story-child-7461"
    script = f"trap '' TERM; bash -c 'exec -a {marker} sleep 300' & setsid sleep 300.7461 & echo running; wait"
    slipway.apply({"pipeline": "tree", "stages": [stage("test", steps=[{"run": script, "shell": "bash"}])]})
    release = slipway.release("tree")
    run = f"{release}/test/1/deploy/1/1"
    wait_for(lambda: slipway.steps(release) and slipway.http.get(f"/api/v1/logs/{run}/text").content == b"running\n")
    slipway.ok("POST", f"/api/v1/releases/{release}/cancel", json={"reason": "stop"})
    assert slipway.ended(release)["status"] == "canceled"
    wait_for(lambda: not processes("300.7461"), what="the process that left its group is gone")
    assert not processes(marker)


@pytest.mark.parametrize(
    ("artifact", "reason"),
    [
        ({"jenkins": {"server": "ci", "job": "team/nope"}}, "team/nope"),
        ({"jenkins": {"server": "ci", "job": "team/webshop/main", "paths": ["nothing/*.zip"]}}, "nothing/*.zip"),
        ({"jenkins": {"server": "ci", "job": "team/webshop/main"}, "version": "9999"}, "9999"),
        ({"jenkins": {"server": "elsewhere", "job": "x"}}, "elsewhere"),
    ],
)
def test_a_missing_artifact_fails_the_release_and_is_named(
    slipway: Installation, artifact: dict[str, Any], reason: str, request: pytest.FixtureRequest
) -> None:
    """Not found is final: nothing is deployed, the reason names what is missing."""
    name = f"missing-{request.node.callspec.indices['artifact']}"
    slipway.apply({"pipeline": name, "artifacts": {"web": artifact}, "stages": [stage("test", "echo")]})
    view = slipway.ended(slipway.release(name))
    assert view["status"] == "failed"
    assert reason in view["reason"]
    assert view["deployments"] == []


def test_an_agent_refuses_other_bytes_than_were_pinned(slipway: Installation, tmp_path: Path) -> None:
    """The file changes between the pin and the download: the deployment fails and names file and digests."""
    (tmp_path / "app.txt").write_text("the version that was pinned")
    artifact = {"directory": {"path": str(tmp_path)}}
    approval = {"approval": {"approvers": [ANA]}}
    slipway.apply(
        {"pipeline": "changed", "artifacts": {"app": artifact}, "stages": [stage("test", "cat app/*", before=approval)]}
    )
    release = slipway.release("changed")
    link = slipway.link(ANA, f"{release}/test/1/before")
    (tmp_path / "app.txt").write_text("something else")
    slipway.answer(link, "approve")
    assert slipway.ended(release)["status"] == "failed"
    [download] = slipway.steps(release)
    assert download["step"] == 0
    assert "app.txt" in download["reason"]
    assert b"something else" not in slipway.step_log(download["run_id"])
