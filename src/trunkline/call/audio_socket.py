"""The party of a call talks to a program over a WebSocket: its sound goes there, what comes from there is spoken.

Binary messages are samples both ways: signed 16 bits, little-endian, mono, at the rate that ``start`` tells. Text
messages are JSON objects with a ``type``:

- to the program: ``start`` (call, caller, callee, rate_hz), ``key`` (key), ``mark`` (name: all that came before it has
  been spoken, or was cleared);
- from the program: ``mark`` (name), ``clear`` (forget what waits to be spoken), ``hang_up``.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from trunkline.base.errors import CallFailed, MediaError, RemoteProtocolError
from trunkline.media.sound_commands import SoundRate

if TYPE_CHECKING:
    from trunkline.call.call import Call
    from trunkline.media.audio import AudioStream

SUBPROTOCOL: Final = Subprotocol("audio.trunkline")
_OPEN_S: Final = 5.0
_CLOSE_S: Final = 1.0
_LARGEST: Final = 1 << 18
"""Octets of one message: more than two seconds of the finest sound."""
_QUEUED: Final = 4  # messages that wait to be read; what comes beyond them waits in the program
_WELL, _MISSAID, _BROKEN = 1000, 1008, 1011  # RFC 6455 §7.4.1
_LONGEST_NAME: Final = 64
_LONGEST_REASON: Final = 100  # RFC 6455 §5.5: a close frame has 125 octets
_MOST_MARKS: Final = 256
_LISTENS_S: Final = 3600.0  # for one key; then again
_silent = logging.getLogger("trunkline.websockets")  # its debugging lines would name the token
_silent.disabled = True


@dataclass(frozen=True, slots=True)
class AudioSocketPlan:
    """Where a program listens. ``url`` is ws:// or wss://."""

    url: str
    rate_hz: SoundRate = 16_000
    token: str = field(default="", repr=False)


async def converse(call: Call, plan: AudioSocketPlan) -> None:
    """Answer the caller, and let it talk to the program until either leaves; the caller's end cancels this.

    Raises CallFailed 503 ``audio_socket.unreachable`` while nobody was answered yet.
    """
    try:
        socket = await _open(plan)
    except (OSError, TimeoutError, WebSocketException) as error:
        call.tell("audio_socket.unreachable", f"{plan.url} cannot be reached: {_words(error)}")
        raise CallFailed(503, "Service Unavailable", 38, "audio_socket.unreachable") from None
    code, reason = _BROKEN, "the call has failed"
    try:
        await call.answer()
        async with call.audio(plan.rate_hz) as stream:
            code, reason = await _talk(call, socket, stream, plan)
    except asyncio.CancelledError:
        code, reason = _WELL, "the caller has left"
        raise
    finally:
        await _close(socket, code, reason)


async def _close(socket: ClientConnection, code: int, reason: str) -> None:
    """Take leave; a program that floods or never reads does not hear it, and is cut off."""
    try:
        with suppress(OSError, TimeoutError, WebSocketException):
            async with asyncio.timeout(_CLOSE_S):
                await socket.close(code, reason)
    finally:
        socket.transport.abort()


async def _open(plan: AudioSocketPlan) -> ClientConnection:
    headers = {"Authorization": f"Bearer {plan.token}"} if plan.token else {}
    return await connect(
        plan.url,
        subprotocols=[SUBPROTOCOL],
        additional_headers=headers,
        open_timeout=_OPEN_S,
        close_timeout=_CLOSE_S,
        max_size=_LARGEST,
        max_queue=_QUEUED,
        compression=None,  # sound does not shrink by it
        proxy=None,
        logger=_silent,
    )


