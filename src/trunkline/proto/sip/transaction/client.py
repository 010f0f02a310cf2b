"""What both client machines share: their user, the bytes they may have to repeat, and their end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trunkline.proto.sip.message import Response
from trunkline.proto.sip.transaction.machine import ClientUser, Failure, Transaction
from trunkline.proto.sip.wire import Wire

if TYPE_CHECKING:
    from trunkline.proto.sip.transaction.layer import TransactionLayer


class ClientTransaction(Transaction):
    """A request of ours on its way; the actions here stand in both tables."""

    __slots__ = ("data", "user")

    def __init__(
        self, layer: TransactionLayer, key: str, wire: Wire, state: int, data: bytes, user: ClientUser | None
    ) -> None:
        super().__init__(layer, key, wire, state)
        self.data = data
        self.user = user

    def pass_up(self, response: Response, now: float) -> None:
        if self.user is not None:
            self.user.on_response(self, response, now)

    def time_out(self, _argument: None, now: float) -> None:
        self._fail(Failure.TIMEOUT, now)

    def give_up(self, _argument: None, now: float) -> None:
        self._fail(Failure.TRANSPORT, now)

    def _fail(self, failure: Failure, now: float) -> None:
        user, self.user = self.user, None
        if user is not None:
            user.on_failure(self, failure, now)

    def leave(self, _argument: None, _now: float) -> None:
        self.user = None
        self.data = b""
        self.layer.remove_client(self)
