"""A program behind a WebSocket hears and speaks to a phone."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.loopback.media.sound import sine
from tests.peers.baresip import Account, Baresip
from tests.peers.exchange import DOMAIN, ExchangeProcess, Extension
from tests.peers.ports import free_ports
from trunkline.call.audio_socket import SUBPROTOCOL

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = "nine-blue-chairs-17"
TOKEN = "a-token-of-the-program-41"
PHONE_HZ, BOT_HZ = 700.0, 1500.0
LOUD_DBFS = -25.0
RATES = (8000, 16_000, 24_000, 48_000)
NOBODY = "9300"

Program = Callable[[ServerConnection], Awaitable[None]]


class Programs:
    """A server whose next connections are served by ``program``; what it was told is in ``told``."""

    def __init__(self) -> None:
        self.program: Program = echo
        self.told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.over: asyncio.Queue[tuple[int | None, str | None]] = asyncio.Queue()
        self.authorizations: list[str | None] = []

    async def serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.authorizations.append(socket.request.headers.get("Authorization"))
        try:
            await self.program(socket)
        finally:
            with suppress(ConnectionClosed):
                async for _ in socket:
                    pass
            await self.over.put((socket.close_code, socket.close_reason))

    async def ended(self) -> tuple[int | None, str | None]:
        async with asyncio.timeout(60):
            return await self.over.get()


async def echo(socket: ServerConnection) -> None:
    async for message in socket:
        if isinstance(message, bytes):
            await socket.send(message)


def speech(hz: float, seconds: float, rate_hz: int) -> bytes:
    samples = sine(hz, seconds, rate_hz)
    return struct.pack(f"<{len(samples)}h", *samples)


def settings(port: int, closed: int) -> str:
    numbers = [(f"92{place:02}", rate, port) for place, rate in enumerate(RATES)]
    return "".join(
        f'[[audio_sockets]]\nnumber = "{number}"\nurl = "ws://127.0.0.1:{at}/bot"\n'
        f'rate_hz = {rate}\ntoken = "{TOKEN}"\n'
        for number, rate, at in [*numbers, (NOBODY, 16_000, closed)]
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def programs() -> AsyncIterator[tuple[Programs, int]]:
    served = Programs()
    async with serve(
        served.serve,
        "127.0.0.1",
        0,
        subprotocols=[SUBPROTOCOL],
        compression=None,
    ) as server:
        yield served, next(iter(server.sockets)).getsockname()[1]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exchange(
    tmp_path_factory: pytest.TempPathFactory, programs: tuple[Programs, int]
) -> AsyncIterator[ExchangeProcess]:
    folder = tmp_path_factory.mktemp("exchange")
    more = settings(programs[1], free_ports(1))
    async with ExchangeProcess(folder, [Extension("401", PASSWORD)], more=more) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def phone(
    exchange: ExchangeProcess, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Baresip]:
    account = Account("401", PASSWORD, DOMAIN, exchange.address)
    async with Baresip(tmp_path_factory.mktemp("phone"), account, PHONE_HZ) as one:
        await one.registered()
        yield one


@pytest_asyncio.fixture(loop_scope="module")
async def bot(programs: tuple[Programs, int], exchange: ExchangeProcess) -> AsyncIterator[Programs]:
    yield programs[0]
    await exchange.no_calls()


async def story(exchange: ExchangeProcess, callee: str) -> list[str]:
    """The codes of the call that ended last, once it is known as one to ``callee``."""
    async with asyncio.timeout(60):
        while True:
            (record, *_) = await exchange.ask("records")
            if record["callee"] == callee:
                return [step["code"] for step in record["story"]]
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("place", range(len(RATES)))
async def test_a_program_hears_and_is_heard_at_each_rate(phone: Baresip, bot: Programs, place: int) -> None:
    bot.program = echo
    await phone.dial(f"92{place:02}")
    await phone.event("CALL_ESTABLISHED")
    await phone.hears(PHONE_HZ, LOUD_DBFS)
    await phone.hangup()
    assert (await bot.ended())[0] == 1000
    assert bot.authorizations[-1] == f"Bearer {TOKEN}"


async def test_marks_keys_clear_and_hanging_up(phone: Baresip, bot: Programs) -> None:
    async def program(socket: ServerConnection) -> None:
        async def until(kind: str) -> dict[str, Any]:
            async for message in socket:
                if isinstance(message, str) and (said := json.loads(message))["type"] == kind:
                    await bot.told.put(said)
                    return dict(said)
            raise AssertionError(f"no {kind} was told")

        await until("start")
        await socket.send(speech(BOT_HZ, 1.0, 16_000))
        await socket.send(json.dumps({"type": "mark", "name": "first"}))
        await until("mark")
        await socket.send(speech(BOT_HZ, 2.0, 16_000) * 4)
        await socket.send(json.dumps({"type": "mark", "name": "never spoken"}))
        await until("key")
        await socket.send(json.dumps({"type": "clear"}))
        await until("mark")
        await socket.send(json.dumps({"type": "hang_up"}))

    bot.program = program
    await phone.dial("9201")
    await phone.event("CALL_ESTABLISHED")
    await phone.hears(BOT_HZ, LOUD_DBFS)
    async with asyncio.timeout(60):
        start = await bot.told.get()
        assert (start["caller"], start["callee"], start["rate_hz"]) == ("401", "9201", 16_000)
        assert (await bot.told.get())["name"] == "first"
        await phone.send_digits("5")
        assert (await bot.told.get())["key"] == "5"
        assert (await bot.told.get())["name"] == "never spoken"
    await phone.event("CALL_CLOSED")
    assert (await bot.ended())[0] == 1000


async def test_a_program_that_dies_ends_the_call(
    phone: Baresip, bot: Programs, exchange: ExchangeProcess
) -> None:
    async def program(socket: ServerConnection) -> None:
        await socket.recv()
        socket.transport.abort()

    bot.program = program
    await phone.dial("9202")
    await phone.event("CALL_CLOSED")
    await bot.ended()
    assert (await story(exchange, "9202"))[-3:].count("audio_socket.closed") == 1


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("nonsense", "a text message is not JSON"),
        ("[1]", "a text message is no JSON object"),
        ('{"type": "dance"}', "the type is 'dance', expected mark, clear or hang_up"),
        ('{"type": "mark", "name": ""}', "a mark has a name of 1 to 64 octets"),
        ('{"type": "mark", "name": "\\ud800"}', "a mark's name is plain text"),
        (b"odd", "3 octets are no whole samples of 16 bits"),
    ],
)
async def test_a_wrong_message_is_answered_with_its_reason(
    phone: Baresip, bot: Programs, message: str | bytes, reason: str
) -> None:
    async def program(socket: ServerConnection) -> None:
        await socket.send(message)

    bot.program = program
    await phone.dial("9201")
    await phone.event("CALL_CLOSED")
    assert await bot.ended() == (1008, reason)


async def test_a_program_that_never_reads_leaves_the_call_up(
    phone: Baresip, bot: Programs, exchange: ExchangeProcess
) -> None:
    done = asyncio.Event()

    async def program(socket: ServerConnection) -> None:
        socket.transport.pause_reading()
        for _ in range(4):  # in all less than waits in the engine
            await socket.send(speech(BOT_HZ, 2.0, 48_000))
        await done.wait()
        socket.transport.resume_reading()

    bot.program = program
    await phone.dial("9203")
    await phone.event("CALL_ESTABLISHED")
    await phone.hears(BOT_HZ, LOUD_DBFS)
    before = await resident(exchange)
    await asyncio.sleep(8)  # 800 kB of sound that nobody takes, four times what a socket holds
    assert await resident(exchange) - before < 3e6
    assert len(await exchange.ask("calls")) == 1
    await phone.hangup()
    done.set()
    await bot.ended()


async def test_a_program_that_floods_is_held_back(
    phone: Baresip, bot: Programs, exchange: ExchangeProcess
) -> None:
    sent = 0

    async def program(socket: ServerConnection) -> None:
        nonlocal sent
        second = speech(BOT_HZ, 1.0, 48_000)
        while True:
            await socket.send(second)
            sent += 1

    bot.program = program
    before = await resident(exchange)
    await phone.dial("9203")
    await phone.event("CALL_ESTABLISHED")
    await phone.hears(BOT_HZ, LOUD_DBFS)
    await asyncio.sleep(3)
    # Ten seconds wait in the engine, the rest in the sockets' buffers of the system.
    assert sent < 120
    assert await resident(exchange) - before < 12e6
    await phone.hangup()
    await bot.ended()


async def resident(exchange: ExchangeProcess) -> float:
    samples = await exchange.metrics()
    return next(value for name, value in samples.items() if "resident_memory_bytes" in name)


async def test_a_program_that_cannot_be_reached_is_503(
    phone: Baresip, bot: Programs, exchange: ExchangeProcess
) -> None:
    await phone.dial(NOBODY)
    await phone.event("CALL_CLOSED")
    assert "audio_socket.unreachable" in await story(exchange, NOBODY)


async def test_the_token_is_nowhere_in_the_data_folder(exchange: ExchangeProcess, bot: Programs) -> None:
    data = exchange.folder / "data"

    def holds(file: Path) -> bool:
        return TOKEN.encode() in file.read_bytes()

    assert not [file for file in data.rglob("*") if file.is_file() and holds(file)]
