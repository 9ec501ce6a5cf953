"""What is wrong with a pipeline file, and where: the words an author reads."""

import re

from domain.frozen import Frozen
from domain.refusal import Refusal

Path = tuple[str | int, ...]
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_LONGEST_SHOWN = 60


class Problem(Frozen):
    """One thing that is wrong. ``line`` and ``column`` count from 1; ``path`` is ``stages[1].jobs[0]``."""

    file: str
    line: int
    column: int
    path: str
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        """``pipeline.yaml:14:9 stages[1].after[0]: there is no stage tset (did you mean "test"?)``."""
        place = f"{self.file}:{self.line}:{self.column}" + (f" {self.path}" if self.path else "")
        hint = f' (did you mean "{self.suggestion}"?)' if self.suggestion else ""
        return f"{place}: {self.message}{hint}"


class BrokenPipeline(Refusal):
    """The text is no pipeline; ``problems`` are all that is wrong with it, in the order of the text."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def spell(path: Path) -> str:
    """Write a path as authors read it: ``stages[1].jobs[0].steps[2].timeout``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{shown(step)}]"
    return text


def shown(value: object) -> str:
    """Somebody's own words, quoted, on one line, cut, and without characters that could play with a terminal."""
    text = str(value)
    text = text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"
    return '"' + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text) + '"'
