"""The connection to a Temporal that asks for a certificate."""

import asyncio
import gc
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from fakes.signed_certificates import Signed, signed
from fakes.temporal_binaries import DEV_SERVER
from pydantic import ValidationError
from structlog.testing import capture_logs
from temporalio.testing import WorkflowEnvironment

from integrations.temporal import connect, tls_of
from settings import AgentSettings

# Before 3.12 asyncio cannot close the connections of a server that are still shaking hands.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
Eventually = Callable[..., Awaitable[None]]


@pytest.fixture
def files(tmp_path: Path) -> Signed:
    return signed(tmp_path)


@pytest.fixture
async def guarded(files: Signed) -> AsyncIterator[str]:
    """The address of a Temporal that lets in only who shows a certificate of our authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(files.ca))
    context.load_cert_chain(files.certificate, files.key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])
    async with await WorkflowEnvironment.start_local(dev_server_existing_path=DEV_SERVER) as temporal:
        host, _, port = temporal.client.service_client.config.target_host.partition(":")

        async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
            try:
                await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
            except OSError:
                return
            finally:
                writer.transport.abort()
                inner_writer.transport.abort()

        server = await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=context)
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close()
        await asyncio.sleep(0.1)
        gc.collect()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()
    writer.close()


async def test_who_shows_a_certificate_is_let_in(guarded: str, files: Signed) -> None:
    """And believes in the server by the same authority."""
    tls = tls_of(files.ca, files.certificate, files.key)
    client = await asyncio.wait_for(connect(guarded, "default", "test", tls=tls), 20)
    assert await client.service_client.check_health()


@pytest.mark.parametrize("shows", ["nothing", "a certificate of another authority"])
async def test_who_shows_none_of_ours_is_not(
    guarded: str, files: Signed, tmp_path: Path, shows: str, eventually: Eventually
) -> None:
    """It waits, and says so."""
    other = signed(tmp_path, "stranger")
    shown = (None, None) if shows == "nothing" else (other.certificate, other.key)
    with capture_logs() as lines:
        connecting = asyncio.create_task(connect(guarded, "default", "test", tls=tls_of(files.ca, *shown)))
        await eventually(lambda: lines)
        assert not connecting.done()
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
    assert "temporal_not_reachable" == lines[0]["event"]


def test_without_files_the_connection_is_as_it_was() -> None:
    """Nothing changes for one machine."""
    assert tls_of(None, None, None) is False


def test_a_certificate_without_its_key_is_refused_at_once() -> None:
    """By the names of the settings."""
    with pytest.raises(ValidationError, match="SLIPWAY_TEMPORAL_TLS_KEY go together"):
        AgentSettings(temporal_tls_certificate=Path("agent.pem"))
