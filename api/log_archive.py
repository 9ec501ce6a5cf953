"""All logs of a deployment or a release as one ZIP file, made while it is sent: no more than a piece is in memory.

Beside the log of a step stand the files that it wanted kept.
"""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from anyio import CancelScope, to_thread

from domain.outputs import NotedFile
from storage import logs, step_files
from storage.database import Database
from storage.tables import JobRow, StepRunRow

_PIECE = 1024 * 1024
_NEEDS_ZIP64 = 1 << 30
_LONGEST_TITLE = 60
_LONGEST_NAME = 60
_FIRST_YEAR = 1980  # ZIP knows no earlier time
_REGULAR_FILE = 0o644 << 16


@dataclass(frozen=True)
class Entry:
    """One log, or the file of that number, and the name it has in the archive."""

    name: str
    run: StepRunRow
    number: int | None = None


def entries(jobs: Sequence[JobRow], runs: Sequence[StepRunRow], folder: str = "") -> list[Entry]:
    """``01-deploy/02-run-migrations-try-1.log`` for each run that has begun, in their order; then its files."""
    folders = {job.id: f"{folder}{job.position + 1:02}-{job.job}" for job in jobs}
    return [
        entry
        for run in runs
        if run.started_at is not None and run.job_id in folders
        for entry in _of_run(f"{folders[run.job_id]}/{run.step:02}-{_short(run.title)}-try-{run.try_number}", run)
    ]


def _of_run(name: str, run: StepRunRow) -> Iterator[Entry]:
    yield Entry(f"{name}.log", run)
    for number, file in enumerate(run.files, start=1):
        yield Entry(f"{name}-files/{number:02}-{_plain(NotedFile.model_validate(file).name)}", run, number)


async def archive(database: Database, files: Sequence[Entry]) -> AsyncIterator[bytes]:
    """The ZIP file piece by piece. Of a log that still grows it has what there was when its turn came.

    Files that have not arrived, or not whole, are left out.
    """
    sink = _Sink()
    with ZipFile(sink, "w", ZIP_DEFLATED) as zipped:
        for entry in files:
            size = await _size(database, entry)
            if entry.number is not None and size != entry.run.files[entry.number - 1]["size"]:
                continue
            with zipped.open(_info(entry), "w", force_zip64=size > _NEEDS_ZIP64) as file:
                for offset in range(0, size, _PIECE):
                    piece = await _read(database, entry, offset, min(_PIECE, size - offset))
                    await to_thread.run_sync(file.write, piece)
                    if ready := sink.taken():
                        yield ready
    yield sink.taken()


class _Sink:
    """Takes what is written to the archive, so that it can be sent on."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """There is nothing to be given back."""

    def taken(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data


async def _size(database: Database, entry: Entry) -> int:
    run_id = entry.run.id
    with CancelScope(shield=True):
        async with database.reading() as session:
            if entry.number is None:
                size = await logs.size(session, run_id)
            else:
                size = (await step_files.sizes(session, run_id)).get(entry.number, 0)
    return size


async def _read(database: Database, entry: Entry, offset: int, limit: int) -> bytes:
    """A session for each piece: who reads slowly must not hold a connection meanwhile, nor tear it when they leave."""
    with CancelScope(shield=True):
        async with database.reading() as session:
            if entry.number is None:
                piece = await logs.read(session, entry.run.id, offset, limit)
            else:
                piece = await step_files.read(session, entry.run.id, entry.number, offset, limit)
    return piece


def _info(entry: Entry) -> ZipInfo:
    began = entry.run.started_at
    moment = (
        began.astimezone(UTC).timetuple()[:6] if began and began.year >= _FIRST_YEAR else (_FIRST_YEAR, 1, 1, 0, 0, 0)
    )
    info = ZipInfo(entry.name, moment)
    info.compress_type = ZIP_DEFLATED
    info.external_attr = _REGULAR_FILE
    return info


def _short(title: str) -> str:
    """The title as part of a file's name, on every system."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower())[:_LONGEST_TITLE].strip("-") or "step"


def _plain(name: str) -> str:
    """The end of a file's name, with its suffix, as it may stand on every system."""
    return re.sub(r"[^\w.-]+", "-", name)[-_LONGEST_NAME:].rstrip(".")
