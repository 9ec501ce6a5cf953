"""How long one transfer may take in all, and how much it may bring: no server can hold an agent, or fill its disk."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from activities.artifact_source import SourceUnreachable, UnsafeArtifact

CHUNK = 1 << 20


@dataclass(frozen=True)
class Limits:
    """``seconds`` count from the first request of a transfer to its last byte; ``size`` is in bytes."""

    seconds: float = 3600
    size: int = 20 << 30


class Allowance:
    """What is left of the limits for one transfer of ``what``."""

    def __init__(self, limits: Limits, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._what = what
        self._clock = clock
        self._ends_at = clock() + limits.seconds
        self._taken = 0

    def take(self, chunk: bytes) -> bytes:
        """Count the chunk; raises SourceUnreachable when time is up, UnsafeArtifact when it is too much."""
        self._taken += len(chunk)
        if self._taken > self._limits.size:
            raise UnsafeArtifact(f"{self._what} is larger than the {self._limits.size} bytes that are allowed")
        if self._clock() > self._ends_at:
            raise SourceUnreachable(f"{self._what} did not come whole within {self._limits.seconds:g} s")
        return chunk

    def over(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same chunks, counted."""
        for chunk in chunks:
            yield self.take(chunk)
