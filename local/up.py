"""``slipway up``: run a whole installation on this machine, or with ``--check`` one release through it."""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from local import announcement, check, demo
from local.api_client import ApiClient
from local.child import stop_orphans
from local.installation import Installation
from local.ports import DEFAULTS, PortChoice, any_free_ports, choose_ports
from local.programs import Programs, url
from local.signals import until_signal
from local.state_folder import HeldByAnother, Memory, StateFolder
from local.trouble import Trouble

_FAILED = 1

Programming = Callable[[Path, Memory], Programs]


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the options; leaves with 2 and a word for wrong ones."""
    parser = argparse.ArgumentParser(
        prog="slipway up",
        description="Run a whole installation on this machine: Temporal, API, release worker, an agent, and stand-ins "
        "for Jenkins, Azure DevOps and SendGrid.",
        epilog="Examples: slipway up | slipway up --check | slipway up --state /tmp/try --api-port 9000",
    )
    parser.add_argument("--state", type=Path, default=Path(".slipway"), help="folder that keeps it all (%(default)s)")
    parser.add_argument("--fresh", action="store_true", help="delete what the folder keeps, and start anew")
    parser.add_argument("--check", action="store_true", help="run one release through in a folder of its own, and end")
    parser.add_argument("--mail", choices=["outbox", "sendgrid"], default="outbox", help="where mails go (%(default)s)")
    parser.add_argument("--no-demo", action="store_true", help="no example pipelines, people and release")
    for name, port in DEFAULTS.items():
        parser.add_argument(f"--{name}-port", type=_port, metavar="PORT", help=f"default: {port}, or the next free one")
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65_536:  # noqa: PLR2004  that is what a port is
        raise argparse.ArgumentTypeError(f"{text!r} is no port")
    return int(text)


def say(text: str) -> None:
    """Tell the person at the terminal."""
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str], surroundings: Mapping[str, str], programs: type[Programs] = Programs) -> int:
    """Run the command; returns its exit code."""
    options = parse(arguments)
    made = partial(programs, surroundings=surroundings, mail=options.mail)
    try:
        return _check(made) if options.check else _stand(options, made)
    except Trouble as trouble:
        say(f"error: {trouble.message}")
        if trouble.hint:
            say(f"hint: {trouble.hint}")
        return _FAILED


def _stand(options: argparse.Namespace, programs: Programming) -> int:
    """Run until a signal comes."""
    try:
        with StateFolder(options.state) as folder:
            stop_orphans(folder.path, say)
            if options.fresh:
                folder.empty()
            kept = folder.recall()
            memory = _placed(kept, choose_ports(_explicit_ports(options), kept.ports))
            folder.keep(memory)
            installation = Installation(folder.logs, memory, programs(folder.path, memory), say)
            serving = _serve(installation, folder, memory, with_demo=not options.no_demo)
            return asyncio.run(until_signal(installation, serving))
    except HeldByAnother:
        return _already_running(StateFolder(options.state))


def _already_running(folder: StateFolder) -> int:
    memory = folder.recall()
    say(f"Slipway runs already in {folder.path}:\n")
    say("\n".join(announcement.places(memory)))
    return 0


async def _serve(installation: Installation, folder: StateFolder, memory: Memory, *, with_demo: bool) -> int:
    """Start, fill, tell, and wait for ever."""
    await installation.start()
    if with_demo:
        memory = await _filled(folder, memory)
    if with_demo and not memory.first_release:
        first = await demo.release(memory, key="first-release", description="the first one, by slipway up")
        memory = memory.model_copy(update={"first_release": first})
        folder.keep(memory)
    say(announcement.ready(memory))
    await asyncio.Event().wait()
    return 0


async def _filled(folder: StateFolder, memory: Memory) -> Memory:
    async with ApiClient(memory.api_url, memory.admin_token) as api:
        filled = await demo.fill(api, memory)
    folder.keep(filled)
    return filled


def _check(programs: Programming) -> int:
    """One release through an installation of its own; the folder stays where something went wrong."""
    began = time.monotonic()
    home = Path(tempfile.mkdtemp(prefix="slipway-check-"))
    with StateFolder(home / "state") as folder:
        memory = _placed(folder.recall(), PortChoice(ports=any_free_ports(), remarks=()))
        folder.keep(memory)
        installation = Installation(folder.logs, memory, programs(folder.path, memory), say)
        try:
            code = asyncio.run(until_signal(installation, _one_release(installation, folder, memory)))
        except Trouble:
            say(f"FAILED after {time.monotonic() - began:.1f} s; logs are kept in {folder.logs}")
            raise
    shutil.rmtree(home)
    verdict = "OK: one release went through" if code == 0 else "stopped"
    say(f"{verdict}, {time.monotonic() - began:.1f} s from start to stop")
    return code


async def _one_release(installation: Installation, folder: StateFolder, memory: Memory) -> int:
    await installation.start()
    watch = check.Stopwatch(say)
    filled = await _filled(folder, memory)
    watch.lap("pipelines, connections, a secret and people are set up")
    await check.run_one_release(filled, say)
    return 0


def _explicit_ports(options: argparse.Namespace) -> dict[str, int]:
    given = {name: getattr(options, f"{name}_port") for name in DEFAULTS}
    return {name: port for name, port in given.items() if port is not None}


def _placed(memory: Memory, choice: PortChoice) -> Memory:
    for remark in choice.remarks:
        say(remark)
    found = announcement.addresses(choice.ports)
    return memory.model_copy(update={"ports": choice.ports, "api_url": url(choice.ports["api"]), "addresses": found})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
