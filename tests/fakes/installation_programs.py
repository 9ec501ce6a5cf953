"""The programs of a local installation, played by one small HTTP server that takes a moment to start.

Run as a script, it is ``slipway up`` with these programs.
"""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from local import up
from local.child import Program
from local.programs import Programs

_ANSWER = {"token": "t", "value": "slw_demo", "id": "webshop/1", "secret": "slh_demo"}


class FakePrograms(Programs):
    """Every program serves its ports and answers everything well."""

    def temporal(self) -> Program:
        return self._fake("temporal", "ui")

    def stand_ins(self) -> Program:
        return self._fake("stand-ins", "jenkins", "azure", "sendgrid")

    def api(self) -> Program:
        return self._fake("api", "api")

    def worker(self) -> Program:
        return self._fake("worker")

    def agent(self, enrolment_token: str) -> Program:
        assert enrolment_token == _ANSWER["token"]
        return self._fake("agent")

    def _fake(self, name: str, *ports: str) -> Program:
        numbers = [str(self._memory.ports[port]) for port in ports]
        return self._program(name, [sys.executable, __file__, "serve", *numbers], {})


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        lists: dict[str, object] = {"agents": [{"is_online": True}], "hooks": []}
        self._answer(lists.get(self.path.rpartition("/")[2], {"pollers": [{}]}))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(_ANSWER)

    do_PUT = do_POST  # noqa: N815  the library's name

    def _answer(self, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def serve(ports: list[str]) -> None:
    """Serve the ports until a signal ends it."""
    for port in ports:
        server = ThreadingHTTPServer(("127.0.0.1", int(port)), _Handler)
        Thread(target=server.serve_forever, daemon=True).start()
    signal.pause()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2:])
    else:
        sys.exit(up.main(sys.argv[1:], os.environ, FakePrograms))
