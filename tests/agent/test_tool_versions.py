"""Asking tools for their versions."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.tool_versions import tool_versions, version_in

Tool = Callable[[str, str], str]


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    """Makes a tool of that name that runs this script."""

    def make(name: str, script: str) -> str:
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return str(file)

    return make


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("Docker version 27.3.1, build ce12230", "27.3.1"),
        ("v20.11.0", "20.11.0"),
        ('openjdk version "21" 2023-09-19', "21"),
        ('openjdk version "17.0.12" 2024-07-16', "17.0.12"),
        ("go version go1.22.3 linux/amd64", "1.22.3"),
        ("Client Version: v1.31.0", "1.31.0"),
        ("Terraform v1.9.5\non linux_amd64", "1.9.5"),
        ("systemd 252 (252.30-1~deb12u2)", "252.30"),
        ("OpenSSH_9.2p1 Debian-2+deb12u3", "9.2"),
        ("no version", ""),
        ("", ""),
    ],
)
def test_a_version_is_read_out_of_what_a_tool_tells(told: str, expected: str) -> None:
    """The first dotted number, or else one that stands alone."""
    assert expected == version_in(told)


async def test_tools_tell_their_versions_on_either_output(tool: Tool) -> None:
    """Asked each in its own way; who knows none is left out."""
    tools = {
        "git": tool("git", '[ "$1" = --version ] && echo git version 2.39.5'),
        "java": tool("java", '[ "$1" = -version ] && echo openjdk version 17.0.12 >&2'),
        "docker": tool("docker", "echo no such command 1.2.3 >&2; exit 1"),
        "node": "/nowhere/node",
        "gcloud": tool("gcloud", "echo 400.0.0"),
    }
    assert {"git": "2.39.5", "java": "17.0.12"} == await tool_versions(tools, {})


async def test_tools_that_hang_or_print_without_end_hold_nobody_up(tool: Tool, tmp_path: Path) -> None:
    """They are ended, with all that they started, and the others are heard."""
    tools = {
        "docker": tool("docker", f"sleep 60 & echo $! >{tmp_path}/child; sleep 60"),
        "node": tool("node", "while :; do echo 1.1.1.1; done"),
        "git": tool("git", "echo 2.39.5"),
    }
    begun = time.monotonic()
    assert {"git": "2.39.5"} == await tool_versions(tools, {"PATH": "/bin:/usr/bin"}, each_within=0.5)
    assert time.monotonic() - begun < 5
    child = Path("/proc") / (tmp_path / "child").read_text().strip() / "cmdline"
    assert not child.exists() or not child.read_bytes()


async def test_all_tools_together_are_given_so_much_time(tool: Tool) -> None:
    """What was told by then counts."""
    names = ("docker", "git", "node", "go", "helm", "java")
    tools = {name: tool(name, "echo 1.2; exec sleep 60" if name != "git" else "echo 2.39.5") for name in names}
    begun = time.monotonic()
    assert {"git": "2.39.5"} == await tool_versions(tools, {"PATH": "/bin:/usr/bin"}, all_within=0.6)
    assert time.monotonic() - begun < 5


async def test_tools_see_nothing_of_the_agents_environment(tool: Tool) -> None:
    """Such as the token that it enrols with."""
    tools = {"git": tool("git", 'echo "${SLIPWAY_AGENT_ENROLMENT_TOKEN:-1.0}"')}
    assert {"git": "1.0"} == await tool_versions(tools, {"SLIPWAY_AGENT_ENROLMENT_TOKEN": "9.9"})
