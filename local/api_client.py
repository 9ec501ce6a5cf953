"""The local installation's own calls to its API, and to the web pages of its parts."""

from types import TracebackType
from typing import Any, Self

import httpx2

from local.trouble import Trouble

# An answer of the API as JSON; the callers know the routes they ask.
Answer = Any


class ApiClient:
    """Calls below ``/api/v1`` with one token; raises Trouble for everything but success."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx2.AsyncClient(base_url=f"{url}/api/v1", headers=headers, timeout=10.0, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def get(self, path: str) -> Answer:
        return await self._call("GET", path)

    async def put(self, path: str, body: object) -> Answer:
        return await self._call("PUT", path, json=body)

    async def post(self, path: str, body: object, headers: dict[str, str] | None = None) -> Answer:
        return await self._call("POST", path, json=body, headers=headers)

    async def delete(self, path: str) -> None:
        await self._call("DELETE", path)

    async def post_yaml(self, path: str, text: str) -> Answer:
        return await self._call("POST", path, content=text, headers={"Content-Type": "application/yaml"})

    async def text(self, path: str) -> str:
        return (await self._send("GET", path)).text

    async def _call(self, method: str, path: str, **request: Any) -> Answer:
        response = await self._send(method, path, **request)
        return response.json() if response.content else None

    async def _send(self, method: str, path: str, **request: Any) -> httpx2.Response:
        try:
            response = await self._client.request(method, path, **request)
        except httpx2.TransportError as error:
            raise Trouble(f"the API does not answer {method} {path}: {error or type(error).__name__}") from error
        if not response.is_success:
            raise Trouble(f"the API answered {response.status_code} to {method} {path}: {response.text[:500]}")
        return response


class Visitor:
    """Looks at addresses on this machine. One for many looks: making one costs more than a look."""

    def __init__(self) -> None:
        self._client = httpx2.AsyncClient(timeout=2.0, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def is_well(self, address: str) -> bool:
        """Whether a GET there succeeds right now."""
        answer = await self._get(address)
        return answer is not None and answer.is_success

    async def json_at(self, address: str) -> Answer:
        """The JSON object at an address; an empty one while there is no good answer."""
        answer = await self._get(address)
        return answer.json() if answer is not None and answer.is_success else {}

    async def _get(self, address: str) -> httpx2.Response | None:
        try:
            return await self._client.get(address)
        except httpx2.TransportError:
            return None
