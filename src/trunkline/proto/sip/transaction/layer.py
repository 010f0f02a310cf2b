"""Matches messages to transactions (RFC 3261 §17.1.3, §17.2.3) and makes new ones.

Sans-I/O: bytes, the wire and the time go in; bytes go out through the wire, requests and ACKs to the core.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeAlias

from trunkline.base.errors import RemoteProtocolError
from trunkline.base.wheel import TimerWheel
from trunkline.proto.sip.draft import Draft, header_lines, render_response
from trunkline.proto.sip.message import Request, Response, check_request, check_response, parse_message
from trunkline.proto.sip.salvage import answer_to_garbage
from trunkline.proto.sip.transaction import client_invite, client_non_invite, server_invite, server_non_invite
from trunkline.proto.sip.transaction.client import ClientTransaction
from trunkline.proto.sip.transaction.client_invite import ClientInvite
from trunkline.proto.sip.transaction.client_non_invite import ClientNonInvite
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.transaction.machine import ClientUser, Timings
from trunkline.proto.sip.transaction.server_invite import ServerInvite
from trunkline.proto.sip.transaction.server_non_invite import ServerNonInvite
from trunkline.proto.sip.via import stamp_via
from trunkline.proto.sip.wire import Wire

_COOKIE = "z9hG4bK"
# RFC 3261 §8.2.2.2: Call-ID, From tag and CSeq number; and the Request-URI, see ``_is_merged``.
MergeKey: TypeAlias = tuple[str, str, int, str]
OnLarge: TypeAlias = Callable[[ClientInvite | ClientNonInvite, Draft, Wire, float], bool]

# RFC 3261 §18.1.1: bytes, where the path's MTU is not known.
MOST_BY_DATAGRAM: Final = 1300


class Core(Protocol):
    """The transaction user of everything that is new."""

    def on_request(self, incoming: Incoming) -> None:
        """A request that belongs to no transaction."""
        ...

    def on_ack(self, ack: Request, wire: Wire, now: float) -> None:
        """The ACK of a 2xx (or of nothing that we know: never answered)."""
        ...

    def on_stray_response(self, response: Response, wire: Wire, now: float) -> None:
        """A response without a transaction, such as a 2xx later than timer M (RFC 3261 §13.2.2.4)."""
        ...

    def reply_wire(self, request: Request, wire: Wire) -> Wire:
        """Where responses go when the peer did not ask for rport (RFC 3261 §18.2.2 or policy)."""
        ...


class Counters:
    """What the layer counts, for metrics; plain integers that only grow."""

    __slots__ = ("absorbed", "merged", "parse_errors", "refused", "requests", "responses", "strays")

    def __init__(self) -> None:
        self.absorbed = 0
        self.merged = 0
        self.parse_errors = 0
        self.refused = 0
        self.requests = 0
        self.responses = 0
        self.strays = 0


class TransactionLayer:
    """All transactions of one endpoint.

    ``mint_branch`` makes branches with the magic cookie; ``tag_key`` (16..64 secret bytes) keys the tags of
    stateless answers; ``limit`` bounds the server transactions, beyond it new requests are answered 503.
    ``on_malformed(wire, now)`` hears of what does not parse, and says whether it stays unanswered;
    ``on_stray_cancel`` answers a CANCEL that belongs to no INVITE, or leaves it unanswered;
    ``on_large`` is offered requests that are too large for a datagram, and says whether it sends them.
    """

    def __init__(
        self,
        core: Core,
        wheel: TimerWheel,
        mint_branch: Callable[[], str],
        tag_key: bytes,
        timings: Timings | None = None,
        limit: int = 200_000,
    ) -> None:
        self.core = core
        self.wheel = wheel
        self.mint_branch = mint_branch
        self.tag_key = tag_key
        self.timings = timings or Timings()
        self.limit = limit
        self.now = 0.0
        self.counters = Counters()
        self.on_malformed: Callable[[Wire, float], bool] = lambda _wire, _now: False
        self.on_stray_cancel: Callable[[Incoming], None] = lambda incoming: incoming.respond(481)
        self.on_large: OnLarge = lambda _client, _draft, _wire, _now: False
        self.clients: dict[str, ClientInvite | ClientNonInvite] = {}
        self.servers: dict[str, ServerInvite | ServerNonInvite] = {}
        self._by_branch: dict[str, ServerInvite] = {}
        self._merged: dict[MergeKey, ServerInvite] = {}

    # Bytes from the network

    def receive(self, data: bytes, wire: Wire, now: float) -> None:
        """One datagram or framed message. Never raises for what the peer sent: bad requests are answered
        where they can be, other garbage is counted and dropped."""
        self.now = now
        try:
            message = parse_message(data, wire.remote)
            if isinstance(message, Request):
                self._receive_request(message, wire, now)
            else:
                self._receive_response(message, wire, now)
        except RemoteProtocolError as error:
            self.counters.parse_errors += 1
            if self.on_malformed(wire, now):
                return
            answer = answer_to_garbage(data, error, wire.remote)
            if answer is not None:
                wire.send(answer)

    def _receive_response(self, response: Response, wire: Wire, now: float) -> None:
        self.counters.responses += 1
        check_response(response)
        status = response.status
        method = response.cseq[1]
        branch = response.via.branch
        client = self.clients.get(branch if method != "CANCEL" else "C" + branch)
        # RFC 3261 §17.1.3: branch of the topmost Via and the method of CSeq.
        if isinstance(client, ClientInvite):
            if method == "INVITE":
                what = (
                    client_invite.PROVISIONAL
                    if status < 200
                    else client_invite.SUCCESS
                    if status < 300
                    else client_invite.FAILURE
                )
                client.step(what, response, now)
                return
        elif client is not None and method != "INVITE":
            what = client_non_invite.PROVISIONAL if status < 200 else client_non_invite.FINAL
            client.step(what, response, now)
            return
        self.counters.strays += 1
        self.core.on_stray_response(response, wire, now)

    def _receive_request(self, request: Request, wire: Wire, now: float) -> None:
        self.counters.requests += 1
        check_request(request)
        via = request.via
        if not request.place:
            request.replace_via(stamp_via(request.headers["Via"], wire.remote[0], wire.remote[1], via=via))
        method = request.method
        if method == "ACK":
            self._receive_ack(request, wire, now)
            return
        key = _server_key(request, method)
        known = self.servers.get(key)
        if known is not None:
            self.counters.absorbed += 1
            # server_invite.AGAIN and server_non_invite.AGAIN are the same input.
            known.step(server_invite.AGAIN, None, now)
            return
        if not wire.reliable and not via.asks_rport:
            wire = self.core.reply_wire(request, wire)
        if method == "CANCEL":
            self._receive_cancel(request, wire, now)
            return
        incoming = Incoming(self, request, wire, key, now)
        if len(self.servers) >= self.limit and self._is_full(request):
            self.counters.refused += 1
            incoming.respond(503, extra="Retry-After: 5\r\n")
            return
        if request.to_tag is None and method == "INVITE" and self._is_merged(request):
            self.counters.merged += 1
            incoming.respond(482)
            return
        self.core.on_request(incoming)

    def _is_full(self, request: Request) -> bool:
        # Rule T-11: calls that stand are served before new ones, from a reserve of one eighth.
        reserve = self.limit >> 3 if request.to_tag is not None else 0
        return len(self.servers) >= self.limit + reserve

    def _receive_ack(self, ack: Request, wire: Wire, now: float) -> None:
        invite = self._find_invite(ack, wire)
        if invite is not None:
            invite.step(server_invite.ACK, ack, now)
        else:
            self.core.on_ack(ack, wire, now)

    def _receive_cancel(self, cancel: Request, wire: Wire, now: float) -> None:
        invite = self._find_invite(cancel, wire)
        incoming = Incoming(self, cancel, wire, _server_key(cancel, "CANCEL"), now)
        if invite is None:
            self.on_stray_cancel(incoming)
            return
        # RFC 3261 §9.2: 200 to the CANCEL whatever becomes of the INVITE, with the To tag of its responses.
        incoming.respond(200, to_tag=invite.to_tag)
        if invite.state == server_invite.PROCEEDING and invite.user is not None:
            invite.user.on_cancel(invite, cancel, now)

    def _find_invite(self, request: Request, wire: Wire) -> ServerInvite | None:
        found = self.servers.get(_server_key(request, "INVITE"))
        if isinstance(found, ServerInvite):
            return found
        # A peer behind NAT may have learnt its public address from rport meanwhile and write another sent-by:
        # the branch alone is enough, but only from the flow that the INVITE came by.
        near = self._by_branch.get(request.via.branch)
        if near is None or near.wire.remote != wire.remote:
            return None
        # A branch without the cookie is nobody's own (RFC 2543: it is empty): other calls have the same.
        return near if near.merge_key[:3] == _merge_key(request)[:3] else None

    def _is_merged(self, request: Request) -> bool:
        # RFC 3261 §8.2.2.2: the same request by another path, while the first is still being worked on. With
        # another Request-URI it is a spiral (§16.3 item 4) or another branch of a fork, for somebody else.
        known = self._merged.get(_merge_key(request))
        return known is not None and known.state in {server_invite.PROCEEDING, server_invite.ACCEPTED}

    # Transactions that others ask for

    def request(
        self, draft: Draft, wire: Wire, sent_by: str, user: ClientUser, now: float, transport: str = "UDP"
    ) -> ClientInvite | ClientNonInvite:
        """Send a request in a new client transaction; ``sent_by`` ("host:port") goes into our Via."""
        self.now = now
        branch = self.mint_branch()
        # RFC 3581 §3: we always ask for rport, so that answers come back through NAT.
        via = f"SIP/2.0/{transport} {sent_by};branch={branch};rport"
        data = draft.render(via)
        client: ClientInvite | ClientNonInvite
        if draft.method == "INVITE":
            client = ClientInvite(self, branch, wire, draft, via, user, data)
        else:
            client = ClientNonInvite(self, branch, wire, data, user)
        if len(data) > MOST_BY_DATAGRAM and not wire.reliable and self.on_large(client, draft, wire, now):
            return client
        self.clients[branch] = client
        client.start(now)
        return client

    def send_by(
        self,
        client: ClientInvite | ClientNonInvite,
        draft: Draft,
        wire: Wire,
        sent_by: str,
        transport: str,
        now: float,
    ) -> None:
        """Send a request of ours, which nobody has answered, by another wire.

        To the peer it is another transaction, with a branch of its own; its user does not notice.
        """
        self.clients.pop(client.key, None)
        client.key = branch = self.mint_branch()
        client.wire = wire
        via = f"SIP/2.0/{transport} {sent_by};branch={branch};rport"
        client.data = draft.render(via)
        if isinstance(client, ClientInvite):
            client.via = via
        self.clients[branch] = client
        client.start(now)

    def send_cancel(self, branch: str, wire: Wire, data: bytes, now: float) -> None:
        """A CANCEL is a transaction of its own with the INVITE's branch (RFC 3261 §9.1)."""
        client = ClientNonInvite(self, "C" + branch, wire, data, None)
        self.clients[client.key] = client
        client.start(now)

    def add_server_invite(self, incoming: Incoming, *, hold: bool = False) -> ServerInvite:
        """Called by ``Incoming.begin_invite``: the transaction answers 100, at once or before 200 ms are over
        (RFC 3261 §17.2.1).
        """
        request = incoming.request
        merge_key = _merge_key(request)
        server = ServerInvite(self, incoming.key, incoming.wire, request.via.branch, merge_key)
        self.servers[incoming.key] = server
        self._by_branch[server.short_key] = server
        self._merged[merge_key] = server
        # RFC 3261 §8.2.6.1: the 100 repeats the Timestamp.
        timestamp = header_lines("Timestamp", request.headers.get("Timestamp"))
        trying = render_response(request, 100, extra=timestamp)
        if hold:
            server.hold(trying, incoming.now)
        else:
            server.respond(100, trying, incoming.now)
        return server

    def add_server(self, incoming: Incoming) -> ServerNonInvite:
        """Called by ``Incoming.begin``."""
        server = ServerNonInvite(self, incoming.key, incoming.wire)
        self.servers[incoming.key] = server
        server.start(incoming.now)
        return server

    def adopt_server_invite(self, server: ServerInvite) -> None:
        """Take in a transaction that was restored from a snapshot."""
        self.servers[server.key] = server
        self._by_branch[server.short_key] = server
        self._merged[server.merge_key] = server

    def remove_client(self, client: ClientTransaction) -> None:
        self.wheel.cancel(client)
        self.clients.pop(client.key, None)

    def remove_server(self, server: ServerNonInvite) -> None:
        self.wheel.cancel(server)
        self.servers.pop(server.key, None)

    def remove_server_invite(self, server: ServerInvite) -> None:
        self.wheel.cancel(server)
        self.servers.pop(server.key, None)
        if self._by_branch.get(server.short_key) is server:
            del self._by_branch[server.short_key]
        if self._merged.get(server.merge_key) is server:
            del self._merged[server.merge_key]


assert server_invite.AGAIN == server_non_invite.AGAIN, "the layer gives both machines the same input"  # noqa: S101


def _server_key(request: Request, method: str) -> str:
    if request.place:
        return f"{request.place} {method}"
    via = request.via
    branch = via.branch
    # The cookie alone (RFC 4475 §3.2.1) identifies nothing either.
    if branch.startswith(_COOKIE) and branch != _COOKIE:
        return f"{branch} {via.sent_by} {method}"
    # RFC 3261 §17.2.3, for RFC 2543 peers: what identifies the request when the branch does not. Of the Vias
    # only the topmost counts, because the ACK of a non-2xx and the CANCEL have no other.
    top = f"{via.head}{via.tail}"
    return f"{request.uri} {request.from_tag} {request.call_id} {request.cseq[0]} {top} {method}"


def _merge_key(request: Request) -> MergeKey:
    return request.call_id, request.from_tag or "", request.cseq[0], request.uri
