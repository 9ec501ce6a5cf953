"""Durations as people write them on a command line, and as they like to read them."""

import re

import typer

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str) -> int:
    """Read ``90s``, ``10m``, ``3h`` or ``30d``; raises typer.BadParameter otherwise."""
    found = re.fullmatch(r"([1-9][0-9]{0,6})([smhd])", text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no duration; write 90s, 10m, 3h or 30d")
    return int(found[1]) * _SECONDS[found[2]]


def readable(elapsed: float) -> str:
    """``42s``, ``3m 05s``, ``2h 07m``, ``5d 03h``."""
    whole = max(0, int(elapsed))
    if whole < _SECONDS["m"]:
        return f"{whole}s"
    if whole < _SECONDS["h"]:
        return f"{whole // 60}m {whole % 60:02}s"
    if whole < _SECONDS["d"]:
        return f"{whole // 3600}h {whole % 3600 // 60:02}m"
    return f"{whole // 86_400}d {whole % 86_400 // 3600:02}h"
