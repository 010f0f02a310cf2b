"""Descriptions agreed anew between legs that talk already: what a transfer does to those who stay (RFC 3725)."""

from __future__ import annotations

import asyncio
from typing import Final

from trunkline.base.errors import CallFailed
from trunkline.call.bridge import Bridge, held_by
from trunkline.call.leg import Leg
from trunkline.call.leg_media import LegMedia
from trunkline.call.sip_leg import SipLeg
from trunkline.media.offer_answer import Hold, Stream, check_answer, streams_of
from trunkline.proto.sip.reasons import Q850, reason_phrase

_PATIENCE_S: Final = (
    32.0  # of a re-INVITE that meets one of theirs, or comes before the ACK of the last: 64*T1
)
# RFC 3261 §14.2: a glare, and an INVITE while the one before it is not over.
_LATER: Final = frozenset({491, 500})
# Statuses to a description that another one may avoid.
_NOT_THIS: Final = frozenset({415, 488, 606})


async def ask(leg: Leg, body: bytes, extra: str = "") -> tuple[int, bytes]:
    """Offer a party a change and wait for the outcome: a final status and the description with it.

    Without a body the party is asked for an offer, which ``leg.acknowledge`` must answer. Raises CallFailed.
    """
    loop = asyncio.get_running_loop()
    given_up = loop.time() + _PATIENCE_S
    status, answer = await _ask_once(leg, body, extra)
    while status in _LATER and loop.time() < given_up:
        session = leg.session if isinstance(leg, SipLeg) else None
        await asyncio.sleep(session.reoffer.glare_pause_s() if session is not None else 1.0)
        status, answer = await _ask_once(leg, _once_more(leg, body), extra)
    if status >= 300:
        code = "transfer.party_left" if status in {408, 481} else "transfer.party_refused"
        passed = 480 if status in {408, 481} else status if status in _NOT_THIS else 500
        raise CallFailed(passed, reason_phrase(passed), Q850.get(passed, 41), code)
    return status, answer


def _once_more(leg: Leg, body: bytes) -> bytes:
    """The description that was refused, and taken back: from now on it is what the party was told last again."""
    identity = leg.media.identity
    text = body.decode("utf-8", "surrogateescape")
    if not body or not text.startswith(f"v=0\r\no=- {identity.session_id} "):
        return body  # an offer is asked for, or the party is told the other one's words
    return identity.stamp(text.split("\r\n", 2)[2]).encode("utf-8", "surrogateescape")


async def _ask_once(leg: Leg, body: bytes, extra: str) -> tuple[int, bytes]:
    done: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

    def told(status: int, answer: bytes) -> None:
        if not done.done():
            done.set_result((status, answer))
        elif not body and status < 300:
            leg.acknowledge(b"")  # nobody waits any more, yet the 2xx wants its ACK

    leg.offer(body, told, extra)
    try:
        return await done
    except asyncio.CancelledError:
        leg.withdraw_offer()
        raise


def told_last(leg: Leg) -> bytes:
    """What we told ``leg`` last about the party across, as an offer that holds nobody; empty when it is not known.

    It says nothing of keys: each leg has its own. Empty too where keys pass between the parties, who must be asked.
    """
    described = leg.media.told
    if "\na=crypto:" in described or "\na=fingerprint:" in described:
        return b""
    try:
        _, _, after = described.split("\r\n", 2)
    except ValueError:
        return b""
    for direction in ("sendonly", "recvonly", "inactive"):
        after = after.replace(f"a={direction}\r\n", "a=sendrecv\r\n")
    identity = leg.media.identity
    return f"v=0\r\no=- {identity.session_id} 0 IN IP4 {identity.address}\r\n{after}".encode(
        "utf-8", "surrogateescape"
    )


