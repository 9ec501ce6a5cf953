"""A real HTTP server on loopback that answers as it was told, and remembers what it was asked."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """What came in."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> object:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What goes out; a ``body`` that is not bytes is sent as JSON."""

    body: object = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Route = Answer | Callable[[Request], Answer]


class ApiServer:
    """Routes by ``"GET /path"``; a list of answers is given one after the other, its last one for ever."""

    def __init__(self) -> None:
        self.routes: dict[str, list[Route]] = {}
        self.requests: list[Request] = []
        self.url = ""

    def on(self, route: str, *answers: Route) -> None:
        """Say what ``"GET /path"`` is answered with."""
        self.routes[route] = list(answers)

    def asked(self, route: str) -> list[Request]:
        """The requests to ``"GET /path"``, in order."""
        return [request for request in self.requests if f"{request.method} {request.path}" == route]

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        answers = self.routes.get(f"{request.method} {request.path}")
        if not answers:
            return problem(404, "NotFound", f"there is no {request.path}")
        chosen = answers.pop(0) if len(answers) > 1 else answers[0]
        return chosen if isinstance(chosen, Answer) else chosen(request)


def problem(status: int, error: str, detail: str, errors: list[dict[str, object]] | None = None) -> Answer:
    """An answer of RFC 9457."""
    body = {"type": "about:blank", "title": error, "status": status, "error": error, "detail": detail}
    return Answer(body | {"errors": errors or []}, status, {"Content-Type": "application/problem+json"})


@contextmanager
def serving() -> Iterator[ApiServer]:
    """The server, listening while in the block."""
    api = ApiServer()

    class Handler(BaseHTTPRequestHandler):
        """Hands each request to the server's answers."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815  the library's names

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query, headers = dict(parse_qsl(parts.query)), {k.lower(): v for k, v in self.headers.items()}
            given = api.answer(Request(self.command, unquote(parts.path), query, headers, body))
            content = given.body if isinstance(given.body, bytes) else json.dumps(given.body).encode()
            self.send_response(given.status)
            for name, value in {"Content-Type": "application/json", **given.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
