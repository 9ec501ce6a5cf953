"""A source of artifacts that answers what it was told to answer, and remembers what it was asked."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from activities.artifact_source import ResolvedVersion
from domain.artifact import Change, VersionOffer
from domain.connection import Connection
from domain.pipeline import LatestOf, Source

_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
VERSIONS = tuple(
    VersionOffer(
        version=str(number),
        label=f"#{number}",
        branch="main",
        commit=f"{number:040x}",
        author="Ana Lima",
        built_at=_NOON - timedelta(hours=150 - number),
        url=f"http://ci.example/job/web/{number}/",
    )
    for number in (142, 141, 139)
)
CHANGES = (
    Change(
        version="142",
        commit="3f2a91bc00",
        message="Fix the cart\n\nIt lost items.",
        author="Ana Lima",
        at=_NOON,
        url="http://git.example/3f2a91bc00",
    ),
    Change(version="141", commit="9d01c2aa11", message="Search faster", author="Bo"),
)


class ToldSource:
    """Implements ArtifactSource, as far as people wait for it. ``trouble`` is raised; ``hangs`` until it is let go."""

    def __init__(self) -> None:
        self.versions = VERSIONS
        self.commits = CHANGES
        self.trouble: Exception | None = None
        self.hangs: threading.Event | None = None
        self.asked: list[object] = []

    def open(self, source: Source, connection: Connection | None) -> "ToldSource":
        """Stands for ``open_source``."""
        return self

    def recent(self, wanted: LatestOf, most: int) -> tuple[VersionOffer, ...]:
        self._answer((wanted, most))
        return self.versions[:most]

    def changes(self, since: str, until: str) -> tuple[Change, ...]:
        self._answer((since, until))
        return self.commits

    def resolve(self, version: str | LatestOf) -> ResolvedVersion:
        raise NotImplementedError

    def stream(self, version: str, locator: str, *, start: int = 0) -> Iterator[bytes]:
        raise NotImplementedError

    def _answer(self, question: object) -> None:
        self.asked.append(question)
        if self.hangs is not None:
            self.hangs.wait(30)
        if self.trouble is not None:
            raise self.trouble
