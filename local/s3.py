"""A stand-in for an object store that speaks the language of S3: signed requests, lists in pages, parts of objects."""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from local.faults import Faults, FaultyApp

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<id>[^/]+)/(?P<scope>[^,]+), ?"
    r"SignedHeaders=(?P<headers>[^,]+), ?Signature=(?P<sign>\w+)"
)
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_SPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@dataclass
class StoredObject:
    """Some bytes under a key."""

    content: bytes
    at: datetime = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)

    @property
    def tag(self) -> str:
        return f'"{hashlib.md5(self.content, usedforsecurity=False).hexdigest()}"'


@dataclass
class S3State:
    """Keys of access with their secrets, and buckets; without any keys, everybody may read."""

    keys: dict[str, str] = field(default_factory=dict)
    buckets: dict[str, dict[str, StoredObject]] = field(default_factory=dict)
    page: int = 1000
    faults: Faults = field(default_factory=Faults)
    seen: list[str] = field(default_factory=list)


def create_app(state: S3State) -> ASGIApp:
    """Addresses have the bucket in their path; change ``state`` at any time."""

    async def answer(request: Request) -> Response:
        state.seen.append(f"{request.method} {request.url.path}")
        refusal = _refusal(request, state.keys)
        if refusal is not None:
            return _error(403, refusal)
        bucket = state.buckets.get(request.path_params["bucket"])
        if bucket is None:
            return _error(404, "NoSuchBucket")
        key = request.path_params.get("key", "")
        if not key:
            return _listing(request, bucket, state.page)
        return _object(request, bucket[key]) if key in bucket else _error(404, "NoSuchKey")

    routes = [Route("/{bucket}", answer), Route("/{bucket}/{key:path}", answer)]
    return FaultyApp(Starlette(routes=routes), state.faults)


def _refusal(request: Request, keys: dict[str, str]) -> str | None:
    """As S3 checks the fourth version of its signatures."""
    if not keys:
        return None
    given = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
    if given is None:
        return "AccessDenied"
    if given["id"] not in keys:
        return "InvalidAccessKeyId"
    signed = "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in given["headers"].split(";"))
    pairs = sorted(part.partition("=")[::2] for part in request.url.query.split("&") if part)
    query = "&".join(
        f"{quote(unquote(name), safe='-_.~')}={quote(unquote(value), safe='-_.~')}" for name, value in pairs
    )
    raw_path = request.scope["raw_path"].decode().partition("?")[0]
    body = request.headers.get("x-amz-content-sha256", "")
    canonical = "\n".join((request.method, raw_path, query, signed, given["headers"], body))
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(("AWS4-HMAC-SHA256", request.headers.get("x-amz-date", ""), given["scope"], hashed))
    key = f"AWS4{keys[given['id']]}".encode()
    for part in (*given["scope"].split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return None if hmac.compare_digest(key.hex(), given["sign"]) else "SignatureDoesNotMatch"


def _listing(request: Request, bucket: dict[str, StoredObject], page: int) -> Response:
    """In the order of keys; what does not fit on a page comes with the token, which nobody can read."""
    prefix = request.query_params.get("prefix", "")
    after = bytes.fromhex(request.query_params.get("continuation-token", "")).decode()
    fitting = [key for key in sorted(bucket) if key.startswith(prefix) and key > after]
    shown, is_cut = fitting[:page], len(fitting) > page
    rows = "".join(_row(key, bucket[key]) for key in shown)
    more = f"<NextContinuationToken>{shown[-1].encode().hex()}</NextContinuationToken>" if is_cut else ""
    return _xml(
        f'<ListBucketResult xmlns="{_SPACE}"><Name>{request.path_params["bucket"]}</Name>'
        f"<Prefix>{escape(prefix)}</Prefix><KeyCount>{len(shown)}</KeyCount><MaxKeys>{page}</MaxKeys>"
        f"<IsTruncated>{str(is_cut).lower()}</IsTruncated>{more}{rows}</ListBucketResult>"
    )


def _row(key: str, stored: StoredObject) -> str:
    return (
        f"<Contents><Key>{escape(key)}</Key><LastModified>{stored.at:%FT%T}.000Z</LastModified>"
        f"<ETag>{escape(stored.tag)}</ETag><Size>{len(stored.content)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


def _object(request: Request, stored: StoredObject) -> Response:
    """All, or a part, if it is still the object that is meant."""
    if request.headers.get("If-Match", stored.tag) != stored.tag:
        return _error(412, "PreconditionFailed")
    size = len(stored.content)
    headers = {"ETag": stored.tag, "Last-Modified": f"{stored.at:%a, %d %b %Y %T} GMT", "Accept-Ranges": "bytes"}
    wanted = _RANGE.fullmatch(request.headers.get("Range", ""))
    if request.method == "HEAD" or wanted is None:
        return Response(stored.content, 200, headers, "application/octet-stream")
    start, end = int(wanted[1]), min(int(wanted[2] or size - 1), size - 1)
    if start >= size:
        return _error(416, "InvalidRange")
    headers["Content-Range"] = f"bytes {start}-{end}/{size}"
    return Response(stored.content[start : end + 1], 206, headers, "application/octet-stream")


def _error(status: int, code: str) -> Response:
    return _xml(f"<Error><Code>{code}</Code><Message>{code}</Message></Error>", status)


def _xml(text: str, status: int = 200) -> Response:
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>\n{text}', status, media_type="application/xml")
