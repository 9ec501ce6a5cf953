"""What an agent says it can do."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from activities.agent_job import HoldRequest, RunStep
from agent.capabilities import Capabilities
from agent.leases import Lease
from agent.step_environment import environment_of
from domain.matching import missing
from domain.pipeline import Shell
from settings import AgentSettings

Eventually = Callable[..., Awaitable[None]]


def test_tools_on_the_path_are_capabilities() -> None:
    """Those that are there, and no others; at once, without a version."""
    found = Capabilities(
        agent="web-1", version="0.1.0", find=lambda tool: "/bin/x" if tool in {"docker", "git"} else None
    )()
    assert [] == missing(found, ["docker", "git", "agent.name=web-1", "agent.version=0.1.0"])
    assert ["kubectl", "docker="] == missing(found, ["kubectl", "docker="])


async def test_the_version_of_a_tool_is_told_once_it_is_known(tmp_path: Path, eventually: Eventually) -> None:
    """And may then be demanded; a label wins over it."""
    tool = tmp_path / "git"
    tool.write_text("#!/bin/sh\necho git version 2.39.5\n")
    tool.chmod(0o755)
    known = Capabilities(
        agent="web-1",
        version="",
        labels="docker=24",
        find=lambda name: str(tool) if name in {"git", "docker"} else None,
    )
    assert ["git>=2.39"] == missing(known(), ["git", "git>=2.39"])
    asking = asyncio.create_task(known.ask_tools())
    await eventually(lambda: known()["git"])
    asking.cancel()
    assert ("2.39.5", "24") == (known()["git"], known()["docker"])
    assert [] == missing(known(), ["git", "git>=2.39", "git=2.39.5"])


def test_the_machine_is_described() -> None:
    """System, architecture, cores."""
    found = Capabilities(agent="web-1", version="0.1.0")()
    assert {"linux": "linux", "darwin": "darwin"}[sys.platform] == found["os"]
    assert found["arch"] in {"amd64", "arm64"}
    assert int(found["cores"]) >= 1


def test_labels_are_added_and_win() -> None:
    """With and without a value; blanks and stray commas do not matter."""
    labels = " GPU , region=eu,,os=special, tier = a=b"
    found = Capabilities(agent="web-1", version="", labels=labels, find=lambda _: None)()
    assert ("", "eu", "special", "a=b") == (found["gpu"], found["region"], found["os"], found["tier"])


def test_an_agent_without_labels_has_none() -> None:
    """An empty setting is no capability without a name."""
    assert "" not in Capabilities(agent="web-1", version="")()


def test_only_the_variables_that_are_named_are_capabilities() -> None:
    """As text that the API takes, however long and of whatever bytes."""
    inherited = {
        "TEAM": "web",
        "TOKEN": "secret",
        "LONG": "x" * 5000,
        "BYTES": b"a\xff".decode(errors="surrogateescape"),
    }
    names = ["TEAM", "LONG", "BYTES", "ABSENT"]
    found = Capabilities(agent="web-1", version="", environment=names, inherited=inherited)()
    told = {name: value for name, value in found.items() if name.startswith("env.")}
    assert {"env.TEAM": "web", "env.LONG": "x" * 1000, "env.BYTES": "a?"} == told
    assert [] == missing(found, ["env.team=web"])


def test_the_variables_that_are_named_reach_steps_and_no_others(tmp_path: Path) -> None:
    """Beside the few that every step gets; the pipeline's own go before them."""
    lease = Lease(HoldRequest(lease_id="lease", job_id="job"), tmp_path)
    step = RunStep(
        lease_id="lease",
        run_id="run",
        title="step",
        script="env",
        shell=Shell.SH,
        timeout=timedelta(seconds=1),
        environment={"STAGE": "test"},
    )
    inherited = {"PATH": "/bin", "TEAM": "web", "STAGE": "none", "SLIPWAY_AGENT_ENROLMENT_TOKEN": "secret"}
    seen = environment_of(step, lease, "web-1", inherited, {}, ("TEAM", "STAGE", "ABSENT"))
    assert {"PATH": "/bin", "TEAM": "web", "STAGE": "test"} == {n: seen[n] for n in ("PATH", "TEAM", "STAGE")}
    assert {"ABSENT", "SLIPWAY_AGENT_ENROLMENT_TOKEN"}.isdisjoint(seen)


def test_no_setting_of_the_agent_itself_can_be_named() -> None:
    """Its token would be seen by everybody."""
    assert ("TEAM", "JAVA_HOME") == AgentSettings(agent_environment="TEAM, JAVA_HOME,").handed_on
    with pytest.raises(ValidationError, match="agent_environment"):
        AgentSettings(agent_environment="TEAM,SLIPWAY_AGENT_ENROLMENT_TOKEN")
