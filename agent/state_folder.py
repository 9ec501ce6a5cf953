"""The agent's memory on disk: who it is, its credential, its leases and runs. One agent at a time may use it."""

import fcntl
import json
import os
import secrets
import shutil
from pathlib import Path

from pydantic import SecretStr

from domain.frozen import Frozen


class StateFolderInUse(Exception):  # noqa: N818  reads as what happened
    """Another agent runs on this state folder."""


class Credential(Frozen):
    """What the agent got when it enrolled."""

    name: str
    pool: str
    token: SecretStr


class StateFolder:
    """Open it once; the lock is given back when the process ends."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        self._take_lock()
        self.leases = self._folder("leases")
        self.runs = self._folder("runs")
        self.parts = self._folder("parts")
        self.cache = self._folder("cache")
        self._trash = self._folder("trash")
        self.instance_id = self._remembered_instance()

    def credential(self) -> Credential | None:
        """None before the agent enrolled."""
        file = self.path / "credential.json"
        return Credential.model_validate_json(file.read_bytes()) if file.exists() else None

    def keep(self, credential: Credential) -> None:
        """Remember it, readable by this user alone."""
        told = credential.model_dump() | {"token": credential.token.get_secret_value()}
        self._write_private("credential.json", json.dumps(told).encode())

    def discard(self, folder: Path) -> None:
        """Make a folder of ours disappear at once; ``empty_trash`` frees its space."""
        if folder.exists():
            folder.rename(self._trash / f"{folder.name}.{secrets.token_hex(4)}")

    def empty_trash(self) -> None:
        """Blocks as long as it takes to delete what was discarded."""
        for folder in self._trash.iterdir():
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        os.close(self._lock)

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise StateFolderInUse(
                f"another agent runs on {self.path}; stop it, or give this one its own SLIPWAY_AGENT_STATE"
            ) from None

    def _folder(self, name: str) -> Path:
        folder = self.path / name
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def _remembered_instance(self) -> str:
        file = self.path / "instance"
        if not file.exists():
            self._write_private("instance", secrets.token_hex(16).encode())
        return file.read_text()

    def _write_private(self, name: str, content: bytes) -> None:
        part = self.path / f"{name}.part"
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path / name)
