"""Plain HTTP for artifacts: redirects by hand, credentials only where they belong, bodies whole or an error."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

import httpx2

from activities.artifact_source import ArtifactNotFound, SourceDenied, SourceUnreachable, UnsafeArtifact
from integrations.allowance import Allowance

_MOST_REDIRECTS = 5
_TIMEOUT = httpx2.Timeout(30, connect=5)
_DENIED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NON_AUTHORITATIVE_INFORMATION}

Headers = dict[str, str]
HeadersFor = Callable[[str], Headers]


def origin(url: str) -> tuple[str, str]:
    """Scheme, and host with port: what must be the same for a token to be sent."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def new_client(authorities: str | None = None) -> httpx2.Client:
    """A client that trusts the usual authorities, or those of a bundle at that path.

    Without the environment's proxies and ~/.netrc: neither may see, or change, what is asked.
    """
    trust = ssl.create_default_context(cafile=authorities)
    return httpx2.Client(timeout=_TIMEOUT, trust_env=False, headers={"Accept-Encoding": "identity"}, verify=trust)


@contextmanager
def opened(client: httpx2.Client, url: str, headers_for: HeadersFor, what: str) -> Iterator[httpx2.Response]:
    """The answer to GET, its body not read yet; ``headers_for`` is asked again for every redirect.

    Raises ArtifactNotFound, SourceDenied, SourceUnreachable, UnsafeArtifact.
    """
    try:
        answer = _follow(client, url, headers_for, what)
        try:
            _check(answer, what)
            yield answer
        finally:
            answer.close()
    except httpx2.InvalidURL as error:
        raise UnsafeArtifact(f"{what} leads to an address that is none") from error
    except httpx2.HTTPError as error:
        raise SourceUnreachable(f"{what} did not come: {type(error).__name__}") from error


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


def _check(answer: httpx2.Response, what: str) -> None:
    if answer.status_code in _DENIED:
        raise SourceDenied(f"{answer.url.host} does not let us have {what} (status {answer.status_code})")
    if answer.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        raise ArtifactNotFound(f"{answer.url.host} has no {what.removeprefix('the ')}")
    if answer.status_code != HTTPStatus.OK:
        raise SourceUnreachable(f"{answer.url.host} answered {answer.status_code} for {what}")


def body(answer: httpx2.Response, allowance: Allowance, what: str, *, may_be_endless: bool = False) -> Iterator[bytes]:
    """The body, counted; one that announces no length is refused unless the caller checks its digest."""
    announced = answer.headers.get("Content-Length")
    if announced is None and "Transfer-Encoding" not in answer.headers and not may_be_endless:
        raise UnsafeArtifact(f"the server does not say how long {what} is, so a cut would go unnoticed")
    yield from allowance.over(answer.iter_bytes())
    if announced is not None and answer.num_bytes_downloaded != int(announced):
        raise SourceUnreachable(f"{what} was cut off after {answer.num_bytes_downloaded} of {announced} bytes")
