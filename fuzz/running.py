"""A whole exchange on loopback sockets under random and mutated bytes: datagrams, streams, WebSocket frames.

It must keep answering OPTIONS, nothing may come up from the callbacks of its sockets or be logged as an error,
and its memory may not grow with what it was sent. What it was fed is repeatable by the seed; the order in which
sockets are served is not.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import os
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Final

from structlog.testing import capture_logs

from fuzz.loop import Finding, Outcome
from fuzz.mutate import mutant
from fuzz.targets import SIP_MESSAGES, Target, seeds_of
from trunkline.app.addresses import host_addresses
from trunkline.app.exchange import Exchange
from trunkline.app.settings import Settings
from trunkline.app.settings.file import complete
from trunkline.net import Listener
from trunkline.store.store import Store

HOST: Final = "127.0.0.1"
SETTINGS: Final = {
    "domain": "example.test",
    "sip": {"listen": [f"{kind}:{HOST}:0" for kind in ("udp", "tcp", "ws")], "grace_s": 0.0},
    "metrics": {"listen": "off"},
    # The fuzzer is a scanner if there ever was one: shut out, it would find nothing.
    "guard": {"trusted": ["127.0.0.0/8"]},
}
ROUND: Final = 100  # inputs between two looks at whether it still answers
ANSWER_S: Final = 10.0
GROWTH_BYTES: Final = 64 << 20
SENDERS: Final = 8
OPTIONS: Final = (
    "OPTIONS sip:{host}:{port} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP {host}:{own};branch=z9hG4bK{number};rport\r\n"
    "From: <sip:probe@{host}>;tag={number}\r\nTo: <sip:{host}:{port}>\r\n"
    "Call-ID: probe-{number}@{host}\r\nCSeq: {number} OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)
HANDSHAKE: Final = (
    "GET / HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)


@dataclass(slots=True)
class Victim:
    """The exchange and the last inputs that it got."""

    exchange: Exchange
    recent: list[bytes]

    def listener(self, transport: str) -> Listener:
        return next(one for one in self.exchange.net.listeners if one.transport == transport)


def fuzz_running(dice: Random, *, seconds: float = float("inf"), inputs: int | None = None) -> Outcome:
    """Feed a new exchange until ``inputs`` were sent or ``seconds`` are over; ``accepted`` counts the probes."""
    return asyncio.run(_fuzz(dice, seconds, inputs))


async def _fuzz(dice: Random, seconds: float, inputs: int | None) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="trunkline-fuzz-") as folder, capture_logs() as logs:
        settings = complete(Settings.model_validate(SETTINGS), host_addresses())
        with Store.open(Path(folder)) as store:
            exchange = Exchange(settings, store, Path(folder))
            await exchange.start()
            try:
                outcome = await _feed(Victim(exchange, []), dice, seconds, inputs)
            finally:
                await exchange.stop(0)
    problem = next((str(entry) for entry in logs if entry["log_level"] in {"error", "critical"}), "")
    return outcome if outcome.finding or not problem else _found(outcome, b"", problem)


async def _feed(victim: Victim, dice: Random, seconds: float, inputs: int | None) -> Outcome:
    loop = asyncio.get_running_loop()
    end, before = loop.time() + seconds, 0
    mutants = _mutants(dice)
    send: tuple[Callable[[Victim, list[bytes], Random], Awaitable[None]], ...] = (
        _datagrams,
        _stream,
        _websocket,
    )
    for number in count(1):
        victim.recent = [next(mutants) for _ in range(ROUND)]
        await send[number % 3](victim, victim.recent, dice)
        tried = number * ROUND
        problem = await _problem(victim, number)
        if not problem and number == 6:
            before = _resident()  # caches are warm by now
        if not problem and before and _resident() - before > GROWTH_BYTES:
            problem = f"grew by {(_resident() - before) >> 20} MiB over {tried} inputs"
        if problem:
            return _found(Outcome(tried, number - 1, None), b"\n--\n".join(victim.recent), problem)
        if tried >= (inputs or tried + 1) or loop.time() > end:
            return Outcome(tried, number, None)
    raise AssertionError("rounds never end")


def _mutants(dice: Random) -> Iterator[bytes]:
    seeds = seeds_of(Target(lambda _data: None, SIP_MESSAGES))
    yield from seeds
    for number in count():
        yield dice.randbytes(dice.randrange(1, 600)) if number % 10 == 0 else mutant(seeds, dice)


async def _problem(victim: Victim, number: int) -> str:
    """What is wrong after a round, or nothing."""
    errors = victim.exchange.net.counters.callback_errors
    if errors:
        return f"{errors} exceptions came up from the callbacks of the sockets"
    try:
        async with asyncio.timeout(ANSWER_S):
            answer = await _probe(victim.listener("UDP"), number)
    except TimeoutError:
        return f"OPTIONS was not answered within {ANSWER_S:g} s"
    return "" if answer.startswith(b"SIP/2.0 200 ") else f"OPTIONS was answered with {answer[:40]!r}"


async def _probe(listener: Listener, number: int) -> bytes:
    loop = asyncio.get_running_loop()
    with _udp() as sock:
        own = sock.getsockname()[1]
        text = OPTIONS.format(host=HOST, port=listener.port, own=own, number=number)
        while True:
            await loop.sock_sendto(sock, text.encode(), (HOST, listener.port))
            # A burst of mutants may have filled the socket's buffer: asked again as a client would (Timer E).
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    return await loop.sock_recv(sock, 65536)


def _udp() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind((HOST, 0))
    return sock


async def _datagrams(victim: Victim, inputs: list[bytes], dice: Random) -> None:
    loop = asyncio.get_running_loop()
    address = (HOST, victim.listener("UDP").port)
    socks = [_udp() for _ in range(SENDERS)]
    try:
        for data in inputs:
            with contextlib.suppress(OSError):  # longer than a datagram
                await loop.sock_sendto(dice.choice(socks), data[:65_000], address)
            await asyncio.sleep(0)
    finally:
        for sock in socks:
            sock.close()


async def _stream(victim: Victim, inputs: list[bytes], dice: Random) -> None:
    """A few connections, each with a run of inputs in pieces of any size."""
    for start in range(0, len(inputs), 25):
        whole = b"".join(inputs[start : start + 25])
        await _converse(victim.listener("TCP").port, b"", _pieces(whole, dice))


async def _websocket(victim: Victim, inputs: list[bytes], dice: Random) -> None:
    """Handshakes, whole and mutated; then frames, whole and mutated."""
    port = victim.listener("WS").port
    for start in range(0, len(inputs), 10):
        key = base64.b64encode(dice.randbytes(16)).decode()
        hello = HANDSHAKE.format(host=HOST, port=port, key=key).encode()
        if dice.random() < 0.2:
            hello = mutant([hello], dice)
        frames = [_frame(data, dice) for data in inputs[start : start + 10]]
        if dice.random() < 0.5:
            frames = [mutant(frames, dice) for _ in frames]
        await _converse(port, hello, _pieces(b"".join(frames), dice))


def _frame(data: bytes, dice: Random) -> bytes:
    """A masked frame (RFC 6455 §5.2), mostly text or binary."""
    opcode = dice.choice((1, 1, 2, 2, 0, 8, 9, 10))
    first = dice.choice((0x80, 0x80, 0x80, 0x00)) | opcode
    size = len(data)
    length = (
        bytes([0x80 | size])
        if size < 126
        else (b"\xfe" + size.to_bytes(2, "big") if size < 65536 else b"\xff" + size.to_bytes(8, "big"))
    )
    mask = dice.randbytes(4)
    masked = bytes(byte ^ mask[n % 4] for n, byte in enumerate(data))
    return bytes([first]) + length + mask + masked


def _pieces(data: bytes, dice: Random) -> list[bytes]:
    pieces, at = [], 0
    while at < len(data):
        step = dice.choice((1, 7, 100, 1460, 20_000))
        pieces.append(data[at : at + step])
        at += step
        if len(pieces) > 200:
            pieces.append(data[at:])
            break
    return pieces


async def _converse(port: int, hello: bytes, pieces: list[bytes]) -> None:
    """Send everything on one connection, reading along; the other side may close whenever it likes."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(HOST, port)
            drain = asyncio.create_task(_read_all(reader))
            try:
                for piece in (hello, *pieces):
                    writer.write(piece)
                    await writer.drain()
            finally:
                writer.transport.abort()
                drain.cancel()
                await asyncio.gather(drain, return_exceptions=True)


async def _read_all(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(65536):
            pass


def _resident() -> int:
    """Bytes of resident memory now (proc(5), statm)."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _found(outcome: Outcome, data: bytes, problem: str) -> Outcome:
    return Outcome(outcome.tried, outcome.accepted, Finding(data, problem))
