"""Logs of the Jenkins stand-in's builds, with what Jenkins does to them: hidden notes, whole lines, other line ends."""

import gzip
import re

from starlette.responses import Response

from local.jenkins_answers import SERVER, Call

_NOTE = re.compile(rb"\x1b\[8mha:.*?\x1b\[0m", re.DOTALL)
_HIDDEN = "\x1b[8mha:////4AAAAstand-in\x1b[0m"  # Jenkins keeps links in its logs like this; no reader sees it


def starting_lines(user: str, path: str) -> bytes:
    """How every log begins."""
    return (
        f"Started by user {_HIDDEN}{user}\nRunning as SYSTEM\nBuilding in workspace /var/lib/jenkins/workspace/{path}\n"
    ).encode()


def progressive_text(log: bytes, start: int, *, is_growing: bool) -> Response:
    """What follows ``start``, a place in the log with its notes; whole lines only while it grows."""
    start = 0 if start > len(log) else start
    end = log.rfind(b"\n") + 1 if is_growing else len(log)
    shown = _NOTE.sub(b"", log[start:end]).replace(b"\n", b"\r\n")
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Content-Type": "text/plain;charset=utf-8",
        "X-Text-Size": str(max(start, end)),
        **({"X-More-Data": "true"} if is_growing else {}),
        "Server": SERVER,
    }
    return Response(shown, 200, headers)


def console_text(call: Call, log: bytes) -> Response:
    """All of it."""
    headers = {"X-Content-Type-Options": "nosniff", "Content-Type": "text/plain;charset=utf-8", "Server": SERVER}
    content = _NOTE.sub(b"", log)
    if call.compresses():
        headers["Content-Encoding"] = "gzip"
        content = gzip.compress(content)
    return Response(content, 200, headers)
