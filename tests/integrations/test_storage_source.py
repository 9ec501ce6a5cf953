"""Files of object stores against the stand-in for S3: versions, what is refused, and where connections may go."""

import base64
import builtins
import socket
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from fakes.raw_server import raw_server
from pydantic import SecretStr

from activities.artifact_source import (
    ArtifactNotFound,
    ArtifactSource,
    SourceDenied,
    SourceUnreachable,
    UnknownConnection,
    UnsafeArtifact,
    WrongDigest,
)
from domain.connection import Connection, ConnectionKind, UnfitConnection
from domain.pipeline import LatestOf, StorageSource
from integrations.allowance import Limits
from integrations.artifact_sources import ExtraNotInstalled, open_source
from integrations.guarded_addresses import AllowedHosts
from integrations.guarded_proxy import GuardedProxy
from local import s3
from local.faults import Fault
from local.s3 import S3State, StoredObject

CONTENT = b"shop" * 500_000
SECRET = "secret-that-must-not-leak"


class World:
    """An object store, and how to open a source on it."""

    def __init__(self, state: S3State, url: str) -> None:
        self.state = state
        self.url = url

    def open(
        self,
        url: str = "s3://builds/shop",
        *,
        secret: str = SECRET,
        user: str = "AKIDSLIPWAY",
        paths: tuple[str, ...] = ("**",),
        limits: Limits | None = None,
    ) -> ArtifactSource:
        connection = Connection(name="store", kind=ConnectionKind.S3, url=self.url, user=user, token=SecretStr(secret))
        source = StorageSource(connection="store", url=url, paths=paths)
        return open_source(source, connection, limits or Limits())


def day(number: int) -> datetime:
    return datetime(2026, 11, number, tzinfo=UTC)


@pytest.fixture
def world(places) -> World:
    state = S3State(keys={"AKIDSLIPWAY": SECRET})
    state.buckets["builds"] = {
        "shop/1.9/shop.tar.gz": StoredObject(b"new", day(3)),
        "shop/1.10/dist/shop ä+.tar.gz": StoredObject(CONTENT, day(1)),
        "shop/1.10/notes.txt": StoredObject(b"notes", day(2)),
        "shop/1.10/": StoredObject(b"", day(9)),
        "shop/readme.txt": StoredObject(b"no version", day(9)),
        "shopping/2/x": StoredObject(b"another", day(9)),
    }
    here, url = places[0]
    here.app = s3.create_app(state)
    return World(state, url)


def test_a_version_is_a_folder_below_the_prefix(world, read):
    """Names with spaces and signs included; markers of folders are no files."""
    found = world.open().resolve("1.10")
    assert ("1.10", day(2)) == (found.version, found.built_at)
    assert [("dist/shop ä+.tar.gz", 2_000_000), ("notes.txt", 5)] == [(file.path, file.size) for file in found.files]
    assert {"dist/shop ä+.tar.gz": CONTENT, "notes.txt": b"notes"} == read(world.open(), "1.10")


def test_the_latest_is_the_one_with_the_newest_file(world):
    """Names tell no order."""
    assert "1.9" == world.open().resolve("latest").version
    assert [("1.9", day(3)), ("1.10", day(2))] == [(v.version, v.built_at) for v in world.open().recent(LatestOf(), 9)]
    assert ["1.9"] == [one.version for one in world.open().recent(LatestOf(), 1)]


def test_a_bucket_may_be_used_without_a_prefix(world):
    """Then its first folders are the versions."""
    assert {"shop", "shopping"} == {one.version for one in world.open("s3://builds").recent(LatestOf(), 9)}


def test_long_lists_come_in_pages(world):
    """And are read to their end."""
    world.state.page = 2
    assert 2 == len(world.open().resolve("1.10").files)
    assert 2 == len([seen for seen in world.state.seen if seen == "GET /builds"])