class Agreement:
    """What two legs agreed on: ``offered`` by ``offerer`` and ``answered`` by ``answerer``, m-line by m-line."""

    __slots__ = ("answered", "answerer", "offered", "offerer")

    def __init__(self, offerer: Leg, offered: list[Stream], answerer: Leg, answered: list[Stream]) -> None:
        self.offerer = offerer
        self.offered = offered
        self.answerer = answerer
        self.answered = answered

    async def take_effect(self, bridge: Bridge) -> None:
        """Relay by it; who holds from the first moment on is known to the bridge."""
        await bridge.hear(self.offerer, self.offered, self.answerer, self.answered)
        holds = {
            leg.id: str(held_by(streams))
            for leg, streams in ((self.offerer, self.offered), (self.answerer, self.answered))
            if held_by(streams) is not Hold.ACTIVE
        }
        bridge.take_up(holds)
        bridge.translate_keys()
        bridge.a.confirm()
        bridge.b.confirm()


async def pass_answer(
    newcomer: Leg,
    asked: list[Stream],
    body: bytes,
    stay: Leg,
    extra: str = "",
    media: LegMedia | None = None,
) -> Agreement:
    """Tell ``stay`` the description with which ``newcomer`` accepted the INVITE that offered ``asked``.

    With nothing asked the body is an offer, and ``stay``'s answer goes into the ACK (late offer). ``media`` are
    other ports than ``stay`` has, by which it is to talk.
    """
    media = media or stay.media
    try:
        streams = check_answer(asked, body) if asked else streams_of(body)
        await media.open_for(streams, newcomer.media)
        await newcomer.media.open_for(streams, media)
        _, answer = await ask(stay, media.rewritten(body, len(streams), offer=True), extra)
        if media is not stay.media:
            media.take_over(stay.media)
        answered = check_answer(streams, answer)
    except BaseException:
        if not asked:
            newcomer.acknowledge(b"")
        raise
    if not asked:
        newcomer.acknowledge(newcomer.media.rewritten(answer, len(answered)))
    return Agreement(newcomer, streams, stay, answered)


async def agree_anew(
    stay: Leg, move: Leg, media: LegMedia, known: bytes, extras: tuple[str, str] = ("", "")
) -> Agreement:
    """Let two legs that talk to others agree with each other; ``move`` by other ports than it has, ``media``.

    ``known`` is ``move``'s description; where it does not suit ``stay``, or is not known, ``stay`` is asked for
    an offer of its own. ``extras`` are header lines for each of them. Raises CallFailed, MediaError,
    RemoteProtocolError: then ``move`` is as it was.
    """
    if known:
        try:
            return await _by_offer(stay, move, media, known, extras)
        except CallFailed as failure:
            if failure.code != "transfer.party_refused" or failure.status not in _NOT_THIS:
                raise
    return await _by_late_offer(stay, move, media, extras)


async def _by_offer(
    stay: Leg, move: Leg, media: LegMedia, known: bytes, extras: tuple[str, str]
) -> Agreement:
    streams = streams_of(known)
    await stay.media.open_for(streams, media)
    await media.open_for(streams, stay.media)
    _, answer = await ask(stay, stay.media.rewritten(known, len(streams), offer=True), extras[0])
    offered = check_answer(streams, answer)
    _, final = await ask(move, media.rewritten(answer, len(offered), offer=True), extras[1])
    media.take_over(move.media)
    return Agreement(stay, offered, move, check_answer(offered, final))


async def _by_late_offer(stay: Leg, move: Leg, media: LegMedia, extras: tuple[str, str]) -> Agreement:
    _, offer = await ask(stay, b"", extras[0])
    answer = b""
    try:
        offered = streams_of(offer)
        await stay.media.open_for(offered, media)
        await media.open_for(offered, stay.media)
        _, final = await ask(move, media.rewritten(offer, len(offered), offer=True), extras[1])
        media.take_over(move.media)
        answered = check_answer(offered, final)
        answer = stay.media.rewritten(final, len(answered))
    finally:
        stay.acknowledge(answer)
    return Agreement(stay, offered, move, answered)
