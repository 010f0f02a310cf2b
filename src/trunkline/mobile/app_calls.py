"""Answers what apps ask about their calls, by token. What is another's is answered as what is not there."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from trunkline.base.errors import LocalProtocolError, RemoteProtocolError
from trunkline.base.messages.app_calls import (
    AcceptAppCall,
    AnswerAppChange,
    AppCallDone,
    AppCallList,
    AppCallOffer,
    AppCallRow,
    AppCallStatus,
    AskAppCall,
    GetAppCall,
    HangUpAppCall,
    HoldAppCall,
    ListAppCalls,
    PressKeys,
    RejectAppCall,
    RingingAppCall,
    TransferAppCall,
)
from trunkline.base.messages.request import Refused
from trunkline.media.offer_answer import check_answer, streams_of
from trunkline.mobile.app_party import ACTIVE, OVER, AppParty
from trunkline.mobile.destination import read_destination
from trunkline.mobile.domains import in_uri
from trunkline.mobile.hand_over import HandOver
from trunkline.mobile.words import ACCEPT, CONTACT, HANG_UP, REJECT, RING

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT_S: Final = 120.0
MOST_KEPT: Final = 20_000
LONGEST_WAIT_S: Final = 25.0
MAX_SDP: Final = 65_536
CHANGE_S: Final = 40.0  # a re-INVITE or a key press that is never answered
TRANSFER_S: Final = 75.0

MOST_KEYS: Final = 32
_SHORTEST_MS: Final = 40
_LONGEST_MS: Final = 5000
_are_keys = re.compile(rf"[0-9*#A-Da-d]{{1,{MOST_KEYS}}}\Z").match

_STATUS: Final = {"declined": 603, "busy": 486}
OnDone: TypeAlias = "Callable[[int, bytes], None]"


class _Over(NamedTuple):
    """What is left of a call for those who ask within ``KEPT_S``."""

    tenant: str
    owner: str
    row: AppCallRow
    accepted: bytes
    elsewhere: bool


class AppCalls:
    """All tokens that anybody may ask about, calls that apps place too. ``wall`` gives wall-clock seconds."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._parties: dict[str, AppParty] = {}
        self._over: OrderedDict[str, _Over] = OrderedDict()

    def __len__(self) -> int:
        return len(self._parties)

    # What parties say

    def add(self, party: AppParty) -> None:
        """A call that an app may ask about from now on."""
        self._parties[party.token] = party

    def over(self, party: AppParty) -> None:
        """It has ended; its token is answered for a while."""
        if self._parties.pop(party.token, None) is None:
            return
        accepted = party.accepted if isinstance(party, HandOver) else b""
        self._over[party.token] = _Over(party.tenant, party.owner, party.row(), accepted, party.elsewhere)
        party.office.journal.forget(self._take_old())

    def _take_old(self) -> list[tuple[str, str]]:
        """Nobody may ask about these any more: tenant and token of each."""
        now, kept, old = self._wall(), self._over, []
        while kept and (len(kept) > MOST_KEPT or self._is_old(next(iter(kept.values())), now)):
            token, one = kept.popitem(last=False)
            old.append((one.tenant, token))
        return old

    @staticmethod
    def _is_old(one: _Over, now: float) -> bool:
        return one.row.ended_at < now - KEPT_S

    # Whose a token is

    def _find(self, tenant: str, token: str, owner: str | None) -> AppParty | _Over | None:
        found: AppParty | _Over | None = self._parties.get(token)
        if found is None:
            found = self._over.get(token)
            if found is not None and self._is_old(found, self._wall()):
                found = None
        if found is None or found.tenant != tenant or owner not in {None, found.owner}:
            return None
        return found

    def _party(self, tenant: str, token: str, owner: str | None) -> AppParty:
        """One that is not over. Refused: 404, 409, 410."""
        found = self._find(tenant, token, owner)
        if found is None:
            raise Refused("call.unknown", "there is no such call", "", 404)
        if isinstance(found, _Over):
            raise _refusal(found)
        return found

    def _incoming(self, tenant: str, token: str, owner: str | None) -> HandOver:
        found = self._party(tenant, token, owner)
        if not isinstance(found, HandOver):
            raise Refused("call.outgoing", "the app has placed this call itself", "ask for its status", 409)
        return found

    def _active(self, tenant: str, token: str, owner: str | None) -> AppParty:
        found = self._party(tenant, token, owner)
        if found.status != ACTIVE:
            raise Refused(
                "call.not_active", "the call is not up yet", "wait for the event call.confirmed", 409
            )
        return found

    # Before the answer

    async def get(self, tenant: str, ask: GetAppCall) -> AppCallOffer:
        found = self._party(tenant, ask.call_token, ask.owner)
        if isinstance(found, HandOver) and ask.owner is not None:  # an operator who looks is no phone
            found.step(CONTACT)
        return found.offer_row()

    async def ringing(self, tenant: str, ask: RingingAppCall) -> AppCallDone:
        self._incoming(tenant, ask.call_token, ask.owner).step(RING)
        return AppCallDone()

    async def accept(self, tenant: str, ask: AcceptAppCall) -> AppCallDone:
        """Compare and set: between the look and the step nothing else runs."""
        found = self._find(tenant, ask.call_token, ask.owner)
        body = ask.sdp.encode("utf-8", "surrogateescape")
        if isinstance(found, _Over) and found.accepted and found.accepted != sha256(body).digest():
            raise _taken()
        one = self._incoming(tenant, ask.call_token, ask.owner)
        if one.accepted:
            if one.accepted != sha256(body).digest():
                raise _taken()
        else:
            _check(one.offer, body)
            one.step(ACCEPT, body)
        await one.office.journal.on_disk()
        self._incoming(tenant, ask.call_token, ask.owner)  # the caller, or another device, was faster
        return AppCallDone()

    async def reject(self, tenant: str, ask: RejectAppCall) -> AppCallDone:
        status = _STATUS.get(ask.reason)
        if status is None:
            raise Refused("call.reason", "expected the reason declined or busy", "", 422)
        one = self._incoming(tenant, ask.call_token, ask.owner)
        if not one.step(REJECT, status):
            raise Refused("call.accepted", "the call was accepted", "hang it up instead", 409)
        await one.office.journal.on_disk()
        return AppCallDone()

    async def hang_up(self, tenant: str, ask: HangUpAppCall) -> AppCallDone:
        found = self._find(tenant, ask.call_token, ask.owner)
        if found is None:
            raise Refused("call.unknown", "there is no such call", "", 404)
        if isinstance(found, HandOver):
            found.step(HANG_UP)
        elif isinstance(found, AppParty):
            found.hang_up()
        if isinstance(found, AppParty):
            await found.office.journal.on_disk()
        return AppCallDone()  # one that is over is what the app wants

    # How it is

    async def status(self, tenant: str, ask: AskAppCall) -> AppCallStatus:
        found = self._find(tenant, ask.call_token, ask.owner)
        if isinstance(found, AppParty) and ask.wait_s > 0:
            await _change(found, ask.seen, min(ask.wait_s, LONGEST_WAIT_S))
            found = self._find(tenant, ask.call_token, ask.owner)
        if found is None:
            return AppCallStatus(call=AppCallRow(call_token=ask.call_token, status="unknown"))
        return AppCallStatus(call=found.row if isinstance(found, _Over) else found.row())

    async def page(self, tenant: str, ask: ListAppCalls) -> AppCallList:
        mine = [
            one
            for one in self._parties.values()
            if one.tenant == tenant and ask.owner in {None, one.owner} and one.status != OVER
        ]
        mine.sort(key=lambda one: (-one.started_at, one.token))
        start = next((at + 1 for at, one in enumerate(mine) if one.token == ask.after), 0)
        page = mine[start : start + ask.limit]
        more = page[-1].token if len(mine) > start + ask.limit else None
        return AppCallList(rows=tuple(one.row() for one in page), next=more)

    # Within the call

    async def press(self, tenant: str, ask: PressKeys) -> AppCallDone:
        line = self._active(tenant, ask.call_token, ask.owner).line
        if not _are_keys(ask.digits) or not _SHORTEST_MS <= ask.duration_ms <= _LONGEST_MS:
            expected = f"1 to {MOST_KEYS} of 0-9 * # A-D, each for {_SHORTEST_MS} to {_LONGEST_MS} ms"
            raise Refused("call.keys", "these keys cannot be pressed", f"expected {expected}", 422)
        keys_s = len(ask.digits) * (ask.duration_ms / 1000 + 8)
        return await _done(lambda told: line.press(ask.digits, ask.duration_ms, told), CHANGE_S + keys_s)

    async def hold(self, tenant: str, ask: HoldAppCall) -> AppCallDone:
        party = self._active(tenant, ask.call_token, ask.owner)
        line, offer = party.line, ask.sdp_offer.encode("utf-8", "surrogateescape")
        if offer:
            _check(b"", offer)
            done = await _done(lambda told: line.change(offer, told), CHANGE_S)
        else:
            done = await _done(lambda told: line.hold(ask.held, told), CHANGE_S)
        if party.status == ACTIVE:  # else it has ended in the same moment, and that is the last word
            party.held = ask.held
            party.tell("call.changed", held=party.held)
            party.wake()
        return done

    async def transfer(self, tenant: str, ask: TransferAppCall) -> AppCallDone:
        party = self._active(tenant, ask.call_token, ask.owner)
        line, uri = party.line, _target(ask.destination, party.home)

        def begin(told: OnDone) -> None:
            def over(status: int, body: bytes) -> None:
                if party.status == ACTIVE:  # the end of the call follows success, and is its last word
                    party.tell("call.transfer", sip_status=status)
                told(status, body)

            line.transfer(uri, over)

        return await _done(begin, TRANSFER_S)

    async def answer_change(self, tenant: str, ask: AnswerAppChange) -> AppCallDone:
        party = self._party(tenant, ask.call_token, ask.owner)
        body = ask.sdp.encode("utf-8", "surrogateescape")
        if body:
            _check(b"", body)
        if not party.answer_change(body, ask.renegotiation):
            raise Refused("call.nothing_asked", "the other party asks for no change now", "", 409)
        return AppCallDone()


