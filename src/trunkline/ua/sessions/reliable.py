"""Provisional responses that arrive for certain: the UAS side of 100rel (RFC 3262 §3, §5).

Rules on top: each is repeated from T1, doubling, until its PRACK; after 64*T1 the INVITE is refused with 504. One is
on its way at a time, the next ones wait for its PRACK, and so does a 2xx while it carries a description. RSeq begins
at random and goes up by one. The description of a reliable response counts for good: what comes later has none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from trunkline.base.wheel import Alarm
from trunkline.proto.sip.draft import render_response
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.ua.option_tags import supports

if TYPE_CHECKING:
    from trunkline.ua.sessions.server import ServerSession

ReliablePolicy: TypeAlias = Literal["never", "required", "follow", "supported"]
"""When provisionals are sent reliably: ``never`` (who requires it is refused with 420); when the caller requires it;
also when it supports it and the callee's came so (``follow``); always when the caller supports it."""

MAX_WAITING: Final = 8  # provisionals that wait for the PRACK of the one before them

_rack = re.compile(r"([0-9]{1,10})[ \t]+([0-9]{1,10})[ \t]+([!-~]+)").fullmatch


def reliably(request: Request, policy: ReliablePolicy, *, followed: bool) -> bool:
    """Whether a provisional to this INVITE is sent reliably; ``followed``: because the callee's was."""
    headers = request.headers
    if "Require" in headers and _requires(request):
        return True
    if policy == "supported" or (policy == "follow" and followed):
        return "100rel" in headers.get("Supported", "").lower() and supports(request, "100rel")
    return False


def _requires(request: Request) -> bool:
    headers = request.headers
    return "Require" in headers and "100rel" in headers["Require"].lower()


