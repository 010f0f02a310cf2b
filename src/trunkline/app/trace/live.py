"""Live traces: each gathers, for one client, what it asked for, and ends when nobody reads it any more."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

from trunkline.app.trace.facts import user_of
from trunkline.app.trace.tracer import Seen, Tracer, call_id_of
from trunkline.base.errors import RemoteProtocolError
from trunkline.base.messages import Refused, TracedMessage, TracePage
from trunkline.call.call import Call
from trunkline.call.registry import Calls
from trunkline.proto.sip.message import Request, parse_message
from trunkline.proto.sip.uri import parse_uri

MAX_TRACES: Final = 8
MAX_MESSAGES: Final = 20_000
MAX_BYTES: Final = 16 << 20
PAGE_MESSAGES: Final = 500
PAGE_BYTES: Final = 2 << 20
LEASE_S: Final = 15.0
MAX_WAIT_S: Final = 30.0
_LINGER_S: Final = 1.0  # the last answers come when the call is over already
_LEARNT: Final = 8192
_INVITE: Final = re.compile(rb"(?im)^CSeq[ \t]*:[ \t]*\d+[ \t]+INVITE\b")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to trace: a call, a number, a SIP Call-ID; with all of them None everything."""

    call: Call | None = None
    number: str | None = None
    sip_call_id: str | None = None


class Choice:
    """Tells which messages are wanted; remembers which dialogs were, in a bounded table."""

    def __init__(self, wanted: Wanted, calls: Calls) -> None:
        self._wanted = wanted
        self._calls = calls
        self._learnt: OrderedDict[str, None] = OrderedDict()

    def has(self, call_id: str, data: bytes) -> bool:
        """Whether a message is wanted; asked once the exchange has dealt with it, so that its call is known."""
        wanted = self._wanted
        if wanted.sip_call_id is not None:
            return call_id == wanted.sip_call_id
        if wanted.call is not None:
            return _has_leg(wanted.call, call_id)
        return wanted.number is None or self._is_of_number(wanted.number, call_id, data)

    def _is_of_number(self, number: str, call_id: str, data: bytes) -> bool:
        if call_id in self._learnt:
            return True
        if number not in _users(data) and not (_INVITE.search(data) and self._is_leg(number, call_id)):
            return False
        self._learnt[call_id] = None
        if len(self._learnt) > _LEARNT:
            self._learnt.popitem(last=False)
        return True

    def _is_leg(self, number: str, call_id: str) -> bool:
        """Whether the dialog is a leg of a call from or to the number; the newest calls are looked at first."""
        for call in reversed(self._calls.active.values()):
            if _has_leg(call, call_id):
                return number in {call.caller.number, call.callee}
        return False


def _has_leg(call: Call, call_id: str) -> bool:
    return any(leg.outcome.sip_call_id == call_id for leg in call.legs)


def _users(data: bytes) -> set[str]:
    try:
        message = parse_message(data)
        users = {user_of(message.headers.get(name, "")) for name in ("From", "To")}
        return users | {parse_uri(message.uri).user} if isinstance(message, Request) else users
    except RemoteProtocolError:
        return set()