def _target(destination: str, home: str) -> str:
    """A SIP URI for what the app names, by default at the domain that is its home. Refused: 422."""
    user, host = read_destination(destination)
    host = in_uri(host) if host else home
    if not host:
        expected = "expected sip:user@domain, for whom the app talks to is unknown"
        raise Refused("call.destination", "the destination names no domain", expected, 422)
    return f"sip:{user}@{host}"


def _check(offer: bytes, body: bytes) -> None:
    """Whether a description can be read, and answers the offer. Refused: 422."""
    if len(body) > MAX_SDP:
        raise Refused("call.sdp", f"the description is longer than {MAX_SDP} bytes", "", 422)
    try:
        streams = check_answer(streams_of(offer), body) if offer else streams_of(body)
    except RemoteProtocolError as error:
        raise _unusable(error.reason) from error
    if not streams:
        raise _unusable("it has no media line")


def _unusable(why: str) -> Refused:
    hint = "send the session description as it is, with an m= line for each of the offer's"
    return Refused("call.sdp", f"the description cannot be used: {why}", hint, 422)


async def _change(party: AppParty, seen: str, within_s: float) -> None:
    """Wait until the call is not as it was seen; ``seen`` names a status or a state, "" what it is now."""
    if seen and seen not in {party.status, party.state}:
        return
    before = party.status if seen == party.status else party.state
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while before in {party.status, party.state}:
                await party.changed.wait()


