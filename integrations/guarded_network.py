"""Connections to the wide internet only, and to hosts that are allowed: nobody reaches the inside by a pipeline.

The address that was looked at is the one that is connected to, so a name that resolves differently the next moment
gains nothing. Names in requests and certificates stay what they were.
"""

import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import httpcore2
import httpx2

from activities.artifact_source import UnsafeArtifact
from integrations.guarded_addresses import AllowedHosts, is_outside

# By pieces of 64 KiB, as they are by default, a large artifact takes twice the work.
httpcore2.HTTP11Connection.READ_NUM_BYTES = 1 << 20


class GuardedTransport(httpx2.HTTPTransport):
    """As httpx2's own, but it decides where connections may go."""

    def __init__(self, trust: ssl.SSLContext, allowed: AllowedHosts) -> None:
        super().__init__(verify=trust, trust_env=False)
        self._pool.close()
        self._pool = httpcore2.ConnectionPool(ssl_context=trust, network_backend=GuardedBackend(allowed))


class GuardedBackend(httpcore2.SyncBackend):
    """Opens sockets."""

    def __init__(self, allowed: AllowedHosts) -> None:
        self._allowed = allowed

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Raises UnsafeArtifact for a host that must not be reached."""
        try:
            addresses = reachable_addresses(host, port, self._allowed)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(f"{host} is not known") from error
        for address in addresses[:-1]:
            try:
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return super().connect_tcp(addresses[-1], port, timeout, local_address, socket_options)


def connected(host: str, port: int, allowed: AllowedHosts, timeout: float) -> socket.socket:
    """A socket to the host. Raises UnsafeArtifact for one that must not be reached, OSError for one that is not."""
    try:
        addresses = reachable_addresses(host, port, allowed)
    except UnicodeError as error:
        raise OSError(f"{host} is no name") from error
    for address in addresses[:-1]:
        with suppress(OSError):
            return socket.create_connection((address, port), timeout)
    return socket.create_connection((addresses[-1], port), timeout)


def reachable_addresses(host: str, port: int, allowed: AllowedHosts) -> list[str]:
    """The host itself where it is allowed; else its addresses, which must all be outside."""
    if allowed.allows(host, port):
        return [host]
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
    if not addresses or not all(is_outside(address) for address in addresses):
        raise UnsafeArtifact(
            f"{host} is a host of an inside network, from which nothing is taken unless an operator allows it by "
            "SLIPWAY_ALLOWED_HOSTS"
        )
    return addresses
