"""Plain HTTP for artifacts: redirects by hand, credentials only where they belong, bodies whole or an error."""

import re
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from http import HTTPStatus
from socket import gethostname
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import httpx2

from activities.artifact_source import ArtifactNotFound, SourceDenied, SourceUnreachable, UnsafeArtifact, WrongDigest
from domain.connection import UnfitConnection
from integrations.allowance import CHUNK, Allowance
from integrations.guarded_addresses import AllowedHosts
from integrations.guarded_network import GuardedTransport

_MOST_REDIRECTS = 5
_TIMEOUT = httpx2.Timeout(30, connect=5)
_DENIED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NON_AUTHORITATIVE_INFORMATION}
_MISSING = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.UNPROCESSABLE_ENTITY}  # the last for names, at GitHub
_BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_GZIP = {"gzip", "x-gzip"}
_GZIP_HEADER = 16 + zlib.MAX_WBITS
_MOST_WAITS = 3
_LONGEST_WAIT_SECONDS = 20
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")

Headers = dict[str, str]
HeadersFor = Callable[[str], Headers]


class Part(NamedTuple):
    """What is asked for: the bytes from ``start`` on, of the file that had this validator (ETag or date) before."""

    start: int = 0
    validator: str | None = None

    @property
    def headers(self) -> Headers:
        if not self.start:
            return {}
        unchanged = {} if self.validator is None else {"If-Range": self.validator}
        return {"Range": f"bytes={self.start}-", **unchanged}


_WHOLE = Part()


def origin(url: str) -> tuple[str, str]:
    """Scheme, and host with port: what must be the same for a token to be sent."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def new_client(allowed: AllowedHosts, authorities: str | None = None) -> httpx2.Client:
    """A client that reaches public hosts and those that are allowed; it trusts the usual authorities, or a bundle's.

    Without the environment's proxies and ~/.netrc: neither may see, or change, what is asked.
    """
    trust = _usual_trust() if authorities is None else _trust_in(authorities)
    transport = GuardedTransport(trust, allowed)
    return httpx2.Client(
        timeout=_TIMEOUT, trust_env=False, headers={"Accept-Encoding": "identity"}, transport=transport
    )


@cache
def _usual_trust() -> ssl.SSLContext:
    """Reading a hundred certificates takes longer than a small file does."""
    return ssl.create_default_context()


def _trust_in(authorities: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authorities)
    except OSError as error:
        raise UnfitConnection(f"the file of authorities {authorities} cannot be used on {gethostname()}") from error


@contextmanager
def opened(
    client: httpx2.Client, url: str, headers_for: HeadersFor, what: str, part: Part = _WHOLE
) -> Iterator[httpx2.Response]:
    """The answer to GET, its body not read yet; ``headers_for`` is asked again for every redirect.

    A server that says when it wants to be asked again is, if that is soon. Raises ArtifactNotFound, SourceDenied,
    SourceUnreachable, UnsafeArtifact.
    """
    try:
        answer = _patient(lambda: _follow(client, url, lambda target: {**headers_for(target), **part.headers}, what))
        try:
            _check(answer, part, what)
            yield answer
        finally:
            answer.close()
    except httpx2.InvalidURL as error:
        raise UnsafeArtifact(f"{what} leads to an address that is none") from error
    except httpx2.HTTPError as error:
        raise SourceUnreachable(f"{what} did not come: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """What can be done about a certificate, people can do; the rest may mend itself."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"the certificate of its server is not trusted here ({cause.verify_message}); set `ca` if it is right"
            )
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def _patient(ask: Callable[[], httpx2.Response]) -> httpx2.Response:
    for _ in range(_MOST_WAITS):
        answer = ask()
        wait = _asked_to_wait(answer)
        if wait is None:
            return answer
        answer.close()
        time.sleep(wait)
    return ask()


def _asked_to_wait(answer: httpx2.Response) -> int | None:
    """Seconds; None where the answer is one, or it is not worth waiting here."""
    text: str = answer.headers.get("Retry-After", "")
    if answer.status_code not in _BUSY or not (text.isascii() and text.isdecimal()):
        return None
    return int(text) if int(text) <= _LONGEST_WAIT_SECONDS else None


def _follow(client: httpx2.Client, url: str, headers_for: HeadersFor, what: str) -> httpx2.Response:
    for _ in range(_MOST_REDIRECTS + 1):
        if urlsplit(url).scheme not in {"http", "https"}:
            raise UnsafeArtifact(f"{what} leads to an address that is not http or https")
        answer = client.send(client.build_request("GET", url, headers=headers_for(url)), stream=True)
        if not answer.has_redirect_location:
            return answer
        answer.close()
        url = _next(url, answer.headers["Location"], what)
    raise SourceUnreachable(f"{what} is redirected more than {_MOST_REDIRECTS} times")


def _next(url: str, location: str, what: str) -> str:
    target = urljoin(url, location)
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme == "http":
        raise UnsafeArtifact(f"{what} is redirected from https to http")
    return target


