"""Fetching all logs of a release, or of a part of it, as one ZIP file."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import cast

from cli.answers import Release
from cli.api_client import ApiClient
from cli.exit_codes import ExitCode
from cli.failure import Failure
from cli.safe_text import one_line
from cli.screen import say

_RELEASE_PARTS, _STAGE_PARTS, _DEPLOYMENT_PARTS = 2, 3, 4


def save_archive(api: ApiClient, parts: list[str], file: Path) -> None:
    """Write the ZIP file; an older one of that name stays until the new one is whole."""
    path, unfinished = _path(api, parts), file.with_name(file.name + ".part")
    try:
        with api.stream(path) as response, unfinished.open("wb") as target:
            for piece in response.iter_bytes():
                target.write(piece)
        unfinished.replace(file)
    except OSError as error:
        raise Failure(ExitCode.MISUSE, f"cannot write {file}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()
    say(f"wrote {file} ({file.stat().st_size} bytes)")


def _path(api: ApiClient, parts: list[str]) -> str:
    if len(parts) == _RELEASE_PARTS:
        return f"/releases/{'/'.join(parts)}/logs.zip"
    if len(parts) == _STAGE_PARTS:
        return f"/deployments/{'/'.join(parts)}/{_latest_attempt(api, parts)}/logs.zip"
    if len(parts) == _DEPLOYMENT_PARTS:
        return f"/deployments/{'/'.join(parts)}/logs.zip"
    hint = "name a release (webshop/41), a stage of it (webshop/41/prod) or a deployment (webshop/41/prod/1)"
    raise Failure(ExitCode.MISUSE, "--zip takes the logs of a release or of a deployment", hint)


def _latest_attempt(api: ApiClient, parts: list[str]) -> int:
    release = cast("Release", api.get(f"/releases/{'/'.join(parts[:_RELEASE_PARTS])}"))
    attempts: Mapping[str, int] = {stage["stage"]: stage["attempt"] for stage in release["stages"]}
    attempt = attempts.get(parts[-1])
    if attempt is None:
        hint = f"its stages: {', '.join(attempts)}"
        raise Failure(ExitCode.MISUSE, f"release {release['id']} has no stage {one_line(parts[-1])}", hint)
    if attempt == 0:
        raise Failure(ExitCode.MISUSE, f"{release['id']} was not deployed to {one_line(parts[-1])} yet")
    return attempt
