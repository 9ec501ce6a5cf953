"""The folder of a local installation: who holds it, what it remembers, and whether this version can read that."""

import fcntl
import json
import os
import secrets
import shutil
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from local.trouble import Trouble

FORMAT = 1
_START_ANEW = "start anew with --fresh (it deletes this installation's releases), or name another folder with --state"


class Memory(BaseModel):
    """What an installation keeps in ``local.json``. It holds keys, so only its owner may read it."""

    model_config = ConfigDict(extra="ignore")

    format: int = FORMAT
    api_url: str = ""
    admin_token: str = Field(default_factory=lambda: "slw_" + secrets.token_urlsafe(32))
    secret_key: str = Field(default_factory=lambda: secrets.token_hex(32))
    mail_event_key: str = Field(default_factory=lambda: secrets.token_hex(31))
    ports: dict[str, int] = {}
    people: dict[str, str] = {}
    addresses: dict[str, str] = {}
    first_release: str = ""
    hook_secret: str = ""


class HeldByAnother(Exception):  # noqa: N818  reads as what happened
    """Another ``slipway up`` works in this folder."""


class StateFolder:
    """The folder, held while in the block. Raises HeldByAnother when it is taken, Trouble when it is not usable."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: IO[str] | None = None

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def memory_file(self) -> Path:
        return self.path / "local.json"

    def __enter__(self) -> Self:
        self._refuse_foreign()
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (self.path / "lock").open("a", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise HeldByAnother from error
        self._lock = lock
        self.logs.mkdir(exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            self._lock.close()

    def _refuse_foreign(self) -> None:
        """A folder with other people's files is neither used nor, with --fresh, emptied."""
        if self.path.exists() and not self.path.is_dir():
            raise Trouble(f"{self.path} is no folder", "name another one with --state")
        present = {entry.name for entry in self.path.iterdir()} if self.path.exists() else set()
        if present and not present & {"lock", "local.json"}:
            raise Trouble(f"{self.path} holds other files, so Slipway keeps away", "name another folder with --state")

    def recall(self) -> Memory:
        """What was kept, or a new memory. Raises Trouble for a broken or foreign one."""
        try:
            kept = Memory.model_validate_json(self.memory_file.read_bytes())
        except FileNotFoundError:
            return Memory()
        except ValidationError as error:
            raise Trouble(f"{self.memory_file} is broken", _START_ANEW) from error
        if kept.format != FORMAT:
            text = f"{self.path} was made by another version of Slipway (format {kept.format}, this one: {FORMAT})"
            raise Trouble(text, _START_ANEW)
        return kept

    def keep(self, memory: Memory) -> None:
        """Write the memory in one go, readable by its owner only."""
        beside = self.memory_file.with_suffix(".new")
        beside.unlink(missing_ok=True)
        beside.touch(mode=0o600, exist_ok=False)
        beside.write_text(json.dumps(memory.model_dump(), indent=2) + "\n", encoding="utf-8")
        beside.replace(self.memory_file)

    def empty(self) -> None:
        """Delete everything in the folder but the lock."""
        for entry in self.path.iterdir():
            if entry.name == "lock":
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                os.unlink(entry)  # noqa: PTH108  a link is removed, not what it points to
        self.logs.mkdir()
