"""Requests too large for a datagram go by TCP, and come back to UDP where there is none (RFC 3261 §18.1.1).

Datagrams that are cut into fragments are lost whole with any of them, and some firewalls pass none. Whether a peer
takes connections at all is found out by trying; that it does not is remembered, so that only the first large
request to it waits. What decides is the address alone: a dialog lives on the flow that it lives on, and only
this one request goes another way, which its Via says.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from trunkline.base.errors import LocalProtocolError, RemoteProtocolError, TransportError
from trunkline.base.wheel import Timer
from trunkline.net.flow import Flow
from trunkline.net.routes import ip_literal
from trunkline.proto.sip.dialog import first_hop
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.transaction import ClientInvite, ClientNonInvite
from trunkline.proto.sip.uri import bare_host, parse_uri
from trunkline.proto.sip.wire import Wire

if TYPE_CHECKING:
    from trunkline.ua.endpoint import Endpoint

MOST_PEERS: Final = 4096
FORGET_S: Final = 600.0
_DEFAULT_PORT: Final = 5060


class LargeRequests:
    """``within_s`` is how long a connection may take to open. Counts what went by TCP, and what came back."""

    def __init__(self, endpoint: Endpoint, within_s: float = 2.0) -> None:
        self.within_s = within_s
        self.by_tcp = 0
        self.came_back = 0
        self.endpoint = endpoint
        self._without_tcp: OrderedDict[tuple[str, int], float] = OrderedDict()  # until when that is believed

    def send(self, client: ClientInvite | ClientNonInvite, draft: Draft, wire: Wire, now: float) -> bool:
        """Take over a request that is about to go by datagram; False when it has to go so."""
        flow: Any = wire
        connection = self._connection(draft, flow, now)
        if connection is None:
            return False
        attempt = _Request(self, connection, flow, client, draft)
        self.endpoint.layer.send_by(client, draft, attempt, *_via(connection), now)
        attempt.watch(now)
        return True

    def acknowledge(self, ack: Draft, flow: Flow) -> bool:
        """Send the ACK of a 2xx that is too large for a datagram; False when it has to be one.

        Whatever goes wrong, it is sent as a datagram then, and so it is for each 2xx that comes again.
        """
        now = self.endpoint.now()
        connection = self._connection(ack, flow, now)
        if connection is None:
            return False
        attempt = _Attempt(
            self, connection, flow.remote, lambda: flow.send(ack.render(self.endpoint.via(flow)))
        )
        attempt.send(ack.render(self.endpoint.via(connection)))
        attempt.watch(now)
        return True

    def _connection(self, draft: Draft, flow: Flow, now: float) -> Flow | None:
        """The connection for a large request, if its peer can have one."""
        if len(self._without_tcp) and self._is_without_tcp(flow.remote, now):
            return None
        if not is_at_home(first_hop(draft.uri, draft.route), flow.remote):
            return None
        try:
            connection = self.endpoint.network.flow_to("TCP", *flow.remote, flow.listener)
        except (TransportError, LocalProtocolError):
            return None  # we have no TCP listener
        return connection if connection.reliable else None

    def _is_without_tcp(self, remote: tuple[str, int], now: float) -> bool:
        until = self._without_tcp.get(remote)
        if until is not None and now >= until:
            del self._without_tcp[remote]
            until = None
        return until is not None

    def refused(self, remote: tuple[str, int], now: float) -> None:
        """A peer takes no connection."""
        self.came_back += 1
        self._without_tcp[remote] = now + FORGET_S
        self._without_tcp.move_to_end(remote)
        if len(self._without_tcp) > MOST_PEERS:
            self._without_tcp.popitem(last=False)


class _Attempt:
    """One message on its way by a connection; ``fall_back`` sends it as a datagram instead, once."""

    __slots__ = ("_connection", "_fall_back", "_owner", "_peer", "_timer")

    def __init__(
        self, owner: LargeRequests, connection: Flow, peer: tuple[str, int], fall_back: Callable[[], None]
    ) -> None:
        self._owner = owner
        self._connection = connection
        self._peer = peer
        self._fall_back: Callable[[], None] | None = fall_back
        self._timer: Timer | None = None
        owner.by_tcp += 1

    def send(self, data: bytes, on_failure: Callable[[TransportError], None] | None = None) -> None:
        self._connection.send(data, self._failed)

    def watch(self, now: float) -> None:
        """Take note if the connection is closed soon, or does not open in time."""
        if self._fall_back is not None:
            wheel = self._owner.endpoint.wheel
            self._timer = wheel.call_at(now + self._owner.within_s, self._time_is_up)
            self._connection.on_close(self._closed)

    def is_answered(self) -> bool:
        """Whether anything came back, so that there is no more to do."""
        return False

    def _time_is_up(self, _now: float) -> None:
        self._timer = None
        self._connection.off_close(self._closed)
        if self._fall_back is None:
            return
        if getattr(self._connection, "connecting", None) is None:
            self._fall_back = None  # it stands: from now on it is a request like any other
            return
        # What waits in it must not arrive later, beside the datagram.
        abort: Callable[[str], None] = getattr(self._connection, "abort", lambda _reason: None)
        abort(f"no connection within {self._owner.within_s:g} s")
        self._give_up()

    def _closed(self, _flow: Flow) -> None:
        self._give_up()

    def _failed(self, _error: TransportError) -> None:
        self._give_up()

    def _give_up(self) -> None:
        fall_back, self._fall_back = self._fall_back, None
        if self._timer is not None:
            self._owner.endpoint.wheel.cancel(self._timer)
            self._timer = None
            self._connection.off_close(self._closed)
        if fall_back is not None and not self.is_answered():
            self._owner.refused(self._peer, self._owner.endpoint.now())
            fall_back()


class _Request(_Attempt):
    """The wire of a client transaction whose request goes by TCP for its size."""

    __slots__ = ("_client", "_draft", "_flow", "_sent")

    reliable: Final = True

    def __init__(
        self,
        owner: LargeRequests,
        connection: Flow,
        flow: Flow,
        client: ClientInvite | ClientNonInvite,
        draft: Draft,
    ) -> None:
        super().__init__(owner, connection, flow.remote, self._by_datagram)
        self._client = client
        self._draft = draft
        self._flow = flow
        self._sent = False

    @property
    def remote(self) -> tuple[str, int]:
        return self._connection.remote

    def send(self, data: bytes, on_failure: Callable[[TransportError], None] | None = None) -> None:
        # What follows the request, its ACK or CANCEL, is nothing to fall back with.
        self._connection.send(data, on_failure if self._sent else self._failed)
        self._sent = True

    def is_answered(self) -> bool:
        return self._client.state != 0  # CALLING, TRYING

    def _failed(self, error: TransportError) -> None:
        if self._client.wire is not self:
            return  # it goes by datagram already
        if self._fall_back is None or self.is_answered():
            self._client.failed(error)
        self._give_up()

    def _by_datagram(self) -> None:
        client, endpoint = self._client, self._owner.endpoint
        if isinstance(client, ClientInvite) and client.cancel_extra is not None:
            client.failed(TransportError("given up before it arrived"))
            return
        endpoint.layer.send_by(client, self._draft, self._flow, *_via(self._flow), endpoint.now())


def is_at_home(uri: str, remote: tuple[str, int]) -> bool:
    """Whether a URI names the place that its peer is spoken to at; a name may, an address must.

    Who is spoken to elsewhere than it says is behind NAT: its router has a way for the datagrams that it let
    out, and none for a connection from us.
    """
    try:
        address = parse_uri(uri)
    except RemoteProtocolError:
        return False
    host = bare_host(address.params.get("maddr") or address.host)
    literal = ip_literal(host)
    if literal is None:
        return not host.endswith(".invalid")  # RFC 7118 §5: what browsers call themselves
    return (literal, address.port or _DEFAULT_PORT) == remote


def _via(flow: Flow) -> tuple[str, str]:
    """Sent-by and transport of our Via on a flow."""
    return flow.listener.sent_by_for(flow.remote[0]), flow.transport
