"""The connection to Temporal, and the search attributes by which its Web UI finds our runs."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import structlog
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import KeepAliveConfig, RPCError, RPCStatusCode, TLSConfig

from activities import search_attributes

SEARCH_ATTRIBUTES = tuple(key.name for key in search_attributes.ALL)
_LONGEST_WAIT = timedelta(seconds=15)
_RPC_TIMEOUT = timedelta(seconds=10)
# A network that forgot the connection is noticed within 16 seconds, well before an agent counts as lost. Servers take
# more than one ping in ten seconds amiss.
_KEEP_ALIVE = KeepAliveConfig(interval_millis=11_000, timeout_millis=5_000)
_NOT_READY = {RPCStatusCode.UNAVAILABLE, RPCStatusCode.NOT_FOUND, RPCStatusCode.DEADLINE_EXCEEDED}

_log = structlog.get_logger()


class SearchAttributesMissing(Exception):  # noqa: N818  reads as what happened
    """The namespace has one of our search attributes with another type, or would not take them."""


def tls_of(ca: Path | None, certificate: Path | None, key: Path | None) -> TLSConfig | bool:
    """How the connection is encrypted: not at all without files. Raises OSError when one of them cannot be read."""
    if ca is None and certificate is None and key is None:
        return False
    return TLSConfig(
        server_root_ca_cert=ca.read_bytes() if ca else None,
        client_cert=certificate.read_bytes() if certificate else None,
        client_private_key=key.read_bytes() if key else None,
    )


async def connect(address: str, namespace: str, identity: str, *, tls: TLSConfig | bool = False) -> Client:
    """Connect, however long it takes until Temporal is there: each wait is longer, and each is logged."""
    for wait in _growing_waits():
        try:
            return await Client.connect(
                address,
                namespace=namespace,
                identity=identity,
                data_converter=pydantic_data_converter,
                keep_alive_config=_KEEP_ALIVE,
                tls=tls,
            )
        except RuntimeError as error:  # what the SDK raises when the first connection fails
            _log.warning("temporal_not_reachable", address=address, error=_brief(error), retry_in_s=wait)
            await asyncio.sleep(wait)
    raise AssertionError("the waits have no end")


async def register_search_attributes(client: Client, namespace: str) -> None:
    """Add those that are missing, however long it takes until the namespace is there. Safe to do again.

    Raises SearchAttributesMissing when one of them exists with another type.
    """
    for wait in _growing_waits():
        try:
            await _add_missing(client, namespace)
        except RPCError as error:
            if error.status not in _NOT_READY:
                raise
            _log.warning("temporal_not_ready", namespace=namespace, error=_brief(error), retry_in_s=wait)
            await asyncio.sleep(wait)
        else:
            return


async def _add_missing(client: Client, namespace: str) -> None:
    present = await _present(client, namespace)
    wrong = [name for name in SEARCH_ATTRIBUTES if present.get(name, _KEYWORD) != _KEYWORD]
    if wrong:
        raise SearchAttributesMissing(f"{', '.join(wrong)} exist in {namespace} with another type than Keyword")
    missing = {name: _KEYWORD for name in SEARCH_ATTRIBUTES if name not in present}
    if not missing:
        return
    try:
        request = AddSearchAttributesRequest(namespace=namespace, search_attributes=missing)
        await client.operator_service.add_search_attributes(request, timeout=_RPC_TIMEOUT)
    except RPCError as error:
        # Another of our processes was faster; some are perhaps still missing.
        if error.status != RPCStatusCode.ALREADY_EXISTS:
            raise
    await _until_known(client, namespace)


_KEYWORD = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD


async def _present(client: Client, namespace: str) -> dict[str, "IndexedValueType.ValueType"]:
    request = ListSearchAttributesRequest(namespace=namespace)
    answer = await client.operator_service.list_search_attributes(request, timeout=_RPC_TIMEOUT)
    return dict(answer.custom_attributes)


async def _until_known(client: Client, namespace: str) -> None:
    """The server itself takes a moment; until then it refuses to start workflows with them."""
    for wait in _growing_waits():
        if set(SEARCH_ATTRIBUTES) <= set(await _present(client, namespace)):
            return
        await asyncio.sleep(wait)


def _growing_waits() -> Iterator[float]:
    wait = 0.25
    while True:
        yield wait
        wait = min(wait * 2, _LONGEST_WAIT.total_seconds())


def _brief(error: Exception) -> str:
    return str(error)[:300]
