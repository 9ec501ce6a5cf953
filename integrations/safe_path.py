"""Names that others chose, made sure to be harmless below a folder of ours."""

from activities.artifact_source import UnsafeArtifact

_LONGEST_NAME = 255
_LONGEST_PATH = 2048
_FIRST_PRINTABLE = 32
_DELETE = 127


def safe_path(name: str) -> str:
    """The name itself when it is a plain relative path with slashes; raises UnsafeArtifact otherwise."""
    problem = _problem(name)
    if problem is not None:
        raise UnsafeArtifact(f"a file is named {name[:200]!r}, which {problem}")
    return name


def _problem(name: str) -> str | None:
    if not name or name.startswith("/"):
        return "is no relative path"
    if "\\" in name or ":" in name.split("/", 1)[0][:2]:
        return "is a path of Windows"
    if any(ord(character) < _FIRST_PRINTABLE or ord(character) == _DELETE for character in name):
        return "has control characters"
    if any(part in {"", ".", ".."} for part in name.split("/")):
        return "leads elsewhere"
    too_long = len(name.encode("utf-8", "replace")) > _LONGEST_PATH or _has_long_part(name)
    return "is too long" if too_long else None


def _has_long_part(name: str) -> bool:
    return any(len(part.encode("utf-8", "replace")) > _LONGEST_NAME for part in name.split("/"))
