"""What this machine can do, as names and values that jobs may demand."""

import os
import platform
import shutil
import sys
from collections.abc import Callable

_TOOLS = (
    *("ansible", "aws", "az", "bash", "buildah", "cargo", "cmake", "curl", "docker", "docker-compose", "dotnet"),
    *("gcc", "gcloud", "git", "go", "gradle", "helm", "java", "jq", "kubectl", "make", "mvn", "mysql", "node", "npm"),
    *("packer", "php", "pip3", "podman", "psql", "pulumi", "pwsh", "python3", "rsync", "ruby", "sh", "skopeo", "ssh"),
    *("systemctl", "tar", "terraform", "tofu", "unzip", "uv", "wget", "yarn"),
)
_SYSTEMS = {"linux": "linux", "darwin": "darwin", "win32": "windows"}
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def detect(
    *, agent: str, version: str, labels: str = "", find: Callable[[str], str | None] = shutil.which
) -> dict[str, str]:
    """Capabilities by name, lower case; a tool's value is empty. ``labels`` (``gpu,region=eu``) win."""
    machine = platform.machine().lower()
    return {
        **{tool: "" for tool in _TOOLS if find(tool)},
        "os": _SYSTEMS.get(sys.platform, sys.platform),
        "arch": _ARCHITECTURES.get(machine, machine),
        "cores": str(os.cpu_count() or 1),
        "agent.name": agent,
        "agent.version": version,
        **_labels(labels),
    }


def _labels(text: str) -> dict[str, str]:
    pairs = (label.partition("=") for label in text.split(",") if label.strip())
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