async def _talk(
    call: Call, socket: ClientConnection, stream: AudioStream, plan: AudioSocketPlan
) -> tuple[int, str]:
    """Until either side ends it; how the connection is to be closed."""
    start = {"call": call.id, "caller": call.caller.number, "callee": call.callee, "rate_hz": plan.rate_hz}
    call.tell("audio_socket.open", f"{plan.url} hears and speaks at {plan.rate_hz} Hz")
    conversation = _Conversation(socket, stream)
    ended, close = "has hung up", (_WELL, "")
    try:
        await conversation.say("start", **start)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(conversation.hear()),
                group.create_task(conversation.tell_keys(call)),
                group.create_task(conversation.speak()),
            ]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
    except* RemoteProtocolError as errors:
        ended, close = (
            _words(errors.exceptions[0]),
            (_MISSAID, _words(errors.exceptions[0])[:_LONGEST_REASON]),
        )
    except* (OSError, WebSocketException, MediaError) as errors:
        ended, close = _words(errors.exceptions[0]), (_BROKEN, "")
    finally:
        conversation.end()
    call.tell("audio_socket.closed", f"{plan.url}: {ended}")
    return close


class _Conversation:
    """One party and one program."""

    def __init__(self, socket: ClientConnection, stream: AudioStream) -> None:
        self._socket = socket
        self._stream = stream
        self._marks: dict[asyncio.Future[None], asyncio.Task[None]] = {}

    def end(self) -> None:
        for task in self._marks.values():
            task.cancel()

    async def say(self, kind: str, **rest: object) -> None:
        await self._socket.send(json.dumps({"type": kind, **rest}))

    async def hear(self) -> None:
        """What the party says goes to the program; a slow one loses the oldest, which the engine counts."""
        async for frame in self._stream:
            await self._socket.send(frame)

    async def tell_keys(self, call: Call) -> None:
        while True:
            key = await call.key(_LISTENS_S)
            if key:
                await self.say("key", key=key)

    async def speak(self) -> None:
        """What the program says is spoken; a fast one waits, since we read no further while ten seconds wait."""
        async for message in self._socket:
            if isinstance(message, bytes):
                if len(message) % 2:
                    raise RemoteProtocolError(f"{len(message)} octets are no whole samples of 16 bits")
                await self._stream.write(message)
            elif await self._carry_out(_read(message)):
                return

    async def _carry_out(self, said: dict[str, Any]) -> bool:
        """Do what a text message says; whether that is the end."""
        kind = said.get("type")
        if kind == "mark":
            await self._mark(said.get("name"))
        elif kind == "clear":
            await self._stream.clear()
        elif kind != "hang_up":
            raise RemoteProtocolError(f"the type is {kind!r:.40}, expected mark, clear or hang_up")
        return bool(kind == "hang_up")

    async def _mark(self, name: object) -> None:
        if not isinstance(name, str) or not 0 < len(name.encode(errors="replace")) <= _LONGEST_NAME:
            raise RemoteProtocolError(f"a mark has a name of 1 to {_LONGEST_NAME} octets")
        if len(self._marks) >= _MOST_MARKS:
            raise RemoteProtocolError(f"more than {_MOST_MARKS} marks wait")
        if not name.isprintable():  # which half a surrogate pair is not either
            raise RemoteProtocolError("a mark's name is plain text")
        spoken = await self._stream.mark(name)
        self._marks[spoken] = asyncio.get_running_loop().create_task(self._tell_mark(spoken, name))

    async def _tell_mark(self, spoken: asyncio.Future[None], name: str) -> None:
        with suppress(asyncio.CancelledError, OSError, WebSocketException):
            await spoken
            await self.say("mark", name=name)
        self._marks.pop(spoken, None)


def _read(message: str) -> dict[str, Any]:
    try:
        said = json.loads(message)
    except (ValueError, RecursionError):
        raise RemoteProtocolError("a text message is not JSON") from None
    if not isinstance(said, dict):
        raise RemoteProtocolError("a text message is no JSON object")
    return said


def _words(error: BaseException) -> str:
    return str(error)[:200] or type(error).__name__