async def _done(begin: Callable[[OnDone], None], within_s: float) -> AppCallDone:
    """Do what is answered later. Refused: what the call does not allow, what the other party refuses."""
    future: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

    def told(status: int, body: bytes) -> None:
        if not future.done():
            future.set_result((status, body))

    try:
        begin(told)
    except LocalProtocolError as error:
        raise Refused("call.not_now", str(error), "", 409) from error
    except RemoteProtocolError as error:
        raise _unusable(error.reason) from error
    try:
        async with asyncio.timeout(within_s):
            status, body = await future
    except TimeoutError:
        status, body = 408, b""
    if status >= 300:
        raise Refused("call.refused", "the other party refused", "", 502, sip_status=status)
    return AppCallDone(sdp_answer=body.decode("utf-8", "surrogateescape"), status=status)


def _taken() -> Refused:
    return Refused(
        "call.accepted", "the call was accepted with another description", "send the same one again", 409
    )


def _refusal(over: _Over) -> Refused:
    """RFC 9110 §15.5.11: it was there, and is gone; unless it is somebody else's now."""
    if over.elsewhere:
        return Refused(
            "call.elsewhere", "another device has answered the call", "", 409, reason=over.row.reason
        )
    return Refused("call.over", f"the call is over: {over.row.reason}", "", 410, reason=over.row.reason)
