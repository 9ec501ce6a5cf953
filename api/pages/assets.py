"""Static files under names that hold the hash of their content, so that browsers may keep them for ever."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_HASH_LENGTH = 12


@dataclass(frozen=True)
class Asset:
    """One file; ``served_as`` is ``console.0123456789ab.css``."""

    served_as: str
    content: bytes
    media_type: str


@cache
def _assets() -> dict[str, Asset]:
    """By the name in the folder. Read once; a changed file needs a new process, as a changed template does."""
    return {path.name: _asset(path) for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES}


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:_HASH_LENGTH]
    return Asset(f"{path.stem}.{digest}{path.suffix}", content, _TYPES[path.suffix])


def address(name: str) -> str:
    """Where a page finds the file; raises KeyError for a file that does not exist."""
    return f"/static/{_assets()[name].served_as}"


def served(name: str) -> Asset | None:
    """The file served under this name, None when there is none (any more)."""
    return next((asset for asset in _assets().values() if asset.served_as == name), None)


def names() -> set[str]:
    """The names of all files, as pages name them."""
    return set(_assets())
