"""What must hold for any SIP bytes beyond the parser: what goes out, and that nothing stays behind.

Whatever is answered or sent has the headers that we wrote and no other; responses and ACKs are never answered;
once its timers are over, nothing is left of any transaction.
"""

from __future__ import annotations

from collections.abc import Callable

from trunkline.base.errors import TransportError
from trunkline.base.wheel import TimerWheel
from trunkline.proto.sip.dialog import Dialog
from trunkline.proto.sip.draft import Draft, render_response
from trunkline.proto.sip.message import Request, Response, check_request, check_response, parse_message
from trunkline.proto.sip.transaction import ClientInvite, Failure, TransactionLayer
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.wire import Wire

VIA = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKours;rport"
OURS = "z9hG4bKours1"
ANSWERED = {"Via", "From", "To", "Call-ID", "CSeq", "Content-Length"}
SENT = ANSWERED | {"Max-Forwards", "Route"}


def sip_answer(data: bytes) -> None:
    """Parse, check, answer, make a dialog and send within it; what goes out is parsed again."""
    message = parse_message(data)
    if isinstance(message, Request):
        check_request(message)
        _check_answer(message)
        _check_dialog(Dialog.of_request(message, "local", "flow"))
    else:
        check_response(message)
        draft = _invite()
        ack = parse_message(draft.render_ack(VIA, message.headers["To"]))
        assert set(ack.headers) <= SENT, sorted(ack.headers)
        _check_dialog(Dialog.of_response(draft, message, "1", "flow"))


def sip_layer(data: bytes) -> None:
    """Datagrams and framed messages into a transaction layer, twice each, then silence until all timers end."""
    plan = sum(data) % 8
    for reliable in (False, True):
        world = _World(plan, reliable=reliable)
        world.send_invite()
        for _ in range(2):
            world.receive(data)
        world.come_to_rest()


def _invite() -> Draft:
    return Draft("INVITE", "sip:a@b", "<sip:c@d>;tag=1", "<sip:a@b>", "c1", 7)


def _check_answer(request: Request) -> None:
    answer = parse_message(render_response(request, 404, "tag"))
    assert set(answer.headers) == ANSWERED, sorted(answer.headers)
    for name in ("Via", "From", "Call-ID", "CSeq"):
        assert answer.headers[name] == request.headers[name], f"{name} came back different"


def _check_dialog(dialog: Dialog) -> None:
    bye = parse_message(dialog.request("BYE").render(VIA))
    assert isinstance(bye, Request)
    assert set(bye.headers) <= SENT, sorted(bye.headers)
    assert Dialog.restore(dialog.snapshot()).snapshot() == dialog.snapshot()


class _World:
    """A layer with its wire, its core and the user of its transactions in one; ``plan`` 0..7 says what it does."""

    def __init__(self, plan: int, *, reliable: bool) -> None:
        self.plan = plan
        self.reliable = reliable
        self.remote = ("192.0.2.7", 5062)
        self.now = 0.0
        self.sent: list[bytes] = []
        self.wheel = TimerWheel()
        self.layer = TransactionLayer(self, self.wheel, lambda: OURS, b"k" * 32)
        self.client: ClientInvite | None = None

    def send_invite(self) -> None:
        client = self.layer.request(_invite(), self, "192.0.2.1:5060", self, self.now)
        assert isinstance(client, ClientInvite)
        self.client = client

    def receive(self, data: bytes) -> None:
        self.sent.clear()
        self.layer.receive(data, self, self.now)
        for out in self.sent:
            message = parse_message(out)
            if isinstance(message, Response):
                assert set(message.headers) <= ANSWERED | {"Timestamp"}, sorted(message.headers)
                assert not data.startswith((b"ACK ", b"SIP/2.0 ")), "an ACK or a response was answered"
            else:
                assert message.method in {"ACK", "CANCEL"}, message.method

    def come_to_rest(self) -> None:
        if self.client is not None:
            self.client.cancel(self.now)
        while (due := self.wheel.next_deadline()) is not None:
            self.now = due
            self.wheel.advance(due)
        layer = self.layer
        tables = (layer.clients, layer.servers, layer._by_branch, layer._merged)  # noqa: SLF001  (nothing may stay)
        assert not any(tables), "transactions are left"
        assert self.wheel.count == 0, "timers are left"

    # The wire

    def send(self, data: bytes, on_failure: Callable[[TransportError], None] | None = None) -> None:
        self.sent.append(data)

    # The core and the users of transactions

    def on_request(self, incoming: Incoming) -> None:
        if incoming.request.method == "INVITE" and self.plan & 1:
            incoming.begin_invite().user = self
            if self.plan & 2:
                incoming.respond(180)
            self.wheel.call_at(
                self.now + 50, lambda now: incoming.respond(200 if self.plan & 4 else 486, now=now)
            )
            return
        if self.plan & 2 and incoming.request.method != "INVITE":
            incoming.begin()
        if self.plan != 6:
            incoming.respond(404)

    def on_ack(self, ack: Request, wire: Wire, now: float) -> None:
        """Nothing."""

    def on_stray_response(self, response: Response, wire: Wire, now: float) -> None:
        """Nothing."""

    def reply_wire(self, request: Request, wire: Wire) -> Wire:
        return wire

    def on_response(self, _transaction: object, _response: Response, _now: float) -> None:
        """Nothing."""

    def on_failure(self, _transaction: object, _failure: Failure, _now: float) -> None:
        """Nothing."""

    def on_cancel(self, transaction: object, cancel: Request, now: float) -> None:
        """Nothing."""
