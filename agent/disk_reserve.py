"""How much of a disk steps leave free. Standard library only: the step runner uses it."""

import os
from typing import NamedTuple

_UNITS = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))
_FOUR_DIGITS = 999.5


class DiskReserve(NamedTuple):
    """What must stay free where the folder is, so that steps of the agent may run; of size 0, nothing."""

    agent: str = ""
    folder: str = ""
    size: int = 0

    def lacking(self, coming: int = 0) -> str:
        """What is wrong, in words, once so many bytes more are there; empty while enough is free, or not known."""
        free = _free(self.folder) if self.size else None
        if free is None or free - coming >= self.size:
            return ""
        to_come = f", {sized(coming)} are to come" if coming else ""
        return (
            f"on agent {self.agent} only {sized(free)} are free in {self.folder}{to_come}, and {sized(self.size)} must"
            " stay free: make room there, or lower SLIPWAY_AGENT_DISK_RESERVE"
        )


def sized(count: int) -> str:
    """The bytes in the largest unit of which there is one."""
    for unit, factor in _UNITS:
        if count >= factor:
            number = count / factor
            return f"{number:.3g} {unit}" if number < _FOUR_DIGITS else f"{number:.0f} {unit}"
    return f"{count} bytes"


def _free(folder: str) -> int | None:
    """None where the folder is gone, and on file systems without a size."""
    try:
        told = os.statvfs(folder)
    except OSError:
        return None
    return told.f_bavail * told.f_frsize if told.f_blocks else None
