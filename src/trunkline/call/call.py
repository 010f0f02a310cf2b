"""A call: its legs and their story, told straight down the page by a script.

    async def front_desk(call: Call) -> None:
        await call.connect(static_targets([target]))
        await call.over()

A script runs as one task. What it awaits are decisions, never messages; between them the legs work by
callbacks (``reactions``). When it returns, or fails, or the caller leaves, the call is closed: legs hung up,
ports given back, records written, exactly once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from trunkline.base.errors import (
    CallFailed,
    MediaError,
    RemoteProtocolError,
    TransportError,
)
from trunkline.base.ids import uuid7
from trunkline.base.story import Story, Value
from trunkline.call.app_leg import AppLeg, AppSide
from trunkline.call.bridge import Bridge
from trunkline.call.context import CallContext
from trunkline.call.early_media import EarlyMedia
from trunkline.call.ending import Ending
from trunkline.call.failures import fault
from trunkline.call.fork import Fork
from trunkline.call.invitation import Errand, Invitation
from trunkline.call.leg import Leg, LegKind
from trunkline.call.leg_media import LegMedia
from trunkline.call.leg_outcome import LegOutcome
from trunkline.call.party import Party
from trunkline.call.passing_media import MediaPolicy, PassingMedia
from trunkline.call.reactions import OVER, Reactions
from trunkline.call.records import close_books
from trunkline.call.service import ServiceMedia
from trunkline.call.sip_leg import SipLeg
from trunkline.call.speaking import Speaking
from trunkline.call.target import Target, static_targets
from trunkline.media.leg_security import Encryption
from trunkline.media.offer_answer import check_answer
from trunkline.net.flow import Flow
from trunkline.net.listener import host_port
from trunkline.proto.sip.transaction.incoming import Incoming

if TYPE_CHECKING:
    from trunkline.call.kept_recording import KeptRecording
    from trunkline.call.referrals import Substitution

Script: TypeAlias = Callable[["Call"], Coroutine[Any, Any, None]]


class Moved(NamedTuple):
    """Where a leg that was moved here began: its call, and that call's story if the leg began it."""

    call: str
    story: Story | None


