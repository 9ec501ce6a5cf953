"""No pipeline reaches the inside: addresses and tricks against a trap, and the hosts that an operator allows."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes.raw_server import RawServer, raw_server

from activities.artifact_source import ArtifactSource, SourceUnreachable, UnsafeArtifact
from domain.pipeline import UrlSource
from integrations import guarded_network
from integrations.artifact_sources import open_source
from integrations.guarded_addresses import AllowedHosts, is_outside
from settings import Settings

PUBLIC = "93.184.216.34"
PUBLIC_6 = "2606:2800:220:1::1"
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ninside"

INSIDE = [
    *("127.0.0.1", "127.0.0.2", "127.1", "127.255.255.254", "0.0.0.0", "0", "0.1.2.3"),
    *("2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "0x7F.0x0.0x0.0x1", "127.0.1"),
    *("localhost", "LOCALHOST", "localhost.", "ip6-localhost"),
    *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255"),
    *("100.64.0.1", "100.100.100.200", "168.63.129.16"),
    *("169.254.169.254", "169.254.170.2", "2852039166", "0xa9fea9fe", "0xa9.0xfe.0xa9.0xfe"),
    *("192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.7", "203.0.113.9"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::0001]"),
    *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:10.0.0.1]", "[::ffff:0:127.0.0.1]", "[::127.0.0.1]"),
    *("[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::10.0.0.1]"),
    *("[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[2001::1]", "[2001:0:7f00:1::]", "[2001:db8::1]"),
    *("[fc00::1]", "[fd00:ec2::254]", "[fd20:ce::254]", "[fe80::1]", "[fec0::1]", "[ff02::1]"),
    *("[100::1]", "[3fff::1]", "[5f00::1]", "[2606:2800:220:1:0:5efe:7f00:1]"),
]


def source(href: str, allowed: str = "") -> ArtifactSource:
    return open_source(UrlSource(href=href), None, allowed=AllowedHosts.parsed(allowed))


def fetch(href: str, allowed: str = "") -> bytes:
    return b"".join(source(href, allowed).stream("1", href))


@pytest.fixture(scope="module")
def trap() -> Iterator[RawServer]:
    """Somebody on this machine, who answers gladly."""
    with raw_server(GOOD) as server:
        yield server


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where connections were tried; every one of them is refused, also to the wide internet."""
    tried: list[str] = []

    def refuse(address: tuple[str, int], *_: object, **__: object) -> None:
        tried.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    return tried


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """What names resolve to, one answer after the other; the last stays. Other names are resolved as ever."""
    answers: dict[str, list[list[str]]] = {}
    resolve = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *rest: object, **named: object) -> list[object]:
        if host not in answers:
            return resolve(host, port, *rest, **named)  # type: ignore[call-overload]
        found = answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]
        family = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(family[":" in address], socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return answers


def test_there_are_enough_tricks():
    """Sixty at least, none of them twice."""
    assert 60 <= len(INSIDE) == len(set(INSIDE))


@pytest.mark.parametrize("host", INSIDE)
def test_an_inside_address_is_never_connected_to(trap, attempts, host):
    """However it is written; where this machine does not know the spelling, it is no address at all."""
    port = trap.address.rsplit(":", 1)[1]
    with pytest.raises((UnsafeArtifact, SourceUnreachable)) as refused:
        fetch(f"http://{host}:{port}/x")
    assert isinstance(refused.value, UnsafeArtifact) or "ConnectError" in str(refused.value)
    assert ([], []) == (attempts, trap.requests)


@pytest.mark.parametrize("host", INSIDE)
def test_no_redirect_leads_inside(trap, host):
    """From a host that is allowed, as any public one is."""
    port = trap.address.rsplit(":", 1)[1]
    moved = f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://{host}:{port}/x\r\n\r\n".encode()
    with raw_server(moved) as outside, pytest.raises((UnsafeArtifact, SourceUnreachable)):
        fetch(f"{outside.address}/x", outside.address.removeprefix("http://"))
    assert (1, []) == (len(outside.requests), trap.requests)


@pytest.mark.parametrize(
    "trick",
    [
        "http://public.example@{trap}/",
        "http://user:public.example@{trap}/",
        "//{trap}/",
        "http:{trap}/",
        "http:///{trap}/",
        "http:\\\\{trap}\\",
        "http://{trap}#@public.example/",
        "http://{trap}?@public.example/",
        "http://public.example\\@{trap}/",
        "HTTP://{trap}/",
        " http://{trap}/",
        "http://{trap}./",
        "http://①②⑦.⓪.⓪.①:{port}/",
        "http://127。0。0。1:{port}/",
        "http://%31%32%37.0.0.1:{port}/",
        "http://[::ffff:127.0.0.1%25lo]:{port}/",
        "http://[fe80::1%25lo]:{port}/",
        "http://[::1%251]:{port}/",
        "ftp://{trap}/",
        "gopher://{trap}/_GET",
        "file:///etc/hostname",
    ],
)
def test_no_way_of_writing_a_redirect_leads_inside(trap, names, trick):
    """Users in addresses, other slashes, wide digits, zones, other schemes."""
    names["public.example"] = [["127.0.0.1"]]
    place = trap.address.removeprefix("http://")
    location = trick.format(trap=place, port=place.rsplit(":", 1)[1]).encode()
    moved = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n"
    with raw_server(moved) as outside, pytest.raises((UnsafeArtifact, SourceUnreachable)):
        fetch(f"{outside.address}/x", outside.address.removeprefix("http://"))
    assert outside.requests
    assert [] == trap.requests


@pytest.mark.parametrize(
    "answers",
    [
        [["127.0.0.1"]],
        [["10.1.2.3"]],
        [["::1"]],
        [["::ffff:127.0.0.1"]],
        [["fe80::1%eth0"]],
        [[PUBLIC, "127.0.0.1"]],
        [["127.0.0.1", PUBLIC]],
        [[PUBLIC_6, "::1"]],
        [[PUBLIC, "fd00::1"]],
    ],
)
def test_a_name_with_any_inside_address_is_refused(names, attempts, answers):
    """One good address does not make up for another."""
    names["rebind.example"] = answers
    with pytest.raises(UnsafeArtifact, match=r"rebind\.example is a host of an inside network"):
        fetch("http://rebind.example/x")
    assert [] == attempts


def test_a_name_that_changes_its_answer_gains_nothing(names, attempts):
    """The address that was looked at is the one that is connected to."""
    names["rebind.example"] = [[PUBLIC], ["127.0.0.1"]]
    with pytest.raises(SourceUnreachable):
        fetch("http://rebind.example/x")
    assert [PUBLIC] == attempts
    with pytest.raises(UnsafeArtifact):
        fetch("http://rebind.example/x")
    assert [PUBLIC] == attempts


def test_requests_and_certificates_keep_the_name_of_the_host(trap, names, monkeypatch):
    """Though it is an address that is connected to."""
    monkeypatch.setattr(guarded_network, "is_outside", lambda address: address == "127.0.0.1")
    names["files.example"] = [["127.0.0.1"]]
    trap.requests.clear()
    port = trap.address.rsplit(":", 1)[1]
    assert b"inside" == fetch(f"http://files.example:{port}/x")
    assert f"host: files.example:{port}" in trap.requests.pop().lower()
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as threads:
        greeting = threads.submit(first_bytes, listening)
        with pytest.raises(SourceUnreachable):
            fetch(f"https://files.example:{listening.getsockname()[1]}/x")
        assert b"files.example" in greeting.result(10)


def first_bytes(listening: socket.socket) -> bytes:
    """Of a client's greeting for TLS, which names the host in plain text."""
    connection, _ = listening.accept()
    with connection:
        return connection.recv(65536)


def test_all_public_addresses_of_a_name_are_tried(names, attempts):
    """In the order they came."""
    names["two.example"] = [[PUBLIC_6, PUBLIC]]
    with pytest.raises(SourceUnreachable):
        fetch("http://two.example/x")
    assert [PUBLIC_6, PUBLIC] == attempts


@pytest.mark.parametrize(
    "allowed", ["127.0.0.1", "files.example, 127.0.0.1:{port}", "[::1],127.0.0.1", "127.0.0.1:{port}"]
)
def test_an_allowed_host_is_reached(trap, allowed):
    """By its name as it stands in the address, on any port or on one."""
    assert b"inside" == fetch(f"{trap.address}/x", allowed.format(port=trap.address.rsplit(":", 1)[1]))
    trap.requests.clear()


@pytest.mark.parametrize(
    ("allowed", "host", "is_allowed"),
    [
        ("files.corp.example", "files.corp.example", True),
        ("files.corp.example", "FILES.corp.example.", True),
        ("files.corp.example", "other.corp.example", False),
        ("files.corp.example", "x.files.corp.example", False),
        ("files.corp.example:8443", "files.corp.example", False),
        ("files.corp.example:8080", "files.corp.example", True),
        ("*.corp.example", "a.b.corp.example", True),
        ("*.corp.example", "corp.example", False),
        ("*.corp.example", "evilcorp.example", False),
        ("*.corp.example:8080", "a.corp.example", True),
        ("127.0.0.1", "localhost", False),
        ("", "files.corp.example", False),
    ],
)
def test_what_is_allowed_is_what_is_named(allowed, host, is_allowed):
    """On port 8080, no more and no less."""
    assert is_allowed == AllowedHosts.parsed(allowed).allows(host, 8080)


@pytest.mark.parametrize(
    "text", ["http://files.example", "files.example/x", "*", "*.", "a b", "10.0.0.0/8", "a:b", "-"]
)
def test_a_list_that_is_none_is_refused_when_a_process_starts(text):
    """Rather than allowing something else than was meant."""
    with pytest.raises(ValueError, match="is no host"):
        Settings(secret_key="0" * 64, allowed_hosts=text)


@pytest.mark.parametrize(
    "address", [PUBLIC, "8.8.8.8", "172.32.0.1", "100.128.0.1", "223.255.255.254", PUBLIC_6, "2a00:1450::1"]
)
def test_public_addresses_are_outside(address):
    """They need nobody's leave."""
    assert is_outside(address)
