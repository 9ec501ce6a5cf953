"""What a step sees: the command line of its shell, and its environment, which is never the agent's own."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from activities.agent_job import RunStep
from agent.leases import Lease
from agent.run_folder import LEASE_MARK, RUN_MARK
from domain.pipeline import Shell

_HANDED_ON = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "XDG_RUNTIME_DIR"),
    *(
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
    ),
    *("JAVA_HOME", "DOCKER_HOST", "SYSTEMROOT"),
)

# Every shell stops at the first command that fails, as far as it can.
_COMMANDS: dict[Shell, tuple[str, tuple[str, ...]]] = {
    Shell.SH: ("script.sh", ("sh", "-e")),
    Shell.BASH: ("script.bash", ("bash", "--noprofile", "--norc", "-eo", "pipefail")),
    Shell.PWSH: ("script.ps1", ("pwsh", "-NoLogo", "-NoProfile", "-NonInteractive", "-File")),
    Shell.PYTHON: ("script.py", ("python3", "-u")),
}


def command_for(shell: Shell, script: str, folder: Path) -> list[str]:
    """Write the script into the folder; the command line that runs it."""
    name, command = _COMMANDS[shell]
    file = folder / name
    begin = "$ErrorActionPreference = 'Stop'\n" if shell == Shell.PWSH else ""
    file.write_text(begin + script, newline="")
    return [*command, str(file)]


def environment_of(
    request: RunStep,
    lease: Lease,
    agent: str,
    inherited: Mapping[str, str],
    secrets: Mapping[str, str],
    allowed: Collection[str] = (),
) -> dict[str, str]:
    """The step's environment. What the pipeline and earlier steps set wins over what we set, secrets win over both.

    ``allowed`` names the variables that are handed on beyond those that every step gets.
    """
    seen = {
        **{name: inherited[name] for name in (*_HANDED_ON, *allowed) if name in inherited},
        **_told_by_agent(lease, agent),
        **request.environment,
    }
    if request.paths:
        seen["PATH"] = os.pathsep.join([*request.paths, seen.get("PATH", os.defpath)])
    return {
        **seen,
        **secrets,
        # By these marks what a step leaves running is found when the run or the lease ends.
        RUN_MARK: request.run_id,
        LEASE_MARK: request.lease_id,
    }


def _told_by_agent(lease: Lease, agent: str) -> dict[str, str]:
    workspace, temporary = str(lease.workspace), str(lease.temporary)
    return {
        "AGENT_NAME": agent,
        "AGENT_WORKSPACE": workspace,
        "ARTIFACTS_DIRECTORY": workspace,
        "TMPDIR": temporary,
        # Azure's names, so that scripts written for its agents run.
        "AGENT_MACHINENAME": agent,
        "AGENT_RELEASEDIRECTORY": workspace,
        "AGENT_TEMPDIRECTORY": temporary,
        "AGENT_WORKFOLDER": str(lease.folder),
        "SYSTEM_ARTIFACTSDIRECTORY": workspace,
        "SYSTEM_DEFAULTWORKINGDIRECTORY": workspace,
        "TF_BUILD": "True",
    }