class LiveTrace:
    """One client's trace: a viewer that sorts what it saw once the exchange has dealt with it."""

    def __init__(self, tracer: Tracer, choice: Choice, *, bodies: bool) -> None:
        self._tracer = tracer
        self._choice = choice
        self._bodies = bodies
        self._loop = asyncio.get_running_loop()
        self._raw: list[Seen] = []
        self._kept: deque[Seen] = deque()
        self._bytes = 0
        self._lost = 0
        self._arrived = asyncio.Event()

    def take(self, seen: Seen) -> None:
        # Its leg is known when the exchange has dealt with it, at the loop's next turn.
        if not self._raw:
            self._loop.call_soon(self._sort)
        self._raw.append(seen)

    def _sort(self) -> None:
        raw, self._raw = self._raw, []
        for seen in raw:
            if self._choice.has(call_id_of(seen.data), seen.data):
                self._keep(seen)

    def _keep(self, seen: Seen) -> None:
        if len(self._kept) >= MAX_MESSAGES or self._bytes + len(seen.data) > MAX_BYTES:
            self._lost += 1
            return
        self._kept.append(seen)
        self._bytes += len(seen.data)
        self._arrived.set()

    async def read(self, wait_s: float) -> TracePage:
        """What was gathered since the last time, up to a page of it."""
        if not self._kept:
            self._arrived.clear()
            try:
                async with asyncio.timeout(max(0.0, min(wait_s, MAX_WAIT_S))):
                    await self._arrived.wait()
            except TimeoutError:
                return TracePage(lost=self._forget_lost())
        rows: list[TracedMessage] = []
        size = 0
        while self._kept and len(rows) < PAGE_MESSAGES and size < PAGE_BYTES:
            seen = self._kept.popleft()
            size += len(seen.data)
            rows.append(self._tracer.traced(seen, bodies=self._bodies))
        self._bytes -= size
        return TracePage(rows=tuple(rows), lost=self._forget_lost())

    def _forget_lost(self) -> int:
        lost, self._lost = self._lost, 0
        return lost


class Held:
    """A trace in the table: when it ends by itself, and whether its call is over."""

    __slots__ = ("call", "lease", "over_at", "reading", "trace")

    def __init__(self, trace: LiveTrace, call: Call | None) -> None:
        self.trace = trace
        self.call = call
        self.reading = 0
        self.over_at: float | None = None
        self.lease: asyncio.TimerHandle | None = None


class LiveTraces:
    """All live traces, by id; one that is not read for ``LEASE_S`` seconds ends."""

    def __init__(self, tracer: Tracer, calls: Calls) -> None:
        self._tracer = tracer
        self._calls = calls
        self._loop = asyncio.get_running_loop()
        self._held: dict[str, Held] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._held)

    def start(self, wanted: Wanted, *, bodies: bool) -> str:
        """A new trace's id; raises Refused when there are too many."""
        if len(self._held) >= MAX_TRACES:
            raise Refused("trace.too_many", f"{MAX_TRACES} traces run already", "end one of them", 503)
        self._count += 1
        name = str(self._count)
        trace = LiveTrace(self._tracer, Choice(wanted, self._calls), bodies=bodies)
        self._held[name] = held = Held(trace, wanted.call)
        self._tracer.add(trace)
        self._renew(name, held)
        return name

    async def read(self, name: str, wait_s: float) -> TracePage:
        """Its next page; raises Refused when it has ended."""
        held = self._held.get(name)
        if held is None:
            raise Refused("trace.unknown", "the trace has ended", "start it again", 404)
        held.reading += 1
        try:
            page = await held.trace.read(wait_s if held.over_at is None else min(wait_s, _LINGER_S))
        finally:
            held.reading -= 1
            self._renew(name, held)
        if page.rows or not self._is_over(held):
            return page
        self.stop(name)
        return TracePage(rows=page.rows, lost=page.lost, over=True)

    def _is_over(self, held: Held) -> bool:
        if held.call is None or held.call.id in self._calls.active:
            return False
        now = self._loop.time()
        if held.over_at is None:
            held.over_at = now
        return now - held.over_at >= _LINGER_S

    def stop(self, name: str) -> None:
        """End a trace; harmless when it has ended."""
        held = self._held.pop(name, None)
        if held is not None:
            self._tracer.remove(held.trace)
            if held.lease is not None:
                held.lease.cancel()

    def stop_all(self) -> None:
        """End every trace."""
        for name in list(self._held):
            self.stop(name)

    def _renew(self, name: str, held: Held) -> None:
        if held.lease is not None:
            held.lease.cancel()
        if name in self._held:
            held.lease = self._loop.call_later(LEASE_S, self._expire, name, held)

    def _expire(self, name: str, held: Held) -> None:
        if held.reading:
            self._renew(name, held)
        else:
            self.stop(name)
