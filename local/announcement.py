"""What a person is told once the installation stands: where everything is, and what to do next."""

import sys
from collections.abc import Mapping
from pathlib import Path

from local.demo import APPROVER, ROLES
from local.demo_trigger import PATH
from local.programs import url
from local.state_folder import Memory

_SIGN_IN = "sign in as"


def addresses(ports: Mapping[str, int]) -> dict[str, str]:
    """Where the parts can be visited."""
    return {
        "Console": url(ports["api"]),
        "Temporal UI": url(ports["ui"]),
        "Jenkins": f"{url(ports['jenkins'])} (stand-in)",
        "A new build": f"{url(ports['jenkins'])}{PATH} (a release starts itself)",
        "Azure DevOps": f"{url(ports['azure'])} (stand-in)",
        "SendGrid": f"{url(ports['sendgrid'])} (stand-in)",
    }


def places(memory: Memory) -> list[str]:
    """The addresses, a line each, and how to sign in."""
    width = max(map(len, (*memory.addresses, _SIGN_IN))) + 2
    lines = [f"  {name:<{width}}{address}" for name, address in memory.addresses.items()]
    people = [person for person in (APPROVER, *ROLES) if person in memory.people]
    for at, person in enumerate(dict.fromkeys(people)):
        title = "" if at else _SIGN_IN
        lines.append(f"  {title:<{width}}{person:<18} ({ROLES[person]}): {memory.people[person]}")
    return lines


def command(script: Path, folder: Path) -> str:
    """How the command line is called in ``folder``: by its path when it is installed there, as ``make`` does."""
    return str(script.relative_to(folder)) if script.is_relative_to(folder) and script.exists() else "slipway"


def next_steps(release: str, slipway: str) -> list[str]:
    """Three commands worth typing now, in another terminal."""
    steps = {
        f"{slipway} release watch {release}": "see it walk through its stages",
        f"{slipway} --as {APPROVER} approvals": "what waits for her; `--as ... approve ID` answers",
        f"{slipway} logs {release} -f": "what its steps print",
    }
    width = max(len(command) for command in steps) + 3
    return [f"  {command:<{width}}{words}" for command, words in steps.items()]


def ready(memory: Memory) -> str:
    """The whole block."""
    release = memory.first_release
    slipway = command(Path(sys.executable).with_name("slipway"), Path.cwd())
    began = [f"The first release is {release}. Next, in another terminal:", "", *next_steps(release, slipway), ""]
    return "\n".join(
        ["", "Slipway runs.", "", *places(memory), "", *(began if release else []), "Ctrl-C stops it.", ""]
    )
