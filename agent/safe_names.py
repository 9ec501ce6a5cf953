"""Names of folders and files on the agent that come from elsewhere: never outside of the folder they are meant for."""

import hashlib
import re
from pathlib import Path, PurePosixPath

from activities.artifact_source import UnsafeArtifact

_LONGEST_READABLE = 80
_LONGEST_PART = 255
_LONGEST_PATH = 1024


def folder_name(identity: str) -> str:
    """One folder name for an id: readable, and different for different ids."""
    readable = re.sub(r"[^A-Za-z0-9.-]+", "_", identity).lstrip(".")[:_LONGEST_READABLE]
    return f"{readable}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def joined(folder: Path, name: str) -> Path:
    """The file of that relative, slash-separated name below the folder. Raises UnsafeArtifact for any other name."""
    parts = name.split("/")
    is_odd = "\0" in name or "\\" in name or len(name) > _LONGEST_PATH
    if is_odd or any(part in {"", ".", ".."} or len(part.encode(errors="replace")) > _LONGEST_PART for part in parts):
        raise UnsafeArtifact(f"{printable(name)} is no name that may be written below a folder")
    return folder.joinpath(*PurePosixPath(name).parts)


def printable(name: str) -> str:
    """The name as it may stand in a sentence."""
    return ascii(name if len(name) <= _LONGEST_READABLE else name[:_LONGEST_READABLE] + "...")
