"""Jenkins, Azure DevOps and SendGrid for a machine that has none, in one process: ``python -m local.standins``."""

import argparse
import asyncio
import os
import socket

import uvicorn
from starlette.types import ASGIApp

from local import azure, demo_builds, jenkins, sendgrid
from local.demo_trigger import with_new_builds
from local.mail_events import EventKey, EventWebhook
from local.sendgrid import SendGridState

_HOST = "127.0.0.1"
_EVENT_KEY = "SENDGRID_EVENT_KEY"


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    arguments = _arguments()
    listening = [_listen(arguments.jenkins_port), _listen(arguments.azure_port), _listen(arguments.sendgrid_port)]
    content = _listen(0)
    builds, jobs = demo_builds.azure(), demo_builds.jenkins()
    # Another name and another port than Azure's own: a token sent here would have leaked.
    builds.content_url = f"http://localhost:{content.getsockname()[1]}"
    apps = [
        with_new_builds(jenkins.create_app(jobs, demo_builds.jenkins_queue(jobs)), jobs),
        azure.create_app(builds),
        sendgrid.create_app(_sendgrid(arguments.sendgrid_events_to)),
    ]
    asyncio.run(_serve([*zip(apps, listening, strict=True), (azure.create_content_app(builds), content)]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.standins", description=__doc__)
    parser.add_argument("--jenkins-port", type=int, default=8081)
    parser.add_argument("--azure-port", type=int, default=8082)
    parser.add_argument("--sendgrid-port", type=int, default=8083)
    parser.add_argument("--sendgrid-events-to", metavar="URL", help=f"who is told; signed with the key in {_EVENT_KEY}")
    return parser.parse_args()


def _sendgrid(events_to: str | None) -> SendGridState:
    """The key comes by the environment: everybody on the machine may read arguments."""
    state = demo_builds.sendgrid()
    if events_to is not None:
        state.webhook = EventWebhook(events_to, EventKey(os.environ[_EVENT_KEY]))
    return state


def _listen(port: int) -> socket.socket:
    return socket.create_server((_HOST, port))


async def _serve(apps: list[tuple[ASGIApp, socket.socket]]) -> None:
    """All of them end when one does; uvicorn lets each hear the signal."""
    servers = [(uvicorn.Server(_config(app)), listening) for app, listening in apps]
    tasks = [asyncio.create_task(server.serve(sockets=[listening])) for server, listening in servers]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for server, _ in servers:
        server.should_exit = True
    await asyncio.gather(*tasks)


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(app, lifespan="off", ws="none", server_header=False, log_level="warning")


if __name__ == "__main__":
    main()
