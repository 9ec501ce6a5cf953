"""The agent towards the API: enrol once, then say every two seconds that it is there, and learn its queues."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog
from pydantic import SecretStr

from agent.api_client import AboutAgent, AgentApi, ApiRefused, ApiUnreachable, Standing
from agent.state_folder import Credential, StateFolder

_log = structlog.get_logger("slipway.agent")
_BEAT_SECONDS = 2.0
_ASK_AGAIN_SECONDS = 2.0
_NAME_IS_FREE_AFTER = 20.0
_NO_LONGER_KNOWN = frozenset({401, 404})


class CannotServe(Exception):  # noqa: N818  reads as what happened
    """The API will not have this agent; somebody has to change something first."""


class Presence:
    """``about`` gives what the agent says of itself now."""

    def __init__(self, api: AgentApi, state: StateFolder, about: Callable[[], AboutAgent]) -> None:
        self._api = api
        self._state = state
        self._about = about
        self._hurry = asyncio.Event()

    def hurry(self) -> None:
        """Heartbeat now: there is something to tell."""
        self._hurry.set()

    async def enrol(self, name: str, token: SecretStr | None) -> Credential:
        """The credential from the state folder, or a new one. Waits for the API; raises CannotServe."""
        known = self._state.credential()
        if known is not None and known.name != name:
            raise CannotServe(f"{self._state.path} belongs to agent {known.name}; {name} needs a folder of its own")
        if known is not None and (token is None or await self._is_still_good(known)):
            self._api.sign_in(known)
            return known
        if token is None:
            raise CannotServe("this agent is not enrolled; give it a token in SLIPWAY_AGENT_ENROLMENT_TOKEN")
        new = await self._enrol_patiently(name, token)
        self._state.keep(new)
        self._api.sign_in(new)
        _log.info("enrolled", agent=new.name, pool=new.pool)
        return new

    async def keep(self, told: Callable[[Standing], None]) -> None:
        """Heartbeat for ever, passing on each answer. The API may be away; raises CannotServe when it says no."""
        was_heard = True
        while True:
            try:
                told(await self._api.heartbeat(self._about()))
            except ApiUnreachable as trouble:
                if was_heard:
                    _log.warning("waiting for the API; running jobs go on", trouble=str(trouble))
                was_heard = False
            except ApiRefused as refused:
                raise CannotServe(f"the API refused this agent: {refused}") from refused
            else:
                if not was_heard:
                    _log.info("the API is back")
                was_heard = True
            await self._next_beat()

    async def _next_beat(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_BEAT_SECONDS):
                await self._hurry.wait()
        self._hurry.clear()

    async def _is_still_good(self, known: Credential) -> bool:
        """Not after the agent was removed; an API that is away does not keep us from the jobs that wait for us."""
        self._api.sign_in(known)
        try:
            await self._api.heartbeat(self._about())
        except ApiUnreachable:
            return True
        except ApiRefused as refused:
            return refused.status not in _NO_LONGER_KNOWN
        return True

    async def _enrol_patiently(self, name: str, token: SecretStr) -> Credential:
        """Wait for an API that is not up yet, and for an agent of that name that has just gone."""
        loop = asyncio.get_running_loop()
        name_is_free_by = loop.time() + _NAME_IS_FREE_AFTER
        while True:
            try:
                return await self._api.enrol(name, token, self._about())
            except ApiUnreachable as trouble:
                _log.warning("waiting for the API", trouble=str(trouble))
            except ApiRefused as refused:
                if refused.error != "NameTaken" or loop.time() > name_is_free_by:
                    raise CannotServe(f"the API did not enrol this agent: {refused}") from refused
                _log.warning("waiting for the name", agent=name, trouble=str(refused))
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
