"""The ACK of a 2xx: a transaction of its own, sent again for each 2xx that is repeated (RFC 3261 §13.2.2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trunkline.base.errors import RemoteProtocolError
from trunkline.net.flow import Flow
from trunkline.proto.sip.dialog import Dialog
from trunkline.proto.sip.message import Response
from trunkline.proto.sip.transaction import Failure
from trunkline.proto.sip.transaction.layer import MOST_BY_DATAGRAM

if TYPE_CHECKING:
    from trunkline.ua.endpoint import Endpoint


def acknowledge(
    endpoint: Endpoint, flow: Flow, dialog: Dialog, cseq: int, body: bytes = b"", authorization: str = ""
) -> bytes:
    """Send the ACK along the route set, with a new branch, and return its bytes."""
    draft = dialog.request("ACK", cseq=cseq, body=body, extra=authorization)
    data = draft.render(endpoint.via(flow))
    too_large = len(data) > MOST_BY_DATAGRAM and not flow.reliable
    if not too_large or not endpoint.large.acknowledge(draft, flow):
        flow.send(data)
    return data


class Acknowledger:
    """What is left of a session while its INVITE transaction waits for retransmitted 2xx (RFC 6026 timer M).

    It repeats the ACK, and ends what another fork answered too late (RFC 3261 §13.2.2.4). It holds no more
    than it needs, because it stays for 32 seconds.
    """

    __slots__ = ("cseq", "data", "endpoint", "flow", "tag", "used")

    def __init__(self, endpoint: Endpoint, flow: Flow, tag: str, cseq: int, used: int = 0) -> None:
        self.endpoint = endpoint
        self.flow = flow
        self.tag = tag
        self.cseq = cseq
        self.used = used or cseq  # the highest CSeq of ours in any early dialog: each BYE is above it
        self.data = b""

    def on_response(self, _transaction: Any, response: Response, now: float) -> None:
        if not 200 <= response.status < 300:
            return
        if response.to_tag == self.tag:
            if self.data:
                self.flow.send(self.data)
            return
        try:
            self.endpoint.dismiss(response, self.flow, now, above=self.used)
        except RemoteProtocolError:
            self.endpoint.layer.counters.parse_errors += 1

    def on_failure(self, _transaction: Any, _failure: Failure, _now: float) -> None:
        """Nothing: the INVITE is answered."""
