"""A server that says exactly the bytes it is told and keeps what it was asked: for answers no framework sends."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class RawServer:
    """What it was asked, request by request, as text."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.requests: list[str] = []


@contextmanager
def raw_server(*answers: bytes) -> Iterator[RawServer]:
    """Serve while the block runs; one connection after the other gets its bytes, those beyond the last the same."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = RawServer(f"http://127.0.0.1:{listening.getsockname()[1]}")
    thread = threading.Thread(target=_serve, args=(listening, server, answers), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(timeout=10)


def _serve(listening: socket.socket, server: RawServer, answers: tuple[bytes, ...]) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(5)
            server.requests.append(_head(connection))
            connection.sendall(answers[min(len(server.requests), len(answers)) - 1])


def _head(connection: socket.socket) -> str:
    text = b""
    while b"\r\n\r\n" not in text:
        piece = connection.recv(65536)
        if not piece:
            break
        text += piece
    return text.decode("latin-1")
