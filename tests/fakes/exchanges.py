"""Recorded requests and answers of real servers, and how they are asked again of a stand-in.

Those in the repository were written by hand in the shape of the real ones. Whoever has real recordings names their
directory in SLIPWAY_RECORDED_EXCHANGES, and every test over exchanges walks them as well.
"""

import gzip
import http.client
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

_FIXTURES = Path(__file__).parent.parent / "conformance" / "fixtures"


def recorded(pattern: str) -> list[object]:
    """The files that fit, of the fixtures and of the named directory, as parameters with readable ids."""
    roots = [_FIXTURES, *(Path(root) for root in [os.environ.get("SLIPWAY_RECORDED_EXCHANGES")] if root)]
    return [pytest.param(file, id=str(file.relative_to(root))) for root in roots for file in sorted(root.glob(pattern))]


@dataclass(frozen=True)
class Answer:
    """Header names in lower case; the body unpacked."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(base: str, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> Answer:
    """Send exactly this; no client's idea of a tidy address in between."""
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=10)
    try:
        connection.request(method, path, body, {"Accept-Encoding": "gzip", **headers})
        answer = connection.getresponse()
        content = answer.read()
        found = {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()
    return Answer(answer.status, found, gzip.decompress(content) if "content-encoding" in found else content)


def differences(expected: object, actual: object, at: str = "") -> Iterator[str]:
    """Where the two differ in shape: other keys, or other types. Null and empty fit anything."""
    if not _says_something(expected) or not _says_something(actual):
        return
    if isinstance(expected, dict) and isinstance(actual, dict):
        yield from (f"{at}.{key} is missing" for key in expected.keys() - actual.keys())
        yield from (f"{at}.{key} is too much" for key in actual.keys() - expected.keys())
        for key in expected.keys() & actual.keys():
            yield from differences(expected[key], actual[key], f"{at}.{key}")
    elif isinstance(expected, list) and isinstance(actual, list):
        for one, other in _pairs(expected, actual):
            yield from differences(one, other, f"{at}[]")
    elif type(expected) is not type(actual):
        yield f"{at} is {type(actual).__name__}, not {type(expected).__name__}"


def _says_something(value: object) -> bool:
    return value is not None and value not in ({}, [])


def _pairs(expected: list[object], actual: list[object]) -> Iterator[tuple[object, object]]:
    """Items of the same class; those that one side has alone cannot be compared."""
    for one in expected:
        for other in actual:
            if _class_of(one) == _class_of(other):
                yield one, other


def _class_of(item: object) -> object:
    return item.get("_class") if isinstance(item, dict) else None
