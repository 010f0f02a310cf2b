"""Questions and answers of the protocol NG: a cookie before each message tells which answer is whose."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from trunkline.base.errors import RemoteProtocolError, TransportError
from trunkline.media.ng.bencode import Decoded, Encodable, decode, encode

Answer = dict[str, Decoded]

RESENDS: Final = (0.5, 1.0, 2.0)
"""Seconds between the sendings of a question over UDP; rtpengine answers a repeated cookie as it did at first."""
MAX_WAITING: Final = 4096


class TooManyWait(TransportError):  # noqa: N818  (a state of this side, not a fault)
    """The question was not sent, for so many wait already: that says nothing of the instance."""


class Transport(Protocol):
    """A way to one instance."""

    answer_octets: int
    """What an answer has at most: a longer one never comes."""

    async def start(self) -> None:
        """Begin to work; an instance that cannot be reached yet is no error."""

    async def stop(self) -> None:
        """Close it; questions that wait fail."""

    async def ask(self, question: Mapping[str, Encodable], within_s: float) -> Answer:
        """The answer. Raises TransportError when none comes in time, RemoteProtocolError when it is no NG."""


class Courier:
    """The questions under way on one socket; ``send`` gives octets to it."""

    def __init__(
        self, name: str, send: Callable[[bytes], None], resends: tuple[float, ...] = RESENDS
    ) -> None:
        self._name = name
        self._send = send
        self._resends = resends
        self._waiting: dict[bytes, asyncio.Future[Answer]] = {}
        # A cookie of ours before a restart must not get the answer of then.
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count(1)
        self.strays = 0
        """Messages with a cookie that nobody waits for: duplicates, late ones, forged ones."""

    async def ask(self, question: Mapping[str, Encodable], within_s: float) -> Answer:
        """Send, and again while nothing comes; raises as ``Transport.ask`` does."""
        if len(self._waiting) >= MAX_WAITING:
            raise TooManyWait(f"{self._name} has {MAX_WAITING} questions waiting")
        loop = asyncio.get_running_loop()
        cookie = f"{self._prefix}_{next(self._numbers)}".encode()
        message = cookie + b" " + encode(question)
        waiting: asyncio.Future[Answer] = loop.create_future()
        self._waiting[cookie] = waiting
        try:
            return await self._until_answered(message, waiting, loop.time() + within_s)
        except TimeoutError:
            raise TransportError(f"{self._name} did not answer within {within_s:g} s") from None
        finally:
            self._waiting.pop(cookie, None)

    async def _until_answered(self, message: bytes, waiting: asyncio.Future[Answer], end: float) -> Answer:
        loop = asyncio.get_running_loop()
        for pause in self._resends:
            self._send(message)
            if (left := end - loop.time()) <= pause:
                break
            done, _ = await asyncio.wait((waiting,), timeout=pause)
            if done:
                return waiting.result()
        else:
            self._send(message)
            left = end - loop.time()
        # Not wait_for: before Python 3.12 it forgets a cancellation that comes together with the answer.
        async with asyncio.timeout(max(0.0, left)):
            return await waiting

    def receive(self, message: bytes) -> None:
        """A datagram or WebSocket message of the instance."""
        cookie, space, body = message.partition(b" ")
        waiting = self._waiting.get(cookie)
        if not space or waiting is None or waiting.done():
            self.strays += 1
            return
        try:
            waiting.set_result(_answer(body))
        except RemoteProtocolError as error:
            waiting.set_exception(RemoteProtocolError(f"{self._name}: {error.reason}"))

    def fail(self, reason: str) -> None:
        """The connection is gone: whoever waits need not wait on."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(TransportError(f"{self._name}: {reason}"))


def _answer(body: bytes) -> Answer:
    answer = decode(body)
    if not isinstance(answer, dict):
        raise RemoteProtocolError("an answer that is no dictionary")
    return answer
