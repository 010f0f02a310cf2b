"""Every test in this folder runs real peers; these fixtures start the exchange and the phones for them."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.peers.baresip import Account, Baresip, Transport
from tests.peers.exchange import DOMAIN, ExchangeProcess, Extension

_HERE = Path(__file__).parent
PASSWORD = "nine-blue-chairs-17"
EXTENSIONS = [Extension(f"{number}", PASSWORD) for number in range(301, 361)]

NewPhone = Callable[..., Awaitable[Baresip]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.interop)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exchange(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ExchangeProcess]:
    """One exchange with the extensions 301 to 360 for all tests of a module."""
    async with ExchangeProcess(tmp_path_factory.mktemp("exchange"), EXTENSIONS) as running:
        yield running


@pytest.fixture(scope="module")
def unused_numbers() -> Iterator[str]:
    """Extensions that no test has used: a killed phone leaves its binding behind."""
    return itertools.chain(extension.number for extension in EXTENSIONS)


@pytest_asyncio.fixture(loop_scope="module")
async def new_phone(
    exchange: ExchangeProcess, unused_numbers: Iterator[str], tmp_path: Path
) -> AsyncIterator[NewPhone]:
    """Start and register a baresip: ``await new_phone(tone_hz=700, transport="udp")``."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(
            tone_hz: float = 700.0, transport: Transport = "udp", writes_to: str = "", watches: str = ""
        ) -> Baresip:
            server = f"127.0.0.1:{exchange.port(transport)}"
            ca = exchange.certificate if transport == "tls" else None
            account = Account(next(unused_numbers), PASSWORD, DOMAIN, server, transport, ca)
            phone = await stack.enter_async_context(
                Baresip(tmp_path, account, tone_hz, writes_to=writes_to, watches=watches)
            )
            stack.push_async_callback(_leave_calls, phone)
            await phone.registered()
            return phone

        yield start


async def _leave_calls(phone: Baresip) -> None:
    """A phone that is killed in a call would leave the exchange waiting for media that never comes."""
    with contextlib.suppress(AssertionError, TimeoutError, ConnectionError):
        await phone.hangup()
