"""The bytes of an answer, whole or from a place in the middle on, or an error: what came is counted, never believed."""

import re
from collections.abc import Iterator
from http import HTTPStatus

import requests

from activities.artifact_source import SourceUnreachable, UnsafeArtifact
from integrations.allowance import CHUNK, Allowance

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


def body_from(answer: requests.Response, start: int, allowance: Allowance, what: str) -> Iterator[bytes]:
    """The bytes from ``start`` on, counted, of an answer to a request for them.

    Servers that do not know ranges answer with all (200), of which the first are skipped.
    """
    if answer.status_code != HTTPStatus.PARTIAL_CONTENT:
        yield from _skipping(start, allowance.over(body(answer, what)), what)
        return
    expected = _announced(answer, start, what)
    came = 0
    for chunk in allowance.over(body(answer, what)):
        came += len(chunk)
        if came > expected:
            raise UnsafeArtifact(f"more of {what} came than the server announced")
        yield chunk
    if came < expected:
        raise SourceUnreachable(f"{what} was cut off after {start + came} of {start + expected} bytes")


def _announced(answer: requests.Response, start: int, what: str) -> int:
    """How many bytes follow, by the Content-Range; it counts before any compression, as we do."""
    text = answer.headers.get("Content-Range", "")
    found = _CONTENT_RANGE.fullmatch(text)
    if found is None:
        raise UnsafeArtifact(f"the server does not say which bytes of {what} it gives: {text[:100]!r}")
    first, last, size = (int(number) for number in found.groups())
    if first != start or last != size - 1 or last < first:
        raise UnsafeArtifact(f"the server gives other bytes of {what} than those from {start} on: {text[:100]!r}")
    return size - start


def _skipping(start: int, chunks: Iterator[bytes], what: str) -> Iterator[bytes]:
    left = start
    for chunk in chunks:
        if left < len(chunk):
            yield chunk[left:]
        left = max(0, left - len(chunk))
    if left:
        raise UnsafeArtifact(f"{what} is shorter now than the {start} bytes of it that had come before")


def body(answer: requests.Response, what: str) -> Iterator[bytes]:
    """Whatever has come, at once: a slow drip must not hide from the deadline behind a full chunk."""
    if "Content-Length" not in answer.headers and "chunked" not in answer.headers.get("Transfer-Encoding", ""):
        raise UnsafeArtifact(f"the server does not say how long {what} is, so a cut would go unnoticed")
    while chunk := answer.raw.read1(CHUNK, decode_content=True):
        yield chunk
    _check_length(answer, what)


def _check_length(answer: requests.Response, what: str) -> None:
    """Counted as it came over the wire, before anything was unpacked."""
    announced = answer.headers.get("Content-Length")
    if announced is not None and answer.raw.tell() != int(announced):
        raise SourceUnreachable(f"{what} was cut off after {answer.raw.tell()} of {announced} bytes")