class Reliable(Alarm):
    """The reliable provisionals of one INVITE.

    ``described``: one with a description was sent. ``agreed``: it was acknowledged, so that the first offer and answer
    are through. ``held`` is the 2xx that waits for that.
    """

    __slots__ = (
        "agreed", "cseq", "data", "deadline", "described", "held", "interval", "offers", "rseq", "session",
        "status", "waiting", "with_body",
    )  # fmt: skip

    def __init__(self, session: ServerSession) -> None:
        super().__init__()
        self.session = session
        self.cseq = session.invite.cseq[0]
        self.offers = not session.invite.body
        # RFC 3262 §3: between 1 and 2**31 - 1, chosen uniformly.
        self.rseq = int(session.endpoint.ids.pool.token(7), 16)
        self.data = b""  # the one on its way
        self.status = 0
        self.with_body = False
        self.described = False
        self.agreed = False
        self.waiting: list[tuple[int, bytes, str]] = []
        self.held: tuple[bytes, str] | None = None
        self.interval = 0.0
        self.deadline = 0.0

    @property
    def committed(self) -> bool:
        """Whether a description was sent, or waits for its turn: no other one can be told by a provisional."""
        return self.described or any(body for _, body, _ in self.waiting)

    def send(self, status: int, body: bytes, extra: str, now: float) -> bool:
        """101..199, at once or after those before it; False when it may only be sent as others are.

        Without an offer in the INVITE the first reliable message has ours (§5): until then what has none is not sent
        reliably, or not at all when the caller bears nothing else.
        """
        if self.offers and not body and not self.described:
            return _requires(self.session.invite)
        if not self.data:
            self._begin(status, body, extra, now)
        elif len(self.waiting) < MAX_WAITING:
            self.waiting.append((status, body, extra))
        return True

    def _begin(self, status: int, body: bytes, extra: str, now: float) -> None:
        session = self.session
        if self.described:
            body = b""  # RFC 3261 §13.2.1: the first description is the answer, later ones are ignored
        self.rseq += 1
        self.status, self.with_body = status, bool(body)
        self.described = self.described or self.with_body
        self.data = render_response(
            session.invite,
            status,
            session.local_tag,
            # RFC 3311 §4: the Allow tells the caller whether it may send UPDATE.
            extra=f"{session.dialog_headers()}{session.endpoint.capabilities}"
            f"Require: 100rel\r\nRSeq: {self.rseq}\r\n{extra}",
            body=body,
        )
        timings = session.endpoint.layer.timings
        self.interval, self.deadline = timings.t1, now + timings.give_up
        session.endpoint.wheel.arm(self, now + self.interval)
        self._transmit(now)

    def _transmit(self, now: float) -> None:
        if self.session.transaction is not None:
            self.session.transaction.respond(self.status, self.data, now)

    def fire(self, now: float) -> None:
        if now >= self.deadline - 1e-9:
            self.session.give_up_prack()
            return
        self._transmit(now)
        self.interval *= 2  # §3: without the ceiling of T2
        self.session.endpoint.wheel.arm(self, min(now + self.interval, self.deadline))

    def holds(self, body: bytes, extra: str) -> bool:
        """Keep the 2xx back while a description is unacknowledged (§3); whether it was kept."""
        self.waiting.clear()
        if self.data and self.with_body:
            self.held = body, extra
            return True
        return False

    def receive(self, incoming: Incoming) -> None:
        """A PRACK within the dialog: 481 unless it names the response on its way (§3)."""
        incoming.begin()
        request = incoming.request
        found = _rack(request.headers.get("RAck", "").strip())
        if found is None:
            incoming.respond(400, reason="PRACK without a RAck that can be read")
        elif not self.data or (int(found[1]), int(found[2]), found[3]) != (self.rseq, self.cseq, "INVITE"):
            incoming.respond(481)
        else:
            self._acknowledged(incoming)

    def _acknowledged(self, incoming: Incoming) -> None:
        session, request = self.session, incoming.request
        self.stop()
        answers = self.with_body and self.offers
        self.agreed = self.agreed or self.with_body
        if request.body and not answers:
            self._offered(incoming)
        else:
            incoming.respond(200)
            if answers:
                session.user.on_acknowledged(session, request)
        self._go_on(session.now)

    def _offered(self, incoming: Incoming) -> None:
        """§5: a PRACK may bring the next offer; the answer is in its 2xx."""
        reoffer = self.session.reoffer
        if self.agreed and reoffer.free:
            reoffer.receive_brief(incoming)
        elif self.agreed:
            incoming.respond(
                491
            )  # another offer is on its way; the response itself is acknowledged all the same
        else:
            incoming.respond(488)  # the offer of the INVITE has no answer yet

    def _go_on(self, now: float) -> None:
        if self.session.ended:
            return
        if self.held is not None:
            held, self.held = self.held, None
            self.session.answer(*held)
        elif self.waiting:
            self._begin(*self.waiting.pop(0), now)

    def stop(self) -> None:
        """Repeat nothing any more."""
        self.session.endpoint.wheel.cancel(self)
        self.data = b""

    def silence(self) -> None:
        """A final response is sent: nothing is repeated, but a PRACK on its way is still known (§3)."""
        self.session.endpoint.wheel.cancel(self)
        self.waiting.clear()
        self.held = None

    # For the process that carries on

    def snapshot(self, now: float) -> dict[str, Any]:
        """Plain data; the response on its way stands in the transaction's too."""
        return {
            "rseq": self.rseq,
            "status": self.status,
            "data": self.data.decode("utf-8", "surrogateescape"),
            "with_body": self.with_body,
            "described": self.described,
            "agreed": self.agreed,
            "held": [self.held[0].decode("utf-8", "surrogateescape"), self.held[1]] if self.held else None,
            "interval_s": self.interval,
            "left_s": max(self.deadline - now, 0.01),
        }

    def restore(self, data: dict[str, Any], now: float) -> None:
        """Take over what another process wrote; its response is sent again and repeated for the time that is left."""
        self.rseq, self.status = data["rseq"], data["status"]
        self.data = data["data"].encode("utf-8", "surrogateescape")
        self.with_body, self.described, self.agreed = data["with_body"], data["described"], data["agreed"]
        self.interval, self.deadline = data["interval_s"], now + data["left_s"]
        if data["held"] is not None:
            self.held = data["held"][0].encode("utf-8", "surrogateescape"), data["held"][1]
        if self.data:
            self._transmit(now)
            self.session.endpoint.wheel.arm(self, min(now + self.interval, self.deadline))
