"""The secrets of steps: fetched before a step starts, and kept by the server when one has set some."""

import asyncio
from collections.abc import Collection
from typing import Protocol

import structlog

from activities.agent_job import RunStep, StepEnd
from agent import handover
from agent.api_client import ApiRefused, ApiUnreachable, GivenSecrets
from agent.run_folder import RunFolder

_log = structlog.get_logger("slipway.agent")
_ASK_AGAIN_SECONDS = 1.0


class SecretStore(Protocol):
    """Where the values of a step's secrets come from, and go to. Everything raises ApiUnreachable, ApiRefused."""

    async def secrets(self, run_id: str) -> GivenSecrets:
        """By environment name, and what else is to be masked."""
        ...

    async def keep_secrets(self, run_id: str, variables: dict[str, str], masks: list[str]) -> None:
        """Keep what a run set, for the steps after it."""
        ...


class StepSecrets:
    """Fetches and keeps; both wait for the API."""

    def __init__(self, store: SecretStore) -> None:
        self._store = store

    async def given(self, folder: RunFolder, request: RunStep) -> GivenSecrets:
        """Values of exactly the secrets that the step names. Does not wait once the run is canceled.

        Raises ApiRefused, also when there is no value.
        """
        while (request.secrets or request.masks_of_job) and not folder.is_canceled:
            try:
                found = await self._store.secrets(request.run_id)
            except ApiUnreachable as trouble:
                _log.warning("secrets not fetched", run=request.run_id, trouble=str(trouble))
                await asyncio.sleep(_ASK_AGAIN_SECONDS)
            else:
                return of_step(request.secrets, found)
        return GivenSecrets()

    async def keep(self, folder: RunFolder, run_id: str, end: StepEnd) -> StepEnd:
        """Bring what the step set to the server; the end, without secrets that are lost."""
        taken = await asyncio.to_thread(handover.take, folder.path, folder.runner_lives)
        if taken is None:
            return end if folder.secrets_were_taken else _without_secrets(end)
        while folder.path.exists():
            try:
                await self._store.keep_secrets(run_id, taken["variables"], taken["masks"])
            except ApiUnreachable as trouble:
                _log.warning("secrets of a step not kept", run=run_id, trouble=str(trouble))
                await asyncio.sleep(_ASK_AGAIN_SECONDS)
            except ApiRefused as refused:
                _log.warning("secrets of a step refused", run=run_id, why=str(refused))
                folder.drop_secrets()
                return _without_secrets(end)
            else:
                folder.note_secrets_taken()
                return end
        return _without_secrets(end)


def of_step(named: Collection[str], found: GivenSecrets) -> GivenSecrets:
    """What the step names, and all else to be masked. Raises ApiRefused when a value is missing."""
    if missing := sorted(set(named) - found.values.keys()):
        raise ApiRefused(404, "NotFound", f"there is no value for {', '.join(missing)}")
    others = [value for name, value in found.values.items() if name not in named]
    return GivenSecrets(values={name: found.values[name] for name in sorted(named)}, masks=(*found.masks, *others))


def _without_secrets(end: StepEnd) -> StepEnd:
    """Steps that name them fail and say so."""
    return end.model_copy(update={"told": end.told.model_copy(update={"secret_variables": ()})})