@pytest.mark.parametrize("start", [1, 1_999_999, 2_000_000])
def test_a_file_can_be_had_from_the_middle_on(world, start):
    """Also when nothing is left of it."""
    rest = b"".join(world.open().stream("1.10", "dist/shop ä+.tar.gz", start=start))
    assert CONTENT[start:] == rest


def test_a_file_that_changed_meanwhile_is_not_glued_together(world):
    """The store is asked for a part of the same object only."""
    source = world.open()
    assert b"notes" == b"".join(source.stream("1.10", "notes.txt"))
    world.state.buckets["builds"]["shop/1.10/notes.txt"] = StoredObject(b"other")
    with pytest.raises(WrongDigest, match="has changed at its source"):
        list(source.stream("1.10", "notes.txt", start=2))
    with pytest.raises(WrongDigest, match="has changed at its source"):
        list(source.stream("1.10", "notes.txt", start=6))


@pytest.mark.parametrize(
    ("url", "version", "words"),
    [
        ("s3://builds/shop", "9.9", "there is no folder 9.9 below s3://builds/shop"),
        ("s3://builds/none", "latest", "there is no folder below s3://builds/none"),
        ("s3://nothing/x", "latest", "not even the bucket"),
        ("s3://builds/shop", LatestOf(branch="main"), "neither branches nor tags"),
        ("s3://builds/shop", LatestOf(tags=("x",)), "neither branches nor tags"),
    ],
)
def test_what_is_missing_is_named(world, url, version, words):
    """Version, prefix or bucket."""
    with pytest.raises(ArtifactNotFound, match=words):
        world.open(url).resolve(version)


def test_a_file_that_is_gone_is_named(world):
    """Pinned before, missing now."""
    with pytest.raises(ArtifactNotFound, match=r"there is no gone\.txt of the version 1\.10"):
        list(world.open().stream("1.10", "gone.txt"))


@pytest.mark.parametrize("access", [{"secret": "wrong"}, {"user": "nobody"}, {"secret": "", "user": ""}])
def test_a_wrong_or_missing_key_is_denied(world, access):
    """And its secret is in no message."""
    with pytest.raises(SourceDenied, match="store does not let us have") as refused:
        world.open(**access).resolve("latest")
    assert "wrong" not in str(refused.value)
    with pytest.raises(SourceDenied):
        list(world.open(**access).stream("1.10", "notes.txt"))


def test_what_is_public_needs_no_key(world):
    """Nothing is signed, and nothing of the machine's own is used."""
    world.state.keys.clear()
    assert "1.9" == world.open(secret="", user="").resolve("latest").version


@pytest.mark.parametrize("version", ["..", "../shopping", "a/../..", "/etc"])
def test_no_version_leads_out_of_the_prefix(world, version):
    """Though requesters name it."""
    with pytest.raises(UnsafeArtifact):
        world.open().resolve(version)
    with pytest.raises(UnsafeArtifact):
        list(world.open().stream("1.10", f"{version}/x"))


@pytest.mark.parametrize("name", ["127.0.0.1:80", "x", "a b", "-x", "metadata.internal:80"])
def test_odd_names_of_buckets_are_refused(world, name):
    """They would become hosts in addresses."""
    with pytest.raises((UnsafeArtifact, ValueError)):
        world.open(f"s3://{name}/shop")


def test_no_redirect_of_a_store_leads_inside(world):
    """The library would follow it by itself."""
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ninside") as trap:
        fault = world.state.faults.add(Fault("/builds", redirect_to=f"{trap.address}/x"))
        with pytest.raises(UnsafeArtifact, match="leads to another host"):
            world.open().resolve("latest")
        with pytest.raises(UnsafeArtifact, match="leads to another host"):
            list(world.open().stream("1.10", "notes.txt"))
    assert 2 == fault.fired
    assert [] == trap.requests


def ask_proxy(proxy: GuardedProxy, request: str, inner: str = "") -> bytes:
    """With its password; all of the answer."""
    parts = urlsplit(proxy.url)
    password = base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()
    with socket.create_connection(("127.0.0.1", parts.port or 0), 5) as client:
        client.sendall(f"{request}\r\nProxy-Authorization: Basic {password}\r\n\r\n{inner}".encode())
        return b"".join(iter(lambda: client.recv(1000), b""))


