"""A proxy inside this process, for a library that opens its own connections and follows redirects by itself.

It listens on this machine for whoever knows its password, and lets through what ``guarded_network`` would. What is
encrypted stays so: it only carries the bytes.
"""

import base64
import secrets
import socket
import threading
import weakref
from contextlib import closing, suppress
from urllib.parse import urlsplit

from activities.artifact_source import UnsafeArtifact
from integrations.guarded_addresses import AllowedHosts
from integrations.guarded_network import connected

_LARGEST_HEAD = 64 << 10
_PIECE = 256 << 10
_CONNECT_SECONDS = 5.0
_SILENT_SECONDS = 30.0
_END = b"\r\n\r\n"
_USER = "slipway"


class GuardedProxy:
    """Serves until ``close`` is called, or nobody refers to it any more. ``refusal`` tells what it last refused."""

    def __init__(self, allowed: AllowedHosts) -> None:
        self._state = _State(allowed)
        self._listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=_serve, args=(self._listening, self._state), daemon=True).start()
        self.close = weakref.finalize(self, _stop, self._listening)

    @property
    def url(self) -> str:
        """With its password."""
        return f"http://{_USER}:{self._state.password}@127.0.0.1:{self._listening.getsockname()[1]}"

    def check(self) -> None:
        """Raises what it refused since the last time."""
        refusal, self._state.refusal = self._state.refusal, None
        if refusal is not None:
            raise refusal


class _State:
    """What the proxy's threads share; they must not refer to the proxy itself, which would never go then."""

    def __init__(self, allowed: AllowedHosts) -> None:
        self.allowed = allowed
        self.password = secrets.token_hex(16)
        self.refusal: UnsafeArtifact | None = None

    @property
    def authorization(self) -> bytes:
        return b"Basic " + base64.b64encode(f"{_USER}:{self.password}".encode())


def _stop(listening: socket.socket) -> None:
    with suppress(OSError):
        listening.shutdown(socket.SHUT_RDWR)
    listening.close()


def _serve(listening: socket.socket, state: _State) -> None:
    while True:
        try:
            client, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_handle, args=(client, state), daemon=True).start()


def _handle(client: socket.socket, state: _State) -> None:
    with closing(client), suppress(OSError, ValueError):
        client.settimeout(_SILENT_SECONDS)
        head, rest = _read_head(client)
        first, *headers = head.split(b"\r\n")
        method, target, version = first.split(b" ")
        if not any(
            secrets.compare_digest(_value(line, b"proxy-authorization"), state.authorization) for line in headers
        ):
            client.sendall(_answer(b"407 Proxy Authentication Required"))
            return
        is_tunnel = method == b"CONNECT"
        url = urlsplit((b"//" + target if is_tunnel else target).decode("ascii"))
        try:
            server = connected(url.hostname or "", url.port or 80, state.allowed, _CONNECT_SECONDS)
        except UnsafeArtifact as refusal:
            state.refusal = refusal
            client.sendall(_answer(b"403 Forbidden"))
            return
        except OSError:
            client.sendall(_answer(b"502 Bad Gateway"))
            return
        with closing(server):
            server.settimeout(_SILENT_SECONDS)
            if is_tunnel:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                server.sendall(rest)
            else:
                path = (url.path or "/") + (f"?{url.query}" if url.query else "")
                kept = [line for line in headers if not line.lower().startswith((b"proxy-", b"connection:"))]
                # One request for each connection: the next may be for another host, and must be looked at.
                asked = [b" ".join((method, path.encode(), version)), *kept, b"Connection: close"]
                server.sendall(b"\r\n".join(asked) + _END + rest)
            _carry_both_ways(client, server)


def _read_head(client: socket.socket) -> tuple[bytes, bytes]:
    text = b""
    while _END not in text:
        piece = client.recv(_PIECE)
        if not piece or len(text) > _LARGEST_HEAD:
            raise ValueError("no request")
        text += piece
    head, _, rest = text.partition(_END)
    return head, rest


def _value(line: bytes, name: bytes) -> bytes:
    found, _, value = line.partition(b":")
    return value.strip() if found.strip().lower() == name else b""


def _answer(status: bytes) -> bytes:
    return b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close" + _END


def _carry_both_ways(client: socket.socket, server: socket.socket) -> None:
    """Until the server ends, or is silent for too long; a client may be silent while it gets something."""
    back = threading.Thread(target=_carry_requests, args=(client, server), daemon=True)
    back.start()
    with suppress(OSError):
        while piece := server.recv(_PIECE):
            client.sendall(piece)
    _carry_no_more(client, server)
    back.join()


def _carry_requests(client: socket.socket, server: socket.socket) -> None:
    with suppress(OSError):
        while True:
            try:
                piece = client.recv(_PIECE)
            except TimeoutError:
                continue
            if not piece:
                return
            server.sendall(piece)


def _carry_no_more(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
