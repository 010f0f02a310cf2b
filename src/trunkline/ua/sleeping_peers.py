"""Requests within dialogs of phones that sleep: they wait until the phone has registered (RFC 8599 §6.2.3).

A phone names itself by the ``pn-purr`` of its Contact. While its connection is gone, a request for it begins its
transaction and is not sent; when the phone has come it goes by the new connection. It waits for less than the peer
behind the request does, who else would hear nothing (RFC 4320 §4.2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from trunkline.base.errors import RemoteProtocolError, TransportError
from trunkline.proto.sip.transaction import ClientInvite, ClientNonInvite
from trunkline.proto.sip.uri import parse_uri

if TYPE_CHECKING:
    from trunkline.net.flow import Flow
    from trunkline.proto.sip.dialog import Dialog
    from trunkline.proto.sip.draft import Draft
    from trunkline.proto.sip.transaction import ClientUser
    from trunkline.ua.endpoint import Endpoint

MOST: Final = 4096
_MARK: Final = "pn-purr="
_WAIT: Final = 0.75  # of the time that a transaction has: what is left is for the phone's answer
_ANSWER: Final = 0.9


class Waker(Protocol):
    """Who knows the phones by their PURRs."""

    def way(self, purr: str) -> Flow | None:
        """Where a phone can be reached now; None while it sleeps, and for one that nobody knows."""
        ...

    def can_wake(self, purr: str) -> bool:
        """Whether it sleeps, and a push may wake it for something that is no call."""
        ...

    def wake(self, purr: str, came: Callable[[Flow | None], None]) -> None:
        """Wake it; ``came`` is called once, with its new flow or with None when it will not come."""
        ...


class SleepingPeers:
    """``waiting`` counts the requests that wait; ``waker`` is put in by whoever can wake phones."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.waker: Waker | None = None
        self.waiting = 0

    def way(self, dialog: Dialog) -> tuple[bool, Flow | None]:
        """Whether the peer of a dialog is to be waited for, else where it is now if that is known."""
        purr = purr_of(dialog.target)
        if self.waker is None or not purr:
            return False, None
        flow = self.waker.way(purr)
        return flow is None and self.waiting < MOST and self.waker.can_wake(purr), flow

    def hold(
        self, draft: Draft, flow: Flow, user: ClientUser, now: float
    ) -> ClientInvite | ClientNonInvite | None:
        """Begin the transaction of a request whose peer sleeps; None when nobody is to be waited for."""
        purr = purr_of(draft.uri)
        if self.waker is None or not purr or self.waiting >= MOST or not self.waker.can_wake(purr):
            return None
        held = _Held(self._endpoint, self, draft, flow)
        client = held.begin(user, now)
        self.waker.wake(purr, held.came)
        return client


class _Held:
    """The wire of a transaction whose request is not sent yet."""

    reliable: Final = True

    def __init__(self, endpoint: Endpoint, owner: SleepingPeers, draft: Draft, flow: Flow) -> None:
        self._endpoint = endpoint
        self._owner = owner
        self._draft = draft
        self._flow = flow
        self._until = 0.0
        self.client: Any = None

    @property
    def remote(self) -> tuple[str, int]:
        return self._flow.remote

    def send(self, data: bytes, on_failure: Callable[[TransportError], None] | None = None) -> None:
        """Nothing goes out."""

    def begin(self, user: ClientUser, now: float) -> ClientInvite | ClientNonInvite:
        layer, flow = self._endpoint.layer, self._flow
        sent_by = flow.listener.sent_by_for(flow.remote[0])
        client = self.client = layer.request(self._draft, self, sent_by, user, now, flow.transport)
        patience = layer.timings.give_up
        self._until = now + patience * _ANSWER
        client.wait(now, 0.0, patience * _WAIT)
        self._owner.waiting += 1
        return client

    def came(self, flow: Flow | None) -> None:
        """The phone is reached by ``flow`` from now on, or will not come."""
        client, endpoint = self.client, self._endpoint
        self._owner.waiting -= 1
        if client.state != 0 or client.wire is not self:  # CALLING, TRYING; else its time was over
            return
        if flow is None:
            client.failed(TransportError("the phone was not woken"))
            return
        now = endpoint.now()
        sent_by = flow.listener.sent_by_for(flow.remote[0])
        endpoint.layer.send_by(client, self._draft, flow, sent_by, flow.transport, now)
        if isinstance(client, ClientNonInvite) and client.state == 0:
            client.wait(now, 0.0 if flow.reliable else endpoint.layer.timings.t1, self._until - now)


def purr_of(uri: str) -> str:
    """The PURR that a Contact or Request-URI carries; "" without one."""
    if _MARK not in uri:
        return ""
    try:
        return parse_uri(uri).params.get("pn-purr") or ""
    except RemoteProtocolError:
        return ""