def test_the_guards_proxy_carries_what_is_encrypted_to_hosts_that_may_be_reached():
    """It sees their names only."""
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as server:
        place = server.address.removeprefix("http://")
        open_to_it, closed = GuardedProxy(AllowedHosts.parsed(place)), GuardedProxy(AllowedHosts())
        tunnel = ask_proxy(open_to_it, f"CONNECT {place} HTTP/1.1\r\nHost: {place}", "GET / HTTP/1.1\r\n\r\n")
        assert b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" == tunnel
        asked = len(server.requests)
        for request in (f"CONNECT {place} HTTP/1.1", f"GET {server.address}/ HTTP/1.1", "GET / HTTP/1.1", "x"):
            assert not ask_proxy(closed, request).startswith(b"HTTP/1.1 200 ")
        with pytest.raises(UnsafeArtifact, match="inside network"):
            closed.check()
        assert asked == len(server.requests)


def test_the_guards_proxy_serves_nobody_without_its_password(world):
    """Others on this machine cannot use it."""
    proxy = GuardedProxy(AllowedHosts.parsed("127.0.0.1"))
    port = int(proxy.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(f"GET {world.url}/builds HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 407 ")
    proxy.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)


def test_a_download_that_is_cut_goes_on_where_it_was(world):
    """The library does so by itself, three times."""
    fault = world.state.faults.add(Fault("shop ä", cut_at=700_000))
    assert CONTENT == b"".join(world.open().stream("1.10", "dist/shop ä+.tar.gz"))
    assert 3 == fault.fired


@pytest.mark.parametrize("cut_at", [0, 100_000])
def test_a_download_that_is_cut_for_ever_is_an_error(world, cut_at):
    """For those who come again later."""
    fault = world.state.faults.add(Fault("shop ä", cut_at=cut_at))
    with pytest.raises(SourceUnreachable):
        list(world.open().stream("1.10", "dist/shop ä+.tar.gz"))
    assert fault.fired


def test_a_drip_ends_at_the_deadline(world):
    """Every single piece is in time; the whole is not."""
    fault = world.state.faults.add(Fault("notes.txt", drip=(1, 0.3)))
    with pytest.raises(SourceUnreachable, match="did not come"):
        list(world.open(limits=Limits(seconds=0.5)).stream("1.10", "notes.txt"))
    assert fault.fired


def test_a_file_beyond_the_cap_is_refused(world):
    """No store fills a disk."""
    with pytest.raises(UnsafeArtifact, match="larger than the 1000 bytes"):
        list(world.open(limits=Limits(size=1000)).stream("1.10", "dist/shop ä+.tar.gz"))


def test_nobody_listening_is_unreachable(world):
    """Port 1 of this machine answers nobody."""
    world.url = "http://127.0.0.1:1"
    with pytest.raises(SourceUnreachable):
        world.open().resolve("latest")


@pytest.mark.parametrize(("url", "kind"), [("s3://b/x", "s3"), ("az://b/x", "azure-blob"), ("gs://b/x", "gcs")])
def test_the_address_says_which_kind_of_connection_it_needs(url, kind):
    """Any other is refused."""
    source = StorageSource(connection="store", url=url)
    with pytest.raises(UnknownConnection, match=f"is one to jenkins, not to {kind}"):
        open_source(source, Connection(name="store", kind=ConnectionKind.JENKINS, url="https://ci.example"))