class Call(Speaking):
    """One call from one caller; ``callee`` is the number as dialled. ``media`` says whether packets pass here."""

    invitation: Invitation
    media: MediaPolicy = "relay"
    one_way = False
    """Whether its story says already that a party is not heard."""
    encryption: Encryption | None = None
    """How its caller is to be secured; None: as the way to us asks for."""
    recording: KeptRecording | None = None
    """What is recorded of it, for the process after a crash."""
    room_file = ""
    """Where the conference is recorded that its caller is in; for the same."""
    foreign = False
    """Whether its SIP party belongs to somebody else's PBX, which transfers calls by itself."""

    def __init__(
        self,
        context: CallContext,
        tenant: str,
        caller: Party,
        callee: str,
        story: Story,
        *,
        media: MediaPolicy = "relay",
        foreign: bool = False,
    ) -> None:
        if media != "relay":
            self.media = media
        if foreign:
            self.foreign = True
        self.context = context
        self.tenant = tenant
        self.id = uuid7()
        self.caller = caller
        self.callee = callee
        self.parties: tuple[str, ...] = ()  # the numbers among whose calls it counts
        self.story = story
        self.started_at = context.wall()
        self.legs: list[Leg] = []
        self.fork: Fork | None = None
        self.bridge: Bridge | None = None
        self.service: ServiceMedia | None = None
        self.silent: frozenset[str] = frozenset()  # the media ports whose party is not heard
        self.changes = 0  # goes up whenever what ``call.snapshot`` writes down is about to change
        self.moved: dict[str, Moved] | None = None  # of the legs that came from other calls
        self.transfer: Substitution | None = None
        self.referred: tuple[str, ...] = ()  # legs that asked for a transfer before
        self._early: EarlyMedia | None = None
        self.on_closed: Callable[[Call], None] = lambda _call: None
        self._onward: Script | None = None  # what the call goes on with after a transfer
        self._ending = Ending(context.endpoint.loop)

    def begin(self, incoming: Incoming, flow: Flow, script: Script, *, hold: bool = False) -> None:
        """Take the INVITE and start the script; raises RemoteProtocolError when it cannot make a call.

        With ``hold`` the caller's 100 waits for ``is_kept``.
        """
        leg = self._new_leg("in", source_of(flow), flow, encryption=self.encryption)
        self.invitation = Invitation(incoming.request, self.context.max_forwards, leg.media)
        leg.accept(incoming, flow, hold=hold)
        self.legs.append(leg)
        self.context.spawn(self._run(script))

    def begin_app(self, side: AppSide, offer: bytes, script: Script, headers: str = "") -> AppLeg:
        """Begin at an app that offers this, and start the script; ``headers`` are finished lines for the callees.

        Raises RemoteProtocolError when the offer cannot be read.
        """
        leg = self._new_app_leg("in", side)
        self.invitation = Invitation.made(leg.media.read(offer), headers, self.context.max_forwards)
        leg.begin(offer)
        self.legs.append(leg)
        self.context.spawn(self._run(script))
        return leg

    def carry_on(self, script: Script) -> None:
        """Go on where the process before us died: legs, bridge and media are in place."""
        self.context.spawn(self._run(script))

    @property
    def caller_leg(self) -> Leg:
        return self.legs[0]

    @property
    def early(self) -> EarlyMedia:
        """What its caller sees and hears before the answer."""
        if self._early is None:
            self._early = EarlyMedia(self)
        return self._early

    @property
    def has_apps(self) -> bool:
        """Whether an app is, or was, one of its parties."""
        return any(leg.kind is LegKind.APP for leg in self.legs)

    @property
    def held(self) -> bool:
        """Whether a party holds the call."""
        return self.bridge is not None and self.bridge.held

    def tell(self, code: str, text: str, **data: Value) -> None:
        """Add a step to the story."""
        self.story.add(self.context.endpoint.now(), code, text, **data)
        if self.context.on_change is not None:
            self.context.on_change(self)

    # What scripts do

    async def connect(self, targets: AsyncIterable[Target], ring_timeout_s: float | None = None) -> None:
        """Ring the targets and bridge the first that answers; returns when both talk.

        Raises CallFailed with what the caller is to be told when nobody answers, or answers what cannot be
        understood; MediaError when the engine has no port left.
        """
        caller = self.caller_leg
        await caller.media.open_for(self.invitation.streams, caller.media)
        fork = Fork(self, targets, ring_timeout_s or self.context.ring_timeout_s)
        fork.ack_later = caller.kind is LegKind.APP
        await self._ring(fork)

    def take_up_fork(self) -> None:
        """The legs but the caller's rang when the process before us died; ``ring_on`` waits for them."""
        self.fork = Fork(self, static_targets(()), self.context.ring_timeout_s)
        self.fork.take_up(self.legs[1:])

    async def ring_on(self) -> None:
        """As ``connect``, after ``take_up_fork``."""
        if self.fork is not None:
            await self._ring(self.fork)

    async def _ring(self, fork: Fork) -> None:
        self.fork = fork
        try:
            try:
                callee, body = await fork.run()
            except CallFailed:
                await self.early.end()
                raise
            await self.early.end()
            if self.bridge is None:
                await self._join(callee, body)
            elif fork.ack_later:  # a transfer has given the callee another party
                callee.acknowledge(b"")
        finally:
            self.fork = None

    async def _join(self, callee: Leg, body: bytes) -> None:
        try:
            await self._bridge(callee, body)
        except RemoteProtocolError as error:
            self.tell("call.bad_answer", f"{callee.outcome.target}: {error.reason}")
            callee.hang_up(code="call.bad_answer")
            # RFC 3261 §21.5.3: the fault is not the caller's, whatever the callee's description deserves.
            raise CallFailed(502, "Bad Gateway", 38, "call.bad_answer") from error
        except (CallFailed, MediaError) as error:
            callee.hang_up(code=fault(error).code)
            raise
        for loser in self.legs[1:]:
            if loser is not callee:
                await loser.media.close()
        way = "media is relayed" if self.media == "relay" else "media does not pass here"
        self.tell("call.answered", f"{callee.outcome.target} answered, {way}")
        if isinstance(callee, AppLeg):
            callee.taken()

    async def _bridge(self, callee: Leg, body: bytes) -> None:
        caller, asked = self.caller_leg, self.invitation
        bridge = Bridge(self, caller, callee)
        if self.early.agreed:
            described = b""  # offer and answer went through before the answer
            await self.early.agree_with(callee, body)
        elif not asked.offer:
            # RFC 3261 §13.2.1: the callee's 2xx offers, the caller's ACK answers, and ours waits for that.
            described = await bridge.late_call(body)
        else:
            offered, body = self.early.standing(callee, body)
            answered = check_answer(offered, body)
            await bridge.hear(caller, offered, callee, answered)
            described = caller.media.rewritten(body, len(answered))
            if caller.committed:
                await self.early.tell_anew(callee, described, answered)
        if callee.kind is LegKind.APP:
            # A caller that has seen the 200 must find the call after a crash: what the app said is on disk before.
            await self.on_disk()
        self.bridge = bridge
        bridge.translate_keys()
        caller.answer(described)
        if callee.kind is LegKind.APP:
            self.keep()
        elif caller.kind is LegKind.APP:
            await self.on_disk()
            callee.acknowledge(b"")

    async def on_disk(self) -> None:
        """Return when all that was written down before is on disk, or the disk takes too long."""
        if self.context.on_disk is not None:
            await self.context.on_disk()

    def keep(self) -> None:
        """Write the call down at once, for the process after a crash."""
        if self.context.keep_now is not None:
            self.context.keep_now(self)

    def is_kept(self) -> None:
        """What was written is on disk: from here on a crash loses nothing that the caller was told."""
        caller = self.legs[0]
        if isinstance(caller, SipLeg):
            caller.trying()

    async def answer(self) -> ServiceMedia:
        """Answer the caller ourselves: echo, tones, announcements. Raises CallFailed(488) without codec.

        A party that a transfer has brought to us is answered already.
        """
        if self.service is not None:
            return self.service
        service = self.service = ServiceMedia(self, self.caller_leg)
        body = await service.agree(self.invitation.offer)
        self.caller_leg.answer(body)
        self.tell("call.answered", "answered here")
        return service

    async def over(self) -> None:
        """Wait until one party has hung up, or what the call went on with is done."""
        await self._ending.wait()
        script, self._onward = self._onward, None
        if script is not None and not self._ending.told:
            await script(self)
            self.hang_up()

    def go_on_with(self, script: Script) -> None:
        """Do something else with the party that is left, where the call's script waits for its end."""
        self._onward = script
        self._ending.wake()

    def hang_up(self, reason: str = "", code: str = "call.hangup", by: str = "exchange") -> None:
        """End the call for all; ``reason`` is a Reason header value, ``code`` and ``by`` go on record."""
        for leg in self.legs:
            if not leg.done:
                leg.hang_up(reason, code=code, by=by)
        self._ending.tell()

    # What a fork does

    def new_branch(self, target: Target, flow: Flow | None, errand: Errand) -> SipLeg:
        """One more outgoing leg; without a way to the target it is for the record only."""
        numbers = errand.caller.number, errand.number
        leg = self._new_leg("out", target.label, flow, target.profile, numbers, target.encryption)
        self.legs.append(leg)
        return leg

    def new_app_branch(self, target: Target, side: AppSide, errand: Errand) -> AppLeg:
        """One more leg that is handed to an app."""
        leg = self._new_app_leg("out", side, target, (errand.caller.number, errand.number))
        self.legs.append(leg)
        return leg

    def new_party(self, incoming: Incoming, flow: Flow, number: str) -> SipLeg:
        """Somebody who comes in by an INVITE of its own; raises RemoteProtocolError when that makes no dialog.

        For the books it was called: the caller's leg is the one that began the call.
        """
        leg = self._new_leg("out", source_of(flow), flow, numbers=(self.caller.number, number))
        leg.accept(incoming, flow)
        self.legs.append(leg)
        return leg

    def move_in(self, leg: Leg, media: LegMedia, before: Call, *, first: bool = False) -> None:
        """Take over a party of another call, with the ports that it has here; its record stays with that call.

        ``first``: in the place of this call's caller, who leaves unanswered.
        """
        began = before.origin_of(leg) or Moved(before.id, before.story if leg is before.legs[0] else None)
        self.note_origin(leg, began)
        if leg is before.legs[0] and before.origin_of(leg) is None:
            leg.outcome.hidden = before.caller.anonymous  # whoever the caller of this call is
        if leg.id in before.referred:
            self.referred = (*self.referred, leg.id)
        before.legs.remove(leg)
        before.bridge = None
        before.changes += 1
        leg.media = media
        leg.observer = Reactions(self)
        if first:
            caller = self.legs[0]
            if self.origin_of(caller) is None:
                self.note_origin(caller, Moved(self.id, self.story))  # its record keeps the story
            self.legs.insert(0, leg)
        else:
            self.legs.append(leg)
        self.changes += 1

    def take_up_leg(
        self, key: str, outcome: LegOutcome, media: LegMedia, side: AppSide | None = None
    ) -> SipLeg | AppLeg:
        """A leg that the process before us had; with ``side`` an app's."""
        leg: SipLeg | AppLeg
        if side is None:
            leg = SipLeg(self.context, Reactions(self), media, outcome)
        else:
            leg = AppLeg(self.context, Reactions(self), media, outcome, side)
        leg.id = key
        self.legs.append(leg)
        return leg

    def origin_of(self, leg: Leg) -> Moved | None:
        """Where a leg began; None when it did here."""
        return self.moved.get(leg.id) if self.moved is not None else None

    def note_origin(self, leg: Leg, began: Moved) -> None:
        """A leg began in another call: its record belongs there."""
        if self.moved is None:
            self.moved = {}
        self.moved[leg.id] = began

    def _new_leg(
        self,
        direction: str,
        target: str,
        flow: Flow | None,
        profile: str = "transparent",
        numbers: tuple[str, str] | None = None,
        encryption: Encryption | None = None,
    ) -> SipLeg:
        context = self.context
        address = context.media_for(flow) if flow is not None else ""
        if encryption is None:
            encryption = "off" if self.foreign else context.encryption.towards(flow)
        media = self.media_at(address, profile, encryption)
        caller, callee = numbers or (self.caller.number, self.callee)
        outcome = LegOutcome(direction, caller, callee, target, context.wall())
        if self.foreign:
            outcome.outside = True
        return SipLeg(context, Reactions(self), media, outcome)

    def _new_app_leg(
        self,
        direction: str,
        side: AppSide,
        target: Target | None = None,
        numbers: tuple[str, str] | None = None,
    ) -> AppLeg:
        context = self.context
        profile, encryption = ("transparent", None) if target is None else (target.profile, target.encryption)
        media = self.media_at(context.media_for_app(), profile, encryption or "off")
        caller, callee = numbers or (self.caller.number, self.callee)
        outcome = LegOutcome(direction, caller, callee, side.label, context.wall())
        outcome.outside = self.foreign
        return AppLeg(context, Reactions(self), media, outcome, side)

    def media_at(
        self, address: str, profile: str = "transparent", encryption: Encryption = "off"
    ) -> LegMedia:
        """The media of a new leg, by the call's policy; ``address`` is the engine's for its party."""
        engine = self.context.engine
        if self.media == "bypass":
            return PassingMedia(engine, self.id)
        media = LegMedia(
            engine, self.id, address, profile, encryption=encryption, converts=self.context.converts
        )
        media.tell = self.tell
        return media

    # The life of the script

    async def _run(self, script: Script) -> None:
        self._ending.enter()
        try:
            if not self._ending.told:
                await script(self)
        except (CallFailed, MediaError, RemoteProtocolError, TransportError) as error:
            self._fail(fault(error), str(error))
        except asyncio.CancelledError:
            if not self._ending.absorb():
                raise
        except Exception as error:
            self._fail(CallFailed(500, "Server Internal Error", 41, "call.fault"), type(error).__name__)
            raise
        finally:
            await self._close()

    def _fail(self, failure: CallFailed, why: str) -> None:
        caller = self.caller_leg
        if caller.done:
            return
        self.tell("call.failed", why, status=failure.status, why=failure.code)
        if caller.outcome.answered_at is None:
            caller.refuse(failure)
        else:
            caller.hang_up(code=failure.code)

    async def _close(self) -> None:
        if self.transfer is not None:
            self.transfer.cancel()
        caller = self.caller_leg
        if not caller.done and caller.outcome.answered_at is None:
            caller.refuse(CallFailed(480, "Temporarily Unavailable", 31, "call.no_decision"))
        ended = caller.outcome
        self.hang_up(code=ended.code or "call.hangup", by=ended.ended_by or "exchange")
        try:
            await close_books(self)
        finally:
            self.on_closed(self)
            if self.context.on_change is not None:
                self.context.on_change(self)
            self._let_go()

    def _let_go(self) -> None:
        """Cut what refers back, so that the call goes with its task: the search for cycles stops all other calls."""
        if self.bridge is not None:
            self.bridge.let_go()
        if self.service is not None:
            self.service.let_go()
        self._early = self.bridge = self.service = None
        for leg in self.legs:
            leg.media.tell = None
            leg.let_go(OVER)


def source_of(flow: Flow) -> str:
    """Where a party speaks from, as its record names it."""
    return f"{flow.transport.lower()} {host_port(*flow.remote)}"
