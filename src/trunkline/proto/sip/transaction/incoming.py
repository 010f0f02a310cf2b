"""A request that no transaction knows: its user answers it with or without a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trunkline.base.errors import LocalProtocolError
from trunkline.proto.sip.draft import render_response
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.transaction.server_invite import ServerInvite
from trunkline.proto.sip.transaction.server_non_invite import ServerNonInvite
from trunkline.proto.sip.wire import Wire

if TYPE_CHECKING:
    from trunkline.proto.sip.transaction.layer import TransactionLayer


_TAG_MASK = 2**64 - 1


class Incoming:
    """A new request with the wire it came by.

    Answer it at once with ``respond``: nothing is kept, and a retransmission is decided anew (RFC 3261
    §8.2.7; right for challenges, refusals and idempotent requests). Or ``begin`` a transaction first, which
    absorbs retransmissions until and after the answer.
    """

    __slots__ = ("key", "layer", "now", "request", "transaction", "wire")

    def __init__(self, layer: TransactionLayer, request: Request, wire: Wire, key: str, now: float) -> None:
        self.layer = layer
        self.request = request
        self.wire = wire
        self.key = key
        self.now = now
        self.transaction: ServerInvite | ServerNonInvite | None = None

    def begin_invite(self, *, hold: bool = False) -> ServerInvite:
        """Create the server transaction of an INVITE; with ``hold`` its 100 waits for ``ServerInvite.let_go``."""
        if self.request.method != "INVITE":
            raise LocalProtocolError(f"{self.request.method} has no INVITE transaction")
        transaction = self.layer.add_server_invite(self, hold=hold)
        self.transaction = transaction
        return transaction

    def begin(self) -> ServerNonInvite:
        """Create the server transaction of any other request."""
        if self.request.method in {"INVITE", "ACK"}:
            raise LocalProtocolError(f"{self.request.method} has no non-INVITE transaction")
        transaction = self.layer.add_server(self)
        self.transaction = transaction
        return transaction

    def stateless_tag(self) -> str:
        """A To tag that is the same for each retransmission (RFC 3261 §8.2.7) and tells nothing.

        The interpreter's own keyed hash will do: nobody but this process has to make the same tag again.
        """
        return f"{hash((self.layer.tag_key, self.key, self.request.call_id)) & _TAG_MASK:016x}"

    def respond(
        self,
        status: int,
        *,
        reason: str = "",
        extra: str = "",
        body: bytes = b"",
        content_type: str = "application/sdp",
        to_tag: str | None = None,
        now: float | None = None,
    ) -> None:
        """Answer, through the transaction when one was begun; see ``render_response`` for the arguments."""
        request = self.request
        if to_tag is None and status > 100 and request.to_tag is None:
            to_tag = self.stateless_tag()
        data = render_response(
            request, status, to_tag, reason=reason, extra=extra, body=body, content_type=content_type
        )
        if self.transaction is not None:
            # A later answer has the layer's time: timers counted from the request's would end too early.
            self.transaction.respond(status, data, self.layer.now if now is None else now)
        else:
            self.wire.send(data)
