"""What a caller sees and hears before the answer: ringing passed on, a callee's early media relayed.

The caller has one early dialog, whoever rings. Once it was given a description reliably (RFC 3262), that one counts:
when another callee's media is to be heard, it is offered anew by UPDATE (RFC 3311) where the caller takes that, and
else only the engine's ports are switched.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from trunkline.base.errors import CallFailed, MediaError, RemoteProtocolError
from trunkline.call.bridge import Bridge
from trunkline.call.leg import Leg
from trunkline.call.ring_back import RingBack
from trunkline.media.offer_answer import Stream, check_answer, streams_of

if TYPE_CHECKING:
    from trunkline.call.call import Call

EarlyMediaPolicy: TypeAlias = Literal["none", "callee", "both"]
"""Who is heard before the answer: nobody, the callee, or the caller too (its key presses, for a carrier's menu)."""

_RINGING: Final = 180
_TRIES: Final = 4  # of an offer that meets one of theirs, or comes before the PRACK
_AGAIN_S: Final = 0.5
_PATIENCE_S: Final = 4.0  # an UPDATE is answered at once; the call does not wait for one that is not
_PASSED: Final = frozenset({415, 488, 491, 500, 504, 606})
_FAULTS: Final = (RemoteProtocolError, MediaError, CallFailed)


class EarlyMedia:
    """Progress in the order in which it came; one at a time joins media of the call's legs.

    All callees' progress goes up in one early dialog; where several send media, the latest is heard.
    """

    __slots__ = (
        "_behind", "_call", "_callers", "_first", "_hushed", "_known", "_late", "_promised", "_ringback", "_speaking",
        "_told", "_turn", "agreed",
    )  # fmt: skip

    def __init__(self, call: Call) -> None:
        self._call = call
        self._behind = 0  # how much is under way or waits for its turn
        self._turn: asyncio.Lock | None = None  # most callees send no media before they answer
        self._hushed = False  # whether the caller is not heard
        self._promised = False  # whether a 180 went for a phone that was being woken
        self._ringback: RingBack | None = None
        self._told = b""  # the description that the caller has
        self._speaking: Leg | None = None  # whom the caller hears
        self._first = b""  # how that one described itself at first
        self._known = b""  # and how it does now
        self._callers = b""  # how the caller does, when that is not as in its INVITE any more
        self._late: tuple[Leg, list[Stream]] | None = None  # an offer that the caller's PRACK will answer
        self.agreed = False  # of a call without offer: whether that has happened

    def progress(self, leg: Leg, status: int, body: bytes, *, reliable: bool = False) -> None:
        """101..199 of a callee, with its description when it sends media; ``reliable``: it came so (RFC 3262)."""
        call = self._call
        if status == _RINGING and not body and self._told and self._is_silent:
            self._ringback = self._ringback or RingBack(call, call.caller_leg)
            self._ringback.start()
        if body and self._is_wanted(leg):
            self._behind += 1
            call.context.spawn(self._relay(leg, status, body, reliable=reliable))
        elif status == 199:
            return  # RFC 6228: the end of one callee's early dialog says nothing about the others
        elif self._behind:
            self._behind += 1
            call.context.spawn(self._pass_on(status, reliable=reliable))
        else:
            # RFC 3960 §3.2: a 180 after a 183 is passed on too, the phone knows what to play.
            call.caller_leg.progress(status, b"", followed=reliable)

    def promise(self) -> None:
        """180 for a phone that is being woken, so that its caller does not take silence for a fault.

        Nothing when the caller hears somebody already, or will in a moment; nor where the call was answered before.
        """
        call = self._call
        if not self._told and not self._behind and not self._promised and call.fork is not None:
            self._promised = True
            if call.transfer is None:
                call.caller_leg.progress(_RINGING, b"")

    @property
    def _is_silent(self) -> bool:
        """Whether the caller, who was given a description, hears nobody: who spoke has refused or gone."""
        return self._speaking is None or self._speaking.done

    def _is_wanted(self, leg: Leg) -> bool:
        """Whether a callee's description is anything to the caller before the answer."""
        if not self._call.invitation.offer:
            return leg.offers_early
        return self._call.context.early_media != "none"

    async def end(self) -> None:
        """A callee was chosen, or none: what came before that is passed on first, and nothing after it."""
        if not self._behind:
            self._call.fork = None
        else:
            async with self._lock():
                self._call.fork = None
        if self._hushed:
            self._hushed = False
            await self._call.caller_leg.media.hush(hushed=False)

    def _lock(self) -> asyncio.Lock:
        if self._turn is None:
            self._turn = asyncio.Lock()
        return self._turn

    async def _pass_on(self, status: int, *, reliable: bool) -> None:
        async with self._in_order():
            if self._call.fork is not None:
                self._call.caller_leg.progress(status, b"", followed=reliable)

    async def _relay(self, leg: Leg, status: int, body: bytes, *, reliable: bool) -> None:
        call = self._call
        async with self._in_order():
            if call.fork is None or leg.done:
                return
            described = b""
            try:
                if call.invitation.offer:
                    described = await self._join(leg, body)
                else:
                    described = await self._ask_caller(leg, body)
            except _FAULTS as error:
                call.tell("media.early_refused", f"{leg.outcome.target}: {error}")
            call.caller_leg.progress(status, described, followed=reliable)

    @asynccontextmanager
    async def _in_order(self) -> AsyncIterator[None]:
        """Whoever asks for the turn first has it first; until it is done, what comes after waits behind it."""
        try:
            async with self._lock():
                yield
        finally:
            self._behind -= 1

    # A callee's description

    async def _join(self, leg: Leg, body: bytes) -> bytes:
        """Let the caller hear this callee; what its provisional response shall say of that."""
        call, caller = self._call, self._call.caller_leg
        offered, body = self.standing(leg, body)
        answered = check_answer(offered, body)
        if call.context.early_media == "callee" and not self._hushed:
            # Who has not paid yet is not heard: an unanswered call is no free line (toll fraud).
            self._hushed = True
            await caller.media.hush(hushed=True)
        await Bridge(call, caller, leg).hear(caller, offered, leg, answered)
        self._listen_to(leg, body)
        described = caller.media.rewritten(body, len(answered))
        if caller.committed:
            await self.tell_anew(leg, described, answered)
            return b""
        self._told = described
        return described

    def _listen_to(self, leg: Leg, body: bytes) -> None:
        if leg is not self._speaking or body != self._known:
            self._speaking, self._first, self._known = leg, body, body

    def standing(self, leg: Leg, body: bytes) -> tuple[list[Stream], bytes]:
        """What stands between caller and a callee that gave ``body`` as its answer to the INVITE.

        Both may have changed since, by UPDATE: the caller's streams, and the callee's description.
        """
        if leg is self._speaking and body == self._first:
            body = self._known
        if self._callers:
            streams = streams_of(self._callers)
            if len(streams) == len(streams_of(body)):
                return streams, body
        return self._call.invitation.streams, body

    async def tell_anew(self, leg: Leg, described: bytes, answered: list[Stream]) -> None:
        """Offer the caller, who has a description for good, the one of another callee, unless it is the same."""
        caller = self._call.caller_leg
        if described == self._told:
            return
        if not caller.takes_update:
            # The ports are ours, and stay: where the payload numbers agree, the right party is heard all the same.
            self._call.tell(
                "media.early_switched", f"the caller hears {leg.outcome.target}, and was not told so"
            )
            caller.media.identity.take_back()
            return
        status, answer = await self._ask(caller, described)
        if status >= 300:
            self._call.tell(
                "media.early_switched", f"the caller refused to be told of {leg.outcome.target}: {status}"
            )
            return
        self._told, self._callers = described, answer
        heard = check_answer(answered, answer)
        await Bridge(self._call, caller, leg).hear(leg, answered, caller, heard)
        self._call.tell("media.early_changed", f"the caller hears {leg.outcome.target} from now on")

    # A callee's offer, to a caller without one

    async def _ask_caller(self, leg: Leg, body: bytes) -> bytes:
        """The offer of a reliable provisional goes up in one, the answer comes in the PRACK (RFC 3262 §5)."""
        caller = self._call.caller_leg
        if caller.committed or not self._call.invitation.takes_early_offer:
            leg.acknowledge(b"")  # the caller talks about another offer already
            return b""
        streams = streams_of(body)
        try:
            await caller.media.open_for(streams, leg.media)
            await leg.media.open_for(streams, caller.media)
        except _FAULTS:
            leg.acknowledge(b"")
            raise
        self._late = leg, streams
        self._listen_to(leg, body)
        self._told = caller.media.rewritten(body, len(streams), offer=True)
        return self._told

    def acknowledged(self, body: bytes) -> None:
        """The caller's PRACK with its answer."""
        if self._late is not None:
            (leg, streams), self._late = self._late, None
            self._behind += 1
            self._call.context.spawn(self._pass_answer(leg, streams, body))

    async def _pass_answer(self, leg: Leg, streams: list[Stream], body: bytes) -> None:
        call = self._call
        async with self._in_order():
            try:
                answered = check_answer(streams, body)
                self._callers = body
                if call.context.early_media != "both" and not self._hushed:
                    self._hushed = True
                    await call.caller_leg.media.hush(hushed=True)
                await Bridge(call, call.caller_leg, leg).hear(leg, streams, call.caller_leg, answered)
                leg.acknowledge(leg.media.rewritten(body, len(answered)))
                self.agreed = True
            except _FAULTS as error:
                call.tell("call.bad_answer", str(error))
                leg.acknowledge(b"")
                call.hang_up(code="call.bad_answer")

    async def agree_with(self, leg: Leg, body: bytes) -> None:
        """A callee has answered with ``body``: it may be another than the one whose offer the caller answered.

        A proxy has rung several for our one INVITE then: the caller's answer has to suit this one's offer too.
        """
        caller = self._call.caller_leg
        if leg is self._speaking and body == self._first:
            return
        streams = streams_of(body)
        if not suits(streams, self._callers):
            raise RemoteProtocolError("another offer than the one that the caller has answered", 488)
        await caller.media.open_for(streams, leg.media)
        await leg.media.open_for(streams, caller.media)
        answered = check_answer(streams, self._callers)
        await Bridge(self._call, caller, leg).hear(leg, streams, caller, answered)
        leg.acknowledge(leg.media.rewritten(self._callers, len(answered)))
        await self.tell_anew(leg, caller.media.rewritten(body, len(streams), offer=True), streams)

    # Changes before the answer

    def offered(self, leg: Leg, body: bytes) -> None:
        """An UPDATE of a party, or a PRACK with an offer: the party across is asked, or known well enough."""
        self._behind += 1
        self._call.context.spawn(self._change(leg, body))

    async def _change(self, leg: Leg, body: bytes) -> None:
        call = self._call
        caller = call.caller_leg
        async with self._in_order():
            other = self._speaking if leg is caller else caller
            if other is None or (leg is not caller and leg is not self._speaking):
                leg.refuse_offer(488)
                return
            try:
                await self._agree(leg, other, body)
            except _FAULTS as error:
                call.tell("call.change_failed", str(error))
                leg.refuse_offer(error.status if isinstance(error, RemoteProtocolError | CallFailed) else 503)

    async def _agree(self, leg: Leg, other: Leg, body: bytes) -> None:
        call = self._call
        streams = streams_of(body)
        await other.media.open_for(streams, leg.media)
        await leg.media.open_for(streams, other.media)
        asks = other.takes_update
        if asks:
            status, answer = await self._ask(other, other.media.rewritten(body, len(streams), offer=True))
            if status >= 300:
                leg.refuse_offer(status if status in _PASSED else 488)
                return
        else:
            # The ports are ours: the party across need not know as long as it goes on sending what suits.
            answer = self._known if other is self._speaking else self._callers or call.invitation.offer
            if not suits(streams, answer):
                leg.refuse_offer(488)
                return
        answered = check_answer(streams, answer)
        await Bridge(call, call.caller_leg, leg if other is call.caller_leg else other).hear(
            leg, streams, other, answered
        )
        described = leg.media.rewritten(answer, len(answered))
        leg.answer_offer(described)
        if leg is call.caller_leg:
            self._callers, self._known, self._told = body, answer, described
        else:
            self._known = body
            if asks:
                self._callers, self._told = (
                    answer,
                    other.media.identity.body.encode("utf-8", "surrogateescape"),
                )
        call.tell("media.early_changed", "the description was changed before the answer")

    async def _ask(self, leg: Leg, body: bytes) -> tuple[int, bytes]:
        """Offer a change by UPDATE: a status and the answer. 491 and 500 are tried again a few times."""
        status, answer = 500, b""
        for again in range(_TRIES):
            if again:
                await asyncio.sleep(_AGAIN_S)
            done: asyncio.Future[tuple[int, bytes]] = self._call.context.endpoint.loop.create_future()

            def told(status: int, answer: bytes, done: asyncio.Future[tuple[int, bytes]] = done) -> None:
                if not done.done():
                    done.set_result((status, answer))

            leg.offer(body, told, brief=True)
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    status, answer = await done
            except TimeoutError:
                return 408, b""
            if status not in {491, 500}:
                break
        return status, answer


def suits(offered: list[Stream], description: bytes) -> bool:
    """Whether a description that a party gave before may answer another offer: each live stream shares a format."""
    try:
        known = check_answer(offered, description)
    except RemoteProtocolError:
        return False
    return all(
        other.rejected or (not stream.rejected and set(stream.formats) & set(other.formats))
        for stream, other in zip(offered, known, strict=True)
    )
