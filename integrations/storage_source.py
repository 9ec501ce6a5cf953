"""Files below a prefix of an object store: S3 and what speaks its language, Azure Blob Storage, Google Cloud Storage.

The first folder below the prefix is a version. Needs the extra ``storage``.
"""

import os
import re
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, PreconditionError, UnauthenticatedError
from obstore.store import AzureStore, GCSStore, ObjectStore, S3Store

from activities.artifact_source import (
    ArtifactNotFound,
    FileOffer,
    ResolvedVersion,
    SourceDenied,
    SourceUnreachable,
    UnsafeArtifact,
    WrongDigest,
)
from domain.artifact import Change, VersionOffer
from domain.connection import Connection, ConnectionKind, UnfitConnection
from domain.pipeline import LatestOf, StorageSource
from integrations.allowance import Allowance, Limits
from integrations.guarded_addresses import AllowedHosts
from integrations.guarded_proxy import GuardedProxy
from integrations.path_patterns import chosen
from integrations.safe_path import safe_path

if TYPE_CHECKING:
    from obstore import GetOptions

LATEST = "latest"
_KIND_OF_SCHEME = {"s3": ConnectionKind.S3, "az": ConnectionKind.AZURE_BLOB, "gs": ConnectionKind.GCS}
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}")
_REGION = re.compile(r"(?:^|\.)s3[.-]([a-z0-9-]+)\.amazonaws\.")
_SOME_REGION = "us-east-1"
_MOST_OBJECTS = 200_000
_AS_THEY_COME = 1  # a slow drip must not hide from the deadline behind a full chunk
_FROM_ENVIRONMENT = ("AWS_", "AZURE_", "GOOGLE_")
_PATIENCE = {"max_retries": 2, "retry_timeout": timedelta(seconds=20)}


class _Object(NamedTuple):
    """``path`` is the one below the version."""

    version: str
    path: str
    size: int
    at: datetime


class StorageArtifacts:
    """Implements ArtifactSource for one prefix. Not for use by two threads at once."""

    def __init__(self, source: StorageSource, connection: Connection, limits: Limits, allowed: AllowedHosts) -> None:
        self._source = source
        self._limits = limits
        parts = urlsplit(source.url)
        self._prefix = f"{parts.path.strip('/')}/".removeprefix("/")
        self._proxy = GuardedProxy(allowed.with_origin(connection.url))
        try:
            self._store = _opened(connection, _bucket(parts.netloc), self._proxy.url, limits.seconds)
        except (BaseError, OSError, ValueError):
            raise UnfitConnection(
                f"the connection {connection.name} cannot be used on {gethostname()}: its key is none, or its file of "
                "authorities is not there"
            ) from None
        self._tags: dict[str, str] = {}
        self.close = weakref.finalize(self, self._proxy.close)

    def resolve(self, version: str | LatestOf) -> ResolvedVersion:
        if isinstance(version, LatestOf) or version == LATEST:
            found = self.recent(version if isinstance(version, LatestOf) else LatestOf(), 1)
            if not found:
                raise ArtifactNotFound(f"there is no folder below {self._source.url}")
            version = found[0].version
        what = f"the version {version} below {self._source.url}"
        objects = {safe_path(one.path): one for one in self._objects(f"{self._prefix}{safe_path(version)}/")}
        if not objects:
            raise ArtifactNotFound(f"there is no folder {version} below {self._source.url}")
        paths = chosen(sorted(objects), self._source.paths, what)
        return ResolvedVersion(
            version=version,
            files=tuple(FileOffer(path=path, locator=path, size=objects[path].size) for path in paths),
            built_at=max(one.at for one in objects.values()),
            url=f"{self._source.url.rstrip('/')}/{version}/",
        )

    def stream(self, version: str, locator: str, *, start: int = 0) -> Iterator[bytes]:
        key = f"{self._prefix}{safe_path(version)}/{safe_path(locator)}"
        what = f"{locator} of the version {version} below {self._source.url}"
        allowance = Allowance(self._limits, what)
        with self._translated(what):
            if start and not self._is_left(key, start, what):
                return
            # What is asked for from the middle on must belong to the beginning that this source gave.
            asked: GetOptions = {"range": {"offset": start}} if start else {}
            if start and key in self._tags:
                asked["if_match"] = self._tags[key]
            found = obstore.get(self._store, key, options=asked)
            if tag := found.meta["e_tag"]:
                self._tags[key] = tag
            came, size = start, found.meta["size"]
            for piece in found.stream(min_chunk_size=_AS_THEY_COME):
                chunk = bytes(piece)
                came += len(chunk)
                yield allowance.take(chunk)
        if came != size:
            raise SourceUnreachable(f"{what} was cut off after {came} of {size} bytes")

    def recent(self, wanted: LatestOf, most: int) -> tuple[VersionOffer, ...]:
        """By the newest file of each folder."""
        if wanted.branch or wanted.tags:
            raise ArtifactNotFound("what is in an object store has neither branches nor tags")
        newest = dict[str, datetime]()
        for one in self._objects(self._prefix):
            if one.path:
                newest[one.version] = max(one.at, newest.get(one.version, one.at))
        ordered = sorted(newest.items(), key=lambda item: (item[1], item[0]), reverse=True)
        return tuple(VersionOffer(version=version, built_at=at) for version, at in ordered[:most])

    def changes(self, since: str, until: str) -> tuple[Change, ...]:  # noqa: ARG002  an object store knows of none
        return ()

    def _objects(self, prefix: str) -> Iterator[_Object]:
        """All below the prefix, which ends with a slash; not the markers of folders."""
        what, count = f"the list of {self._source.url}", 0
        allowance = Allowance(self._limits, what)
        with self._translated(what):
            for page in obstore.list(self._store, prefix or None, chunk_size=1000):
                allowance.take(b"")
                count += len(page)
                if count > _MOST_OBJECTS:
                    raise UnsafeArtifact(f"there are more than {_MOST_OBJECTS} files below {self._source.url}")
                for meta in page:
                    version, _, path = meta["path"].removeprefix(self._prefix).partition("/")
                    if path and not path.endswith("/"):
                        yield _Object(version, path, meta["size"], meta["last_modified"])

    def _is_left(self, key: str, start: int, what: str) -> bool:
        """No store gives the part behind the end."""
        size: int = obstore.head(self._store, key)["size"]
        if size < start:
            raise _changed(what)
        return size > start

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """The library's errors hold whole answers, which are for nobody's eyes."""
        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            self._proxy.check()
            raise _meaning(error, self._source.connection, what) from error


