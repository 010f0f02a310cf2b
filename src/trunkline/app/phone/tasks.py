"""What the phone does by one command: register, call, answer. Each ends with an exit code."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from trunkline.app.phone.conversation import Conversation
from trunkline.app.phone.hearing import heard_s
from trunkline.app.phone.outcome import PhoneExit, PhoneFailed
from trunkline.app.phone.softphone import Softphone
from trunkline.base.errors import MediaError

TONE_S = 0.5


@dataclass(frozen=True, slots=True)
class Talk:
    """What is done in a call once it is answered; times in seconds, None for no end by ourselves.

    ``play`` and ``record`` are absolute paths. Of ``play``, ``tone_hz`` and ``echo`` one is chosen at most.
    """

    play: Path | None = None
    tone_hz: float | None = None
    echo: bool = False
    record: Path | None = None
    dtmf: str = ""
    duration_s: float | None = None
    expect_tone_hz: float | None = None

    def of_call(self, number: int) -> Talk:
        """The same for the first, second, ... call: each records into a file of its own (``out-2.wav``)."""
        if self.record is None or number == 1:
            return self
        return replace(self, record=self.record.with_stem(f"{self.record.stem}-{number}"))


async def stay_registered(phone: Softphone, seconds: float | None) -> PhoneExit:
    """Register; with ``seconds`` stay so for that long, else end at once."""
    await phone.register()
    if seconds is not None:
        await asyncio.sleep(seconds)
    return PhoneExit.OK


async def call(phone: Softphone, number: str, talk: Talk, ring_s: float) -> PhoneExit:
    """Call, talk, hang up; gives up when nobody answers within ``ring_s``."""
    conversation = await phone.call(number)
    if not await _first(conversation.answered, conversation.over, within_s=ring_s):
        conversation.hang_up()
    return await _talk(conversation, talk)


async def answer(
    phone: Softphone, talk: Talk, *, count: int, after_s: float, wait_s: float | None, refuse: int = 0
) -> PhoneExit:
    """Register and answer (or refuse) ``count`` calls, one after the other, each after ``after_s`` of ringing.

    The exit code is the worst of them.
    """
    calls: asyncio.Queue[Conversation] = asyncio.Queue(1)

    def take(conversation: Conversation) -> None:
        if phone.conversations[0] is not conversation or calls.full():
            conversation.refuse(486)
        else:
            calls.put_nowait(conversation)

    phone.on_incoming = take
    await phone.register()
    worst = PhoneExit.OK
    for number in range(1, count + 1):
        try:
            async with asyncio.timeout(wait_s):
                conversation = await calls.get()
        except TimeoutError:
            raise PhoneFailed(f"nobody called within {wait_s:g} s", PhoneExit.NO_CALL) from None
        worst = max(worst, await _take(conversation, talk.of_call(number), after_s, refuse))
    return worst


async def _take(conversation: Conversation, talk: Talk, after_s: float, refuse: int) -> PhoneExit:
    await _first(conversation.over, within_s=after_s)
    if refuse:
        conversation.refuse(refuse)
        await conversation.over.wait()
        return PhoneExit.OK
    await conversation.answer()
    await _first(conversation.answered, conversation.over)
    return await _talk(conversation, talk)


async def _talk(conversation: Conversation, talk: Talk) -> PhoneExit:
    """From the answer, if there is one, to the end of the call."""
    with ExitStack() as stack:
        record = talk.record
        if talk.expect_tone_hz is not None and record is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="trunkline-phone-"))
            record = Path(folder) / "heard.wav"
        if conversation.answered.is_set() and not conversation.over.is_set():
            await _do(conversation, talk, record)
            conversation.hang_up()
        await conversation.over.wait()
        code = conversation.outcome.exit_code if conversation.outcome is not None else PhoneExit.UNREACHABLE
        if code is PhoneExit.OK and talk.expect_tone_hz is not None and record is not None:
            return await _listen(conversation, record, talk.expect_tone_hz)
        return code


async def _do(conversation: Conversation, talk: Talk, record: Path | None) -> None:
    sound = conversation.sound
    try:
        if record is not None:
            await sound.record(record, tell=talk.record is not None)
        if talk.play is not None:
            await sound.play(talk.play)
        elif talk.tone_hz is not None:
            await sound.tone(talk.tone_hz)
        elif talk.echo:
            await sound.echo()
    except MediaError as error:
        raise PhoneFailed(str(error), PhoneExit.REFUSED) from None
    if talk.dtmf:
        await conversation.dtmf(talk.dtmf)
    if talk.duration_s is not None:
        await _first(conversation.over, within_s=talk.duration_s)
    elif talk.play is not None:
        await _first(sound.played, conversation.over)
    elif not talk.dtmf:
        await _first(conversation.over)


async def _listen(conversation: Conversation, file: Path, frequency_hz: float) -> PhoneExit:
    seconds = await asyncio.to_thread(heard_s, file, frequency_hz)
    heard = seconds >= TONE_S
    conversation.tell("tone", frequency_hz=frequency_hz, seconds=round(seconds, 1), heard=heard)
    return PhoneExit.OK if heard else PhoneExit.NOT_HEARD


async def _first(*events: asyncio.Event, within_s: float | None = None) -> bool:
    """Wait until one of them is set; False when none is within the time."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return bool(done)
