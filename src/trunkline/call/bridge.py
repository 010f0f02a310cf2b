"""A bridge: two legs under the policy ``relay``; media and what the parties change pass through."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from trunkline.base.errors import CallFailed, MediaError, RemoteProtocolError
from trunkline.call.key_interworking import KeyInterworking
from trunkline.call.leg import Info, Leg
from trunkline.call.manner import tell_manner
from trunkline.media.codecs import AS_IT_IS, formats_of, pairing
from trunkline.media.commands import Link
from trunkline.media.offer_answer import Hold, Stream, check_answer, hold_of, same_formats, streams_of

if TYPE_CHECKING:
    from trunkline.call.call import Call

# A re-INVITE's failure that the other side may be told as it is; everything else becomes 488. Not 408 and
# 481: they would end the asker's dialog, while what they mean is that the other party's has ended. 504 says that a
# user must be asked, for which an UPDATE does not wait: who asked sends a re-INVITE then (RFC 3311 §5.2).
_PASSED = frozenset({415, 487, 488, 491, 500, 503, 504, 606})


class Late(NamedTuple):
    """An offer whose answer comes by the ACK of ``answerer``.

    ``told`` that its maker believes itself in agreement: what we pass on as its offer was its answer to one of ours.
    """

    answerer: Leg
    offered: list[Stream]
    told: bool


class Bridge:
    """Joins leg ``a`` (the caller's) and leg ``b``. One change at a time: the SIP side sees to that."""

    __slots__ = ("_asking", "_held", "_keys", "_late", "a", "b", "call")

    def __init__(self, call: Call, a: Leg, b: Leg) -> None:
        self.call = call
        self.a = a
        self.b = b
        self._asking: set[str] = set()
        self._held: dict[str, Hold] = {}
        self._late: Late | None = None
        self._keys: KeyInterworking | None = None

    def translate_keys(self) -> None:
        """From now on keys are told to each party in its own way, where the call's sound passes here."""
        if self._keys is None and self.call.context.translates_keys and not self.a.media.passes:
            self._keys = KeyInterworking(self)

    def let_go(self) -> None:
        """The call is closed: nothing here refers back any more."""
        self._keys = None

    @property
    def held(self) -> bool:
        """Whether a party holds the call."""
        return any(hold is not Hold.ACTIVE for hold in self._held.values())

    def holds(self) -> dict[str, str]:
        """How each party holds the call, by its leg's id: what ``take_up`` reads."""
        return {leg: str(hold) for leg, hold in self._held.items()}

    @property
    def waits_for(self) -> Late | None:
        """The offer that waits for an ACK with its answer."""
        return self._late

    def take_up_late(self, answerer: Leg, offer: str) -> None:
        """Its offer waited for the ACK of one of the two; raises RemoteProtocolError when it cannot be read."""
        self._late = Late(answerer, streams_of(offer), told=False)

    def take_up(self, holds: dict[str, str]) -> None:
        """The parties held the call so when its process died."""
        self._held = {leg: Hold(hold) for leg, hold in holds.items()}

    def __contains__(self, leg: Leg) -> bool:
        """Whether this leg is one of the two: a call may have others, who come in or go out by a transfer."""
        return leg is self.a or leg is self.b

    def other(self, leg: Leg) -> Leg:
        """The party across from one of the two."""
        return self.b if leg is self.a else self.a

    async def hear(self, offerer: Leg, offered: list[Stream], answerer: Leg, answered: list[Stream]) -> None:
        """Take over what offer and answer say, and relay between the ports of both legs, m-line by m-line."""
        await offerer.media.hear(offered, answered)
        await answerer.media.hear(answered, offered)
        if offerer.media.converts or answerer.media.converts:
            await self._convert(offerer, offered, answerer, answered)
        await self.link()
        if offerer.media.unusual or answerer.media.unusual:
            tell_manner(self.call, offerer, answerer)

    async def _convert(
        self, offerer: Leg, offered: list[Stream], answerer: Leg, answered: list[Stream]
    ) -> None:
        """Where the parties share no codec, the engine speaks to each in its own."""
        for position, (asked, given) in enumerate(zip(offered, answered, strict=False)):
            how = AS_IT_IS  # of a fax in the place of the sound
            if asked.kind == "audio" and not (asked.rejected or given.rejected):
                how = pairing(formats_of(asked.shape), formats_of(given.shape))
            await offerer.media.speak(position, how, asked, asked=True)
            await answerer.media.speak(position, how, given, asked=False)

    async def link(self) -> None:
        """Relay between the ports that both legs have."""
        execute = self.call.context.engine.execute
        for port_a, port_b in zip(self.a.media.ports, self.b.media.ports, strict=False):
            if port_a is not None and port_b is not None:
                converts = self.a.media.is_converted(port_a) and self.b.media.is_converted(port_b)
                await execute(Link(port_a, port_b, converts))

    # A change that one party asks for

    def offered(self, leg: Leg, body: bytes) -> None:
        """A re-INVITE from ``leg``: pass it to the other party, and its answer back."""
        self._asking.add(leg.id)
        self.call.context.spawn(self._pass_offer(leg, body) if body else self._ask_for_offer(leg))

    def withdrawn(self, leg: Leg) -> None:
        """``leg`` cancelled its re-INVITE: so do we. A change that is made nevertheless is the other's alone."""
        self._asking.discard(leg.id)
        self.other(leg).withdraw_offer()

    async def _pass_offer(self, leg: Leg, body: bytes) -> None:
        other = self.other(leg)
        try:
            streams = streams_of(body)
            await other.media.open_for(streams, leg.media)
            await leg.media.open_for(streams, other.media)
            offer = other.media.rewritten(body, len(streams), offer=True)
        except (RemoteProtocolError, MediaError, CallFailed) as error:
            self._refuse(leg, error)
            return

        def done(status: int, answer: bytes) -> None:
            self.call.context.spawn(self._pass_answer(leg, other, streams, status, answer))

        other.offer(offer, done, brief=leg.asks_briefly)

    async def _pass_answer(
        self, leg: Leg, other: Leg, offered: list[Stream], status: int, answer: bytes
    ) -> None:
        asked = self._take_question(leg)
        if status >= 300:
            self._pass_refusal(leg, status)
            return
        if not asked:
            return
        try:
            answered = check_answer(offered, answer)
            await self.hear(leg, offered, other, answered)
            leg.answer_offer(leg.media.rewritten(answer, len(answered)))
            if not self._note_hold(leg, held_by(offered)):
                self._tell_change(leg, answered)
        except (RemoteProtocolError, MediaError, CallFailed) as error:
            # The other party lives by the new description already, this one cannot: they no longer agree.
            self._break("call.bad_answer", error)

    def _tell_change(self, leg: Leg, answered: list[Stream]) -> None:
        fax = any(stream.transport == "udptl" and not stream.rejected for stream in answered)
        self.call.tell(
            "call.change", f"{self._name(leg)} changes the session{' to fax (T.38)' if fax else ''}"
        )

    def _take_question(self, leg: Leg) -> bool:
        """Whether ``leg`` still waits for what it asked; from now on it does not."""
        asked = leg.id in self._asking
        self._asking.discard(leg.id)
        return asked

    def _pass_refusal(self, leg: Leg, status: int) -> None:
        self.call.tell("call.change_refused", f"the other party refused the change: {status}", status=status)
        leg.refuse_offer(status if status in _PASSED else 488)

    async def _ask_for_offer(self, leg: Leg) -> None:
        """A re-INVITE without offer (RFC 3261 §14.1): the other party makes it, ``leg``'s ACK answers it."""
        other = self.other(leg)

        def done(status: int, offer: bytes) -> None:
            self.call.context.spawn(self._pass_late_offer(leg, other, status, offer))

        other.offer(b"", done)

    async def _pass_late_offer(self, leg: Leg, other: Leg, status: int, offer: bytes) -> None:
        asked = self._take_question(leg)
        if status >= 300:
            self._pass_refusal(leg, status)
            return
        if not asked:
            other.acknowledge(b"")  # the 2xx crossed our CANCEL; nobody is left to answer its offer
            return
        try:
            leg.answer_offer(await self.late_offer(other, leg, offer))
        except (RemoteProtocolError, MediaError, CallFailed) as error:
            other.acknowledge(b"")
            self._break("call.bad_offer", error)

    async def late_call(self, body: bytes) -> bytes:
        """The callee's 2xx to a call without offer, as the caller's offer; its ACK will bring the answer.

        When the callee was offered something nevertheless (``Target.needs_offer``), ``body`` is its answer to that.
        """
        ours = self.b.media.told
        if ours:
            check_answer(streams_of(ours), body)
        return await self.late_offer(self.b, self.a, body, told=bool(ours))

    async def late_offer(self, maker: Leg, answerer: Leg, offer: bytes, *, told: bool = False) -> bytes:
        """The offer in ``maker``'s 2xx as ``answerer`` shall see it, whose ACK will bring the answer."""
        streams = streams_of(offer)
        await answerer.media.open_for(streams, maker.media)
        await maker.media.open_for(streams, answerer.media)
        self._late = Late(answerer, streams, told)
        return answerer.media.rewritten(offer, len(streams), offer=True)

    def acknowledged(self, leg: Leg, body: bytes) -> None:
        """The ACK of a 2xx that carried an offer: its answer goes to the party that made the offer."""
        if self._late is not None and self._late.answerer is leg:
            late, self._late = self._late, None
            self.call.context.spawn(self._pass_late_answer(leg, late, body))
        elif leg in self:
            self.other(leg).confirm()

    async def _pass_late_answer(self, leg: Leg, late: Late, body: bytes) -> None:
        other, offered = self.other(leg), late.offered
        try:
            answered = check_answer(offered, body)
            await self.hear(other, offered, leg, answered)
            offers_hold = held_by(offered)
            self._note_hold(other, offers_hold)
            # Who answers a hold with silence only agrees to it.
            self._note_hold(leg, held_by(answered) if offers_hold is Hold.ACTIVE else Hold.ACTIVE)
            if not late.told:
                other.acknowledge(other.media.rewritten(body, len(answered)))
            other.confirm()
            if late.told and not same_formats(offered, answered):
                self._adapt(other, leg, answered, body)
        except (RemoteProtocolError, MediaError, CallFailed) as error:
            # The 2xx must be acknowledged whatever happens; without a usable answer the call cannot go on.
            other.acknowledge(b"")
            self._break("call.bad_answer", error)

    def _adapt(self, maker: Leg, answerer: Leg, answered: list[Stream], body: bytes) -> None:
        """``maker`` agreed with us before ``answerer`` was asked: let it know what is left of that."""

        def done(status: int, again: bytes) -> None:
            self.call.context.spawn(self._adapted(maker, answerer, answered, status, again))

        maker.offer(maker.media.rewritten(body, len(answered), offer=True), done)

    async def _adapted(
        self, maker: Leg, answerer: Leg, answered: list[Stream], status: int, again: bytes
    ) -> None:
        if status >= 300:
            # They hear each other as far as what both named allows; a crossing change (491) settles it anyway.
            self.call.tell(
                "call.change_refused", f"the callee keeps its first answer: {status}", status=status
            )
            return
        try:
            await self.hear(answerer, answered, maker, check_answer(answered, again))
        except (RemoteProtocolError, MediaError, CallFailed) as error:
            self._break("call.bad_answer", error)

    def _break(self, code: str, error: Exception) -> None:
        self.call.tell(code, str(error))
        self.call.hang_up(code=code)

    def _refuse(self, leg: Leg, error: Exception) -> None:
        status = error.status if isinstance(error, RemoteProtocolError | CallFailed) else 503
        self.call.tell("call.change_failed", str(error), status=status)
        leg.refuse_offer(status)

    def _note_hold(self, leg: Leg, hold: Hold) -> bool:
        """Take over whether ``leg`` holds the call; whether that was news."""
        before = self._held.get(leg.id, Hold.ACTIVE)
        self._held[leg.id] = hold
        if (hold is Hold.ACTIVE) == (before is Hold.ACTIVE):
            return False
        if hold is Hold.ACTIVE:
            self.call.tell("call.resume", f"{self._name(leg)} resumes the call")
        else:
            self.call.tell("call.hold", f"{self._name(leg)} holds the call", how=str(hold))
        return True

    def _name(self, leg: Leg) -> str:
        return leg.outcome.number

    # What passes without us

    def info(self, leg: Leg, info: Info) -> None:
        """An INFO goes to the other party as it came, unless it is a key that the other takes in another way."""
        if self._keys is None or not self._keys.info(leg, info):
            self.other(leg).send_info(info)


def held_by(streams: list[Stream]) -> Hold:
    """How a party with this description holds the call: its first live stream says so."""
    return next((hold_of(stream) for stream in streams if not stream.rejected), Hold.ACTIVE)