def _meaning(error: Exception, connection: str, what: str) -> Exception:
    """Not all errors have their own class in the library."""
    text = str(error)
    if isinstance(error, PreconditionError):
        return _changed(what)
    if isinstance(error, FileNotFoundError):
        return ArtifactNotFound(f"there is no {what.removeprefix('the ')}")
    if isinstance(error, (PermissionDeniedError, UnauthenticatedError)) or "403 Forbidden" in text:
        return SourceDenied(f"{connection} does not let us have {what}")
    if "407 Proxy" in text:  # the library forgets the password when it is redirected
        return UnsafeArtifact(f"{connection} leads to another host for {what}")
    if "404 Not Found" in text:
        return ArtifactNotFound(f"there is no {what.removeprefix('the ')}, not even the bucket")
    return SourceUnreachable(f"{what} did not come from {connection}")


def _changed(what: str) -> WrongDigest:
    return WrongDigest(f"{what} has changed at its source since its first bytes came")


def _bucket(name: str) -> str:
    if _BUCKET.fullmatch(name) is None:
        raise UnsafeArtifact(f"{name!r} is no name of a bucket")
    return name


def _opened(connection: Connection, bucket: str, proxy: str, seconds: float) -> ObjectStore:
    """With a key, or without any: whatever the machine itself may use is not for pipelines."""
    _forget_environment()
    user, secret = connection.user, connection.token.get_secret_value()
    authorities = {} if connection.ca is None else {"root_certificate": Path(connection.ca).read_text()}
    reached = {
        "client_options": {
            "allow_http": connection.url.startswith("http://"),
            "proxy_url": proxy,
            "connect_timeout": timedelta(seconds=5),
            "timeout": timedelta(seconds=seconds),
            **authorities,
        },
        "retry_config": _PATIENCE,
    }
    endpoint = connection.url.rstrip("/")
    if connection.kind == ConnectionKind.S3:
        region = _REGION.search(urlsplit(endpoint).hostname or "")
        place = {"endpoint": endpoint, "region": region[1] if region else _SOME_REGION}
        key = {"access_key_id": user, "secret_access_key": secret} if secret else {"skip_signature": True}
        return S3Store(bucket, virtual_hosted_style_request=False, **place, **key, **reached)  # type: ignore[arg-type]
    if connection.kind == ConnectionKind.AZURE_BLOB:
        is_signature = "sig=" in secret
        key = {"sas_key": secret.removeprefix("?")} if is_signature else {"account_key": secret}
        key = key if secret else {"skip_signature": True}
        return AzureStore(bucket, account_name=user, endpoint=endpoint, **key, **reached)  # type: ignore[arg-type]
    key = {"service_account_key": secret} if secret else {"skip_signature": True}
    return GCSStore(bucket, base_url=endpoint, **key, **reached)  # type: ignore[arg-type]


def _forget_environment() -> None:
    """The library reads it for each store, and would send the machine's own token to wherever a connection leads.

    For good: other threads may read the environment meanwhile. What steps inherit was copied when the agent began.
    """
    for name in [name for name in os.environ if name.upper().startswith(_FROM_ENVIRONMENT)]:
        os.environ.pop(name, None)


def kind_of(source: StorageSource) -> ConnectionKind:
    """Which kind of connection the address needs."""
    return _KIND_OF_SCHEME[urlsplit(source.url).scheme]
