"""What an agent says it can do."""

import sys

from agent.capabilities import detect
from domain.matching import missing


def test_tools_on_the_path_are_capabilities() -> None:
    """Those that are there, and no others."""
    found = detect(agent="web-1", version="0.1.0", find=lambda tool: "/bin/x" if tool in {"docker", "git"} else None)
    assert [] == missing(found, ["docker", "git", "agent.name=web-1", "agent.version=0.1.0"])
    assert ["kubectl"] == missing(found, ["kubectl"])


def test_the_machine_is_described() -> None:
    """System, architecture, cores."""
    found = detect(agent="web-1", version="0.1.0")
    assert {"linux": "linux", "darwin": "darwin"}[sys.platform] == found["os"]
    assert found["arch"] in {"amd64", "arm64"}
    assert int(found["cores"]) >= 1


def test_labels_are_added_and_win() -> None:
    """With and without a value; blanks and stray commas do not matter."""
    found = detect(agent="web-1", version="", labels=" GPU , region=eu,,os=special, tier = a=b", find=lambda _: None)
    assert ("", "eu", "special", "a=b") == (found["gpu"], found["region"], found["os"], found["tier"])


def test_an_agent_without_labels_has_none() -> None:
    """An empty setting is no capability without a name."""
    assert "" not in detect(agent="web-1", version="")