AZURE = """<?xml version="1.0" encoding="utf-8"?>
<EnumerationResults ServiceEndpoint="https://shop.blob.core.windows.net/" ContainerName="builds"><Prefix>shop/</Prefix>
<Blobs><Blob><Name>shop/1.10/notes.txt</Name><Properties>
<Creation-Time>Fri, 20 Nov 2026 09:30:00 GMT</Creation-Time><Last-Modified>Fri, 20 Nov 2026 09:30:00 GMT</Last-Modified>
<Etag>0x8DC</Etag><Content-Length>5</Content-Length><Content-Type>text/plain</Content-Type><BlobType>BlockBlob</BlobType></Properties></Blob></Blobs><NextMarker/>
</EnumerationResults>"""
GOOGLE = """<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://doc.s3.amazonaws.com/2006-03-01">
<Name>builds</Name><Prefix>shop/</Prefix><IsTruncated>false</IsTruncated><Contents><Key>shop/1.10/notes.txt</Key>
<LastModified>2026-11-20T09:30:00.000Z</LastModified><ETag>"a"</ETag><Size>5</Size></Contents></ListBucketResult>"""
KEY = base64.b64encode(b"k" * 32).decode()


def test_the_machines_own_token_is_sent_nowhere(monkeypatch):
    """The library would prefer the one of the environment to the key of the connection."""
    monkeypatch.setenv("AZURE_STORAGE_TOKEN", "of-the-machine")
    with raw_server(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n") as server:
        connection = Connection(
            name="store", kind=ConnectionKind.AZURE_BLOB, url=server.address, user="shop", token=SecretStr(KEY)
        )
        opened = open_source(StorageSource(connection="store", url="az://builds/shop"), connection)
        with pytest.raises(ArtifactNotFound):
            list(opened.stream("1", "x"))
    assert "of-the-machine" not in server.requests[0]
    assert "authorization: SharedKey shop:" in server.requests[0]


@pytest.mark.parametrize(
    ("kind", "url", "user", "token", "listing", "asked"),
    [
        ("azure-blob", "az://builds/shop", "shop", KEY, AZURE, "authorization: SharedKey shop:"),
        ("azure-blob", "az://builds/shop", "shop", "?sv=1&sig=a%2Fb", AZURE, "&sig=a%2Fb HTTP"),
        ("azure-blob", "az://builds/shop", "shop", "", AZURE, "comp=list&prefix=shop%2F HTTP"),
        ("gcs", "gs://builds/shop", "", "", GOOGLE, "prefix=shop%2F HTTP"),
    ],
    ids=["key of an account", "shared access signature", "public container", "public bucket"],
)
def test_other_stores_are_asked_in_their_own_language(kind, url, user, token, listing, asked):
    """The address of the connection is the store's, whichever it is."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {len(listing)}\r\n\r\n"
    with raw_server((head + listing).encode()) as server:
        connection = Connection(
            name="store", kind=ConnectionKind(kind), url=server.address, user=user, token=SecretStr(token)
        )
        found = open_source(StorageSource(connection="store", url=url), connection).resolve("latest")
    assert ("1.10", ["notes.txt"]) == (found.version, [file.path for file in found.files])
    assert asked in server.requests[0]


@pytest.mark.parametrize(
    ("kind", "url", "unfit"),
    [
        ("azure-blob", "az://builds/x", {"user": "shop", "token": "no key"}),
        ("gcs", "gs://builds/x", {"token": "{}"}),
        ("s3", "s3://builds/x", {"ca": "/nowhere/ca.pem"}),
    ],
)
def test_a_connection_that_cannot_be_used_here_is_refused(kind, url, unfit):
    """In our own words."""
    connection = Connection(name="store", kind=ConnectionKind(kind), url="https://store.example", **unfit)
    with pytest.raises(UnfitConnection, match="the connection store cannot be used on "):
        open_source(StorageSource(connection="store", url=url), connection)


def test_without_the_extra_it_is_said_how_to_install_it(monkeypatch):
    """Those who use no object store do not need it."""
    real = builtins.__import__

    def without(name: str, *rest: object, **named: object) -> object:
        if name.startswith(("obstore", "integrations.storage_source")):
            raise ModuleNotFoundError(name)
        return real(name, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    connection = Connection(name="store", kind=ConnectionKind.S3, url="https://s3.example")
    with pytest.raises(ExtraNotInstalled, match=r"slipway\[storage\]"):
        open_source(StorageSource(connection="store", url="s3://builds/x"), connection)
