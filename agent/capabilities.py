"""What this machine can do, as names and values that jobs may demand."""

import asyncio
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping

from agent.tool_versions import tool_versions

_TOOLS = (
    *("ansible", "aws", "az", "bash", "buildah", "cargo", "cmake", "curl", "docker", "docker-compose", "dotnet"),
    *("gcc", "gcloud", "git", "go", "gradle", "helm", "java", "jq", "kubectl", "make", "mvn", "mysql", "node", "npm"),
    *("packer", "php", "pip3", "podman", "psql", "pulumi", "pwsh", "python3", "rsync", "ruby", "sh", "skopeo", "ssh"),
    *("systemctl", "tar", "terraform", "tofu", "unzip", "uv", "wget", "yarn"),
)
_SYSTEMS = {"linux": "linux", "darwin": "darwin", "win32": "windows"}
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


# What the API takes; one long value must not keep the agent from being heard.
_LONGEST_VALUE = 1000
_MOST_VARIABLES = 200
_ASKED_AFTER_SECONDS = (0, 60, 600)


class Capabilities:
    """What this machine can do. Tools are known at once; ``ask_tools`` fills in their versions.

    ``labels`` (``gpu,region=eu``) win over what was found; ``environment`` names the variables of ``inherited`` whose
    values become capabilities, as ``env.NAME``.
    """

    def __init__(
        self,
        *,
        agent: str,
        version: str,
        labels: str = "",
        environment: Iterable[str] = (),
        inherited: Mapping[str, str] | None = None,
        find: Callable[[str], str | None] = shutil.which,
    ) -> None:
        self._inherited = inherited or {}
        self._tools = {tool: path for tool in _TOOLS if (path := find(tool))}
        self._versions: dict[str, str] = {}
        self._fixed = {
            **_of_machine(),
            "agent.name": agent,
            "agent.version": version,
            **_variables(environment, self._inherited),
        }
        self._labels = _labels(labels)

    def __call__(self) -> dict[str, str]:
        """By name; names are compared in lower case."""
        return {**dict.fromkeys(self._tools, ""), **self._versions, **self._fixed, **self._labels}

    async def ask_tools(self) -> None:
        """Fill in the versions of the tools. Those that did not answer, on a busy machine, are asked again later."""
        for pause in _ASKED_AFTER_SECONDS:
            await asyncio.sleep(pause)
            silent = {tool: path for tool, path in self._tools.items() if tool not in self._versions}
            self._versions |= await tool_versions(silent, self._inherited)


def _of_machine() -> dict[str, str]:
    machine = platform.machine().lower()
    return {
        "os": _SYSTEMS.get(sys.platform, sys.platform),
        "arch": _ARCHITECTURES.get(machine, machine),
        "cores": str(os.cpu_count() or 1),
    }


def _variables(names: Iterable[str], inherited: Mapping[str, str]) -> dict[str, str]:
    """Those that are set; what is no text in UTF-8 is shown with question marks."""
    known = [name for name in names if name in inherited][:_MOST_VARIABLES]
    return {f"env.{name}": inherited[name].encode(errors="replace").decode()[:_LONGEST_VALUE] for name in known}


def _labels(text: str) -> dict[str, str]:
    pairs = (label.partition("=") for label in text.split(",") if label.strip())
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
