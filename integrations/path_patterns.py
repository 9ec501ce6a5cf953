"""Patterns of paths as pipelines write them: ``*`` and ``?`` within a name, ``**`` across folders."""

import re
from collections.abc import Iterable, Sequence

from activities.artifact_source import ArtifactNotFound

_LISTED = 20


def chosen(paths: Iterable[str], patterns: Sequence[str], where: str) -> list[str]:
    """The paths that fit a pattern, in their order.

    Raises ArtifactNotFound naming the patterns that nothing fits, and what there is: each is there for a file.
    """
    existing = list(paths)
    idle = [pattern for pattern in patterns if not fitting(existing, [pattern])]
    if idle or not existing:
        raise ArtifactNotFound(f"no file of {where} fits {', '.join(idle)}; {_listing(existing)}")
    return fitting(existing, patterns)


def fitting(paths: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """The paths that fit a pattern, in their order."""
    expressions = [re.compile(_expression(pattern), re.DOTALL) for pattern in patterns]
    return [path for path in paths if any(expression.fullmatch(path) for expression in expressions)]


def _expression(pattern: str) -> str:
    """A folder alone (``dist/``) means all below it."""
    parts = (pattern + "**" if pattern.endswith("/") else pattern).split("/")
    text = "".join(_part(part, is_last=index == len(parts) - 1) for index, part in enumerate(parts))
    return text.removesuffix("/")


def _part(part: str, *, is_last: bool) -> str:
    if part == "**":
        return ".*" if is_last else "(?:[^/]+/)*"
    return "".join(_character(character) for character in part.replace("**", "*")) + "/"


def _character(character: str) -> str:
    return {"*": "[^/]*", "?": "[^/]"}.get(character) or re.escape(character)


def _listing(existing: list[str]) -> str:
    if not existing:
        return "it has no files"
    more = f" and {len(existing) - _LISTED} more" if len(existing) > _LISTED else ""
    return f"it has {', '.join(existing[:_LISTED])}{more}"