def _check(answer: httpx2.Response, part: Part, what: str) -> None:
    status = answer.status_code
    if status == HTTPStatus.FORBIDDEN and answer.headers.get("X-RateLimit-Remaining") == "0":
        raise SourceUnreachable(f"{answer.url.host} answers no more requests for a while: our limit is used up")
    if status in _DENIED:
        raise SourceDenied(f"{answer.url.host} does not let us have {what} (status {status})")
    if status in _MISSING:
        raise ArtifactNotFound(f"{answer.url.host} has no {what.removeprefix('the ')}")
    partly = {HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE} if part.start else set()
    if status != HTTPStatus.OK and status not in partly:
        wait = answer.headers.get("Retry-After")
        later = f"; it asks to come again after {wait[:40]}" if status in _BUSY and wait else ""
        raise SourceUnreachable(f"{answer.url.host} answered {status} for {what}{later}")


def body(answer: httpx2.Response, allowance: Allowance, what: str, *, may_be_endless: bool = False) -> Iterator[bytes]:
    """The body, counted; one that announces no length is refused unless the caller checks its digest."""
    announced = answer.headers.get("Content-Length")
    if announced is None and "Transfer-Encoding" not in answer.headers and not may_be_endless:
        raise UnsafeArtifact(f"the server does not say how long {what} is, so a cut would go unnoticed")
    yield from allowance.over(_unpacked(answer, what))
    if announced is not None and answer.num_bytes_downloaded != int(announced):
        raise SourceUnreachable(f"{what} was cut off after {answer.num_bytes_downloaded} of {announced} bytes")


def _unpacked(answer: httpx2.Response, what: str) -> Iterator[bytes]:
    """Some servers pack although asked not to; a piece of a megabyte might otherwise become a gigabyte at once."""
    encoding: str = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "identity":
        yield from answer.iter_raw()
    elif encoding in _GZIP:
        yield from _gunzipped(answer.iter_raw(), what)
    else:
        raise UnsafeArtifact(f"the server packs {what} as {encoding[:40]!r}, though it was asked not to")


def _gunzipped(pieces: Iterable[bytes], what: str) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(_GZIP_HEADER)
    try:
        for piece in pieces:
            left = piece
            while left:
                if unpacker.eof:
                    unpacker = zlib.decompressobj(_GZIP_HEADER)
                yield unpacker.decompress(left, CHUNK)
                left = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        while not unpacker.eof and (chunk := unpacker.decompress(b"", CHUNK)):
            yield chunk
        if not unpacker.eof:
            raise SourceUnreachable(f"{what} came packed, and was cut off")
    except zlib.error as error:
        raise SourceUnreachable(f"{what} came packed, and broken") from error


def rest(
    answer: httpx2.Response, part: Part, allowance: Allowance, what: str, *, may_be_endless: bool = False
) -> Iterator[bytes]:
    """As ``body``, but only the part that was asked for, also where the server gave all.

    Raises WrongDigest when it is another file by now.
    """
    if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        if answer.headers.get("Content-Range") != f"bytes */{part.start}":
            raise _changed(what)
        return
    if answer.status_code != HTTPStatus.PARTIAL_CONTENT:
        if part.validator is not None and validator(answer) != part.validator:
            raise _changed(what)
        yield from skipping(part.start, body(answer, allowance, what, may_be_endless=may_be_endless), what)
        return
    expected, came = _announced(answer, part.start, what), 0
    for chunk in body(answer, allowance, what, may_be_endless=True):
        came += len(chunk)
        yield chunk
    if came != expected:
        raise SourceUnreachable(f"{what} was cut off: {came} of {expected} bytes came")


def validator(answer: httpx2.Response) -> str | None:
    """What tells whether the file is the same at the next request; a weak ETag does not."""
    tag: str = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else None


def skipping(start: int, chunks: Iterable[bytes], what: str) -> Iterator[bytes]:
    """Without the first bytes, for what cannot be asked for from the middle."""
    left = start
    for chunk in chunks:
        if left < len(chunk):
            yield chunk[left:] if left else chunk
        left = max(0, left - len(chunk))
    if left:
        raise _changed(what)


def _announced(answer: httpx2.Response, start: int, what: str) -> int:
    """How many bytes follow, by the Content-Range."""
    text = answer.headers.get("Content-Range", "")
    found = _CONTENT_RANGE.fullmatch(text)
    if found is None or "Content-Encoding" in answer.headers:
        raise UnsafeArtifact(f"the server does not say which bytes of {what} it gives: {text[:100]!r}")
    first, last, size = (int(number) for number in found.groups())
    if first != start or last != size - 1 or size < start:
        raise UnsafeArtifact(f"the server gives other bytes of {what} than those from {start} on: {text[:100]!r}")
    return size - start


def _changed(what: str) -> WrongDigest:
    return WrongDigest(f"{what} has changed at its source since its first bytes came")
