"""An ASGI application on a real socket of this machine, for clients that speak no ASGI."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send


@contextmanager
def served(app: ASGIApp, *, certificate: Path | None = None, key: Path | None = None) -> Iterator[str]:
    """Serve the application on a free port while the block runs; gives the address, without a slash at the end."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        server_header=False,
        access_log=False,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        scheme = "http" if certificate is None else "https"
        yield f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join(timeout=10)
        listening.close()


class Place:
    """An application whose inside can be exchanged while it is served: one server for many tests."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


@contextmanager
def place() -> Iterator[tuple[Place, str]]:
    """A place, served, and its address."""
    exchangeable = Place()
    with served(exchangeable) as url:
        yield exchangeable, url
