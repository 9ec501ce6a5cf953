"""What a person is told once the installation stands: where everything is, and what to do next."""

from collections.abc import Mapping

from local.demo import APPROVER
from local.programs import url
from local.state_folder import Memory


def addresses(ports: Mapping[str, int]) -> dict[str, str]:
    """Where the parts can be visited."""
    return {
        "Console": url(ports["api"]),
        "Temporal UI": url(ports["ui"]),
        "Jenkins": f"{url(ports['jenkins'])} (stand-in)",
        "Azure DevOps": f"{url(ports['azure'])} (stand-in)",
        "SendGrid": f"{url(ports['sendgrid'])} (stand-in)",
    }


def places(memory: Memory) -> list[str]:
    """The addresses, a line each, and how to sign in."""
    width = max(len(name) for name in memory.addresses) + 2
    lines = [f"  {name:<{width}}{address}" for name, address in memory.addresses.items()]
    if APPROVER in memory.people:
        lines.append(f"  {'sign in as':<{width}}{APPROVER} with the token {memory.people[APPROVER]}")
    return lines


def next_steps(release: str) -> list[str]:
    """Three commands worth typing now, in another terminal."""
    steps = {
        f"slipway release watch {release}": "see it walk through its stages",
        f"slipway --as {APPROVER} approvals": "what waits for her; `slipway --as ... approve ID` answers",
        f"slipway logs {release} -f": "what its steps print",
    }
    width = max(len(command) for command in steps) + 3
    return [f"  {command:<{width}}{words}" for command, words in steps.items()]


def ready(memory: Memory) -> str:
    """The whole block."""
    release = memory.first_release
    began = [f"The first release is {release}. Next, in another terminal:", "", *next_steps(release), ""]
    return "\n".join(
        ["", "Slipway runs.", "", *places(memory), "", *(began if release else []), "Ctrl-C stops it.", ""]
    )
