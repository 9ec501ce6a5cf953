"""Asking the tools of this machine for their versions: side by side, bounded in time and output, never failing."""

import asyncio
import os
import re
import signal
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

import structlog

_log = structlog.get_logger("slipway.agent")
_EACH_WITHIN = 2.0
_ALL_WITHIN = 4.0
_AT_ONCE = 4
_CLOSES_WITHIN = 0.5
_READ_AT_MOST = 4096
_VERSION = re.compile(r"\d+(?:\.\d+)+")
_NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.])")

# What is not here either has no version to speak of, is slow to tell it, or asks the network first.
_WAYS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("docker", "git", "python3", "node", "dotnet", "pwsh", "terraform", "tofu"), ("--version",)),
    "java": ("-version",),
    "go": ("version",),
    "kubectl": ("version", "--client"),
    "helm": ("version", "--short"),
    **dict.fromkeys(("docker-compose", "podman", "buildah", "skopeo", "packer", "uv", "bash", "curl"), ("--version",)),
    **dict.fromkeys(("jq", "make", "cmake", "gcc", "cargo", "ruby", "php", "psql", "mysql"), ("--version",)),
    **dict.fromkeys(("rsync", "tar", "wget", "systemctl"), ("--version",)),
    "ssh": ("-V",),
    "unzip": ("-v",),
}
_QUIET = {
    "LC_ALL": "C",
    "CHECKPOINT_DISABLE": "1",
    "COREPACK_ENABLE_NETWORK": "0",
    "DOTNET_CLI_TELEMETRY_OPTOUT": "1",
    "DOTNET_NOLOGO": "1",
    "GOTOOLCHAIN": "local",
    "NO_UPDATE_NOTIFIER": "1",
    "POWERSHELL_TELEMETRY_OPTOUT": "1",
    "POWERSHELL_UPDATECHECK": "Off",
}
_HANDED_ON = ("PATH", "HOME", "USER", "JAVA_HOME", "SYSTEMROOT")


async def tool_versions(
    tools: Mapping[str, str],
    inherited: Mapping[str, str],
    *,
    each_within: float = _EACH_WITHIN,
    all_within: float = _ALL_WITHIN,
) -> dict[str, str]:
    """Versions of those tools (paths by name) that tell one in time."""
    environment = {name: inherited[name] for name in _HANDED_ON if name in inherited} | _QUIET
    found: dict[str, str] = {}
    turns = asyncio.Semaphore(_AT_ONCE)

    async def look(tool: str) -> None:
        async with turns:
            version = await _version([tools[tool], *_WAYS[tool]], environment, each_within)
        if version:
            found[tool] = version

    asked = [asyncio.create_task(look(tool)) for tool in _WAYS if tool in tools]
    await _end_late(asked, all_within)
    return {tool: found[tool] for tool in tools if tool in found}


async def _end_late(asked: Collection["asyncio.Task[None]"], within: float) -> None:
    if not asked:
        return
    try:
        _, late = await asyncio.wait(asked, timeout=within)
        if late:
            _log.warning("not all tools told their version in time", late=len(late))
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)


async def _version(command: list[str], environment: Mapping[str, str], within: float) -> str:
    """Empty when the tool does not start, fails, hangs, or tells none."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            cwd=Path.home().anchor,  # a project's folder could make a tool fetch another version of itself
            start_new_session=True,
        )
    except OSError:
        return ""
    told, exit_code = "", None
    try:
        async with asyncio.timeout(within):
            told, exit_code = await _beginning(process), await process.wait()
    except TimeoutError:
        _log.warning("a tool did not tell its version in time", tool=command[0])
    finally:
        if exit_code is None:
            await _end(process)
    return "" if exit_code else version_in(told)


async def _beginning(process: asyncio.subprocess.Process) -> str:
    """What it prints, as far as it may say its version; the rest is read and dropped."""
    assert process.stdout is not None, "it was started with a pipe"
    told = b""
    while piece := await process.stdout.read(_READ_AT_MOST):
        told = (told + piece)[:_READ_AT_MOST]
    return told.decode(errors="replace")


def version_in(told: str) -> str:
    """The first dotted number, or else the first number that stands alone."""
    found = _VERSION.search(told) or _NUMBER.search(told)
    return found[0] if found else ""


async def _end(process: asyncio.subprocess.Process) -> None:
    """With all that it started, and until its output is closed."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(_CLOSES_WITHIN):
            await _beginning(process)
            await process.wait()
