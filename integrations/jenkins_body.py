"""The bytes of an answer, whole or from a place in the middle on, or an error: what came is counted, never believed."""

import re
from collections.abc import Iterator
from http import HTTPStatus

import requests

from activities.artifact_source import SourceUnreachable, UnsafeArtifact, WrongDigest
from integrations.allowance import CHUNK, Allowance
from integrations.http_download import skipping

# Older ones leave out the unit. When all has come already, the last byte is the one before the first.
_CONTENT_RANGE = re.compile(r"(?:bytes )?(\d+)-(\d+)/(\d+)")


def body_from(answer: requests.Response, start: int, allowance: Allowance, what: str) -> Iterator[bytes]:
    """The bytes from ``start`` on, counted, of an answer to a request for them.

    Servers that do not know ranges answer with all (200), of which the first are skipped. Raises WrongDigest when the
    file is shorter than that by now.
    """
    if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        if not start or answer.headers.get("Content-Range") != f"bytes */{start}":
            raise _changed(what)
    elif answer.status_code == HTTPStatus.PARTIAL_CONTENT:
        yield from _rest(answer, start, allowance, what)
    else:
        yield from skipping(start, allowance.over(body(answer, what)), what)


def _rest(answer: requests.Response, start: int, allowance: Allowance, what: str) -> Iterator[bytes]:
    expected, came = _announced(answer, start, what), 0
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
    if start > size:
        raise _changed(what)
    if first != start or last != size - 1:
        raise UnsafeArtifact(f"the server gives other bytes of {what} than those from {start} on: {text[:100]!r}")
    return size - start


def _changed(what: str) -> WrongDigest:
    return WrongDigest(f"{what} has changed at its source since its first bytes came")


def body(answer: requests.Response, what: str, *, may_be_endless: bool = False) -> Iterator[bytes]:
    """Whatever has come, at once: a slow drip must not hide from the deadline behind a full chunk.

    What announces no length is refused, unless the caller sees by itself where it ends.
    """
    says_its_end = "Content-Length" in answer.headers or "chunked" in answer.headers.get("Transfer-Encoding", "")
    if not says_its_end and not may_be_endless:
        raise UnsafeArtifact(f"the server does not say how long {what} is, so a cut would go unnoticed")
    while chunk := answer.raw.read1(CHUNK, decode_content=True):
        yield chunk
    _check_length(answer, what)


def _check_length(answer: requests.Response, what: str) -> None:
    """Counted as it came over the wire, before anything was unpacked."""
    announced = answer.headers.get("Content-Length")
    if announced is not None and answer.raw.tell() != int(announced):
        raise SourceUnreachable(f"{what} was cut off after {answer.raw.tell()} of {announced} bytes")
