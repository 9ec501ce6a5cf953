"""A ``PATH`` with what scripts need and without most of the tools whose versions agents ask for.

Asking all of them takes a second of every start of an agent, and the stories start very many.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from agent.tool_versions import _WAYS

_LEFT = {"bash", "git", "python3", "tar"}


def path_of_few_tools(folder: Path) -> str:
    """Made in this folder, once."""
    tools = folder / "tools"
    if tools.exists():
        return str(tools)
    tools.mkdir(parents=True)
    for name, program in dict(_programs()).items():
        if name in _LEFT or name not in _WAYS:
            (tools / name).symlink_to(program)
    return str(tools)


def _programs() -> Iterator[tuple[str, str]]:
    """By name; of two with one name the later one counts, which is of the folder that comes first."""
    for folder in reversed(os.environ["PATH"].split(os.pathsep)):
        if Path(folder).is_dir():
            yield from ((entry.name, entry.path) for entry in os.scandir(folder))
    # Itself, and no link to a link: from elsewhere it would not find its library.
    yield "python3", os.path.realpath(sys.executable)
