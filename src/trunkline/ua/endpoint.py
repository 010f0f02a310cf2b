"""The SIP endpoint: transactions, dialogs and doors on one event loop.

It is the thin shell over ``proto.sip``: it hands bytes in, keeps one loop timer for the timer wheel, finds
the session that a request belongs to, and offers everything else to the doors.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, Protocol

from trunkline.base.errors import LocalProtocolError, RemoteProtocolError, TransportError
from trunkline.base.ids import NodeIds
from trunkline.base.wheel import TimerWheel
from trunkline.net.fence import Fence
from trunkline.net.flow import Flow
from trunkline.net.listener import Listener
from trunkline.proto.sip.dialog import Dialog, dialog_key
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Request, Response
from trunkline.proto.sip.transaction import ClientInvite, ClientNonInvite, ClientUser, Timings
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.transaction.layer import TransactionLayer
from trunkline.proto.sip.uri import is_sips, parse_uri
from trunkline.proto.sip.wire import Wire
from trunkline.ua.challenges import Authorizer
from trunkline.ua.client_users import Nobody, Waiter
from trunkline.ua.dialog_flows import to_first_hop
from trunkline.ua.door import Door
from trunkline.ua.large_requests import LargeRequests
from trunkline.ua.option_tags import PRECONDITION, unsupported
from trunkline.ua.overload import Overload
from trunkline.ua.sessions.client import ClientSession
from trunkline.ua.sessions.reliable import ReliablePolicy
from trunkline.ua.sessions.session import Session, SessionUser
from trunkline.ua.sessions.session_timer import TimerPolicy
from trunkline.ua.sleeping_peers import SleepingPeers

# RFC 3261 §8.2.1: what is known everywhere; doors add theirs.
_FOR_US = frozenset({"REGISTER", "OPTIONS"})  # answered here, so they may be at their last hop (§11, §10.3)
_IN_DIALOG = frozenset({"INVITE", "ACK", "CANCEL", "BYE", "INFO", "OPTIONS", "PRACK", "UPDATE"})
_NEEDS_DIALOG = frozenset({"BYE", "INFO", "PRACK", "UPDATE"})

_branches = re.compile(r"branch=(z9hG4bK[0-9A-Za-z]+)").findall


class Network(Protocol):
    """What an endpoint asks of ``net``."""

    def flow_to(self, transport: str, host: str, port: int, prefer: Listener | None = None) -> Flow:
        """A flow to an address; raises TransportError when no listener can reach it."""
        ...

    def flow_from_token(self, token: str) -> Flow | None:
        """The flow that a token names, if it can still be used."""
        ...


class Subscribed(Protocol):
    """The other usage of a dialog: a subscription of somebody else with us."""

    def receive(self, incoming: Incoming) -> None:
        """A request within its dialog."""
        ...


class Endpoint:
    """One SIP endpoint. ``doors`` are asked in order; ``user_agent`` is told unless it is empty.

    What strangers ask for and no door takes is answered as far as ``fence`` allows.
    """

    def __init__(
        self,
        network: Network,
        ids: NodeIds,
        loop: asyncio.AbstractEventLoop,
        *,
        tag_key: bytes,
        timings: Timings | None = None,
        user_agent: str = "",
        answer_to_source: Callable[[Listener], bool] = lambda listener: listener.role == "phones",
        fence: Fence | None = None,
    ) -> None:
        self.network = network
        self.ids = ids
        self.loop = loop
        self.now = loop.time
        self.wheel = TimerWheel()
        self.wheel.on_earlier = self._arm
        self.fence = fence or Fence()
        self._own_branch = f"branch=z9hG4bK{ids.prefix}"
        self.layer = TransactionLayer(self, self.wheel, ids.branch, tag_key, timings)
        self.layer.on_malformed = self._malformed
        self.layer.on_stray_cancel = lambda incoming: self._answer_stranger(incoming, 481)
        self.large = LargeRequests(self)
        self.layer.on_large = self.large.send
        self.doors: list[Door] = []
        self.sessions: dict[str, Session] = {}
        self.subscriptions: dict[str, Subscribed] = {}
        self.allow_events = ""
        """A finished Allow-Events line, for OPTIONS (RFC 6665 §8.2.2)."""
        self.draining = False
        self.overload = Overload()
        self.another_way: Callable[[str], Flow | None] = lambda _token: None
        """Where the peer of a flow that is gone can be reached now, given its token; None when nobody knows."""
        self.sleeping = SleepingPeers(self)
        self.option_tags: frozenset[str] = frozenset()
        """What a request may require of us everywhere (RFC 3261 §8.2.2.3), in lower case."""
        self.session_timers = TimerPolicy()
        self._timer_offer = self._passive_offer = ""
        self.capabilities = ""
        self.methods = _IN_DIALOG
        self.reliable_provisionals: ReliablePolicy = "follow"
        self.call_tags: frozenset[str] = frozenset()
        """What an INVITE may require of us, in lower case."""
        self._reliable_capabilities = ""
        self._allow = self._supported = ""
        self._user_agent = f"User-Agent: {user_agent}\r\n" if user_agent else ""
        self._answer_to_source = answer_to_source
        self._handle: asyncio.TimerHandle | None = None
        self._armed_for = 0.0
        self.set_doors([])

    def set_doors(self, doors: list[Door]) -> None:
        """Replace the doors; their methods make up our Allow."""
        self.doors = doors
        self.methods = _IN_DIALOG.union(*(door.methods for door in doors))
        self._allow = f"Allow: {', '.join(sorted(self.methods))}\r\n"
        self._tell_capabilities()

    def set_session_timers(self, policy: TimerPolicy) -> None:
        """From the next call on; those that are up keep what was agreed."""
        self.session_timers = policy
        self._timer_offer, self._passive_offer = policy.offer(refreshes=True), policy.offer(refreshes=False)
        self.option_tags -= {"timer"}
        self.support(*(() if policy.mode == "off" else ("timer",)))

    def support(self, *tags: str) -> None:
        """Say from now on that we support these option tags, and let requests require them."""
        self.option_tags |= set(tags)
        self._tell_capabilities()

    def _tell_capabilities(self) -> None:
        tags = ", ".join(sorted(self.option_tags))
        self._supported = f"Supported: {tags}\r\n" if tags else ""
        self.capabilities = f"{self._allow}{self._supported}{self._user_agent}"
        tags = ", ".join(sorted(self.option_tags | {"100rel"}))
        self._reliable_capabilities = f"{self._allow}Supported: {tags}\r\n{self._user_agent}"
        self._tell_call_tags()

    def set_reliable_provisionals(self, policy: ReliablePolicy) -> None:
        """When provisionals are sent reliably (RFC 3262), from the next call on."""
        self.reliable_provisionals = policy
        self._tell_call_tags()

    def _tell_call_tags(self) -> None:
        reliable = frozenset() if self.reliable_provisionals == "never" else frozenset({"100rel"})
        self.call_tags = self.option_tags | PRECONDITION | reliable

    # Timers

    def _arm(self, deadline: float) -> None:
        if self._handle is not None:
            if self._armed_for <= deadline:
                return
            self._handle.cancel()
        self._armed_for = deadline
        self._handle = self.loop.call_at(deadline, self._wake)

    def _wake(self) -> None:
        self._handle = None
        now = self.now()
        self.layer.now = now
        try:
            self.wheel.advance(now)
        finally:
            # Whatever one alarm did wrong, the others are still to fire.
            deadline = self.wheel.next_deadline()
            if deadline is not None:
                self._arm(deadline)

    def close(self) -> None:
        """Stop the one timer; transactions that are left go silent."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self.wheel.on_earlier = None

    # From the network

    def receive(self, data: bytes, flow: Flow) -> None:
        """One message from ``net``."""
        self.layer.receive(data, flow, self.now())

    def on_request(self, incoming: Incoming) -> None:
        request = incoming.request
        try:
            if request.to_tag is not None:
                self._in_dialog(incoming)
                return
            method, headers = request.method, request.headers
            if (
                self.overload.level
                or request.max_forwards == 0
                or (
                    method == "INVITE"
                    and ("Session-Expires" in headers or self._own_branch in headers["Via"])
                )
            ):
                # Few are to be looked at closely before a door sees them.
                refusal = self._refusal(incoming, method)
                if refusal is not None:
                    self._answer_stranger(incoming, *refusal)
                    return
            flow: Any = incoming.wire  # every wire of an endpoint is a flow of its ``net``
            for door in self.doors:
                if method in door.methods and door.claim(incoming, flow):
                    return
        except RemoteProtocolError as error:
            if error.status != 400:
                self._answer_stranger(incoming, error.status)
            elif not self._malformed(incoming.wire, incoming.now):
                incoming.respond(400, reason=error.reason)
            return
        if not self._is_ignored(incoming):
            self._unclaimed(incoming)

    def _refusal(self, incoming: Incoming, method: str) -> tuple[int, str] | None:
        """Status and header lines for a new request that no door has to see, else None."""
        request = incoming.request
        if self.overload.level and self.overload.refuses(method, incoming.key):
            dice = int(self.ids.pool.token(2), 16)
            return 503, self.overload.retry_after(dice)
        if request.max_forwards == 0 and method not in _FOR_US:
            return 483, ""
        if method == "INVITE":
            if self._has_looped(request):
                return 482, ""
            if "Session-Expires" in request.headers and self.session_timers.too_short(request):
                return 422, self.session_timers.refusal
        return None

    def _has_looped(self, request: Request) -> bool:
        """Whether an INVITE of ours comes back as we sent it (RFC 3261 §16.3).

        With another Request-URI it is a spiral: somebody on the way has sent it on to another number of ours.
        """
        if self._own_branch not in request.headers["Via"]:
            return False
        for branch in _branches(request.headers["Via"]):
            client = self.layer.clients.get(branch)
            draft = client.draft if isinstance(client, ClientInvite) else None
            if draft is not None and draft.uri == request.uri:
                return True
        return False

    def _malformed(self, wire: Wire, now: float) -> bool:
        """Something malformed came; whether it stays unanswered."""
        return self.fence.malformed(wire.remote, now, reliable=wire.reliable)

    def _is_ignored(self, incoming: Incoming) -> bool:
        wire = incoming.wire
        return self.fence.mutes_strangers(wire.remote, incoming.now, reliable=wire.reliable)

    def _answer_stranger(self, incoming: Incoming, status: int, extra: str = "") -> None:
        if not self._is_ignored(incoming):
            incoming.respond(status, extra=extra)

    def _in_dialog(self, incoming: Incoming) -> None:
        request = incoming.request
        session = self.sessions.get(dialog_key(request.call_id, request.to_tag or "", request.from_tag or ""))
        if session is not None:
            session.receive(incoming)
        elif (subscription := self._subscription(request)) is not None:
            subscription.receive(incoming)
        elif not self._is_ignored(incoming):
            if request.method == "OPTIONS":
                self._unclaimed(incoming)
            else:
                incoming.respond(481)

    def _subscription(self, request: Request) -> Subscribed | None:
        if not self.subscriptions:
            return None
        return self.subscriptions.get(
            dialog_key(request.call_id, request.to_tag or "", request.from_tag or "")
        )

    def _unclaimed(self, incoming: Incoming) -> None:
        method = incoming.request.method
        if method == "OPTIONS":
            self._answer_options(incoming)
        elif any(method in door.methods for door in self.doors):
            incoming.respond(404)  # RFC 3261 §8.2.2.1: a door takes such, and knows nobody of that name
        elif method in self.methods:
            # RFC 3261 §12.2.2: what only makes sense in a dialog meets none here.
            incoming.respond(481 if method in _NEEDS_DIALOG else 405, extra=self._allow)
        else:
            incoming.respond(501, extra=self._allow)

    def _answer_options(self, incoming: Incoming) -> None:
        """RFC 3261 §11.2: what an INVITE would be told; a draining exchange says so to whoever probes it."""
        request = incoming.request
        try:
            tags = unsupported(request, self.option_tags)
            foreign = not parse_uri(request.uri).is_sip
        except RemoteProtocolError as error:
            incoming.respond(error.status)
            return
        if foreign:
            incoming.respond(416)
        elif tags:
            incoming.respond(420, extra=f"Unsupported: {tags}\r\n")
        elif self.draining:
            incoming.respond(503, extra="Retry-After: 60\r\n")
        else:
            incoming.respond(
                200, extra=f"{self._allow}{self._supported}{self.allow_events}Accept: application/sdp\r\n"
            )

    def on_ack(self, ack: Request, wire: Wire, now: float) -> None:
        session = self.sessions.get(dialog_key(ack.call_id, ack.to_tag or "", ack.from_tag or ""))
        if session is not None:
            session.receive_ack(ack)

    def on_stray_response(self, response: Response, wire: Wire, now: float) -> None:
        if response.cseq[1] != "INVITE" or not 200 <= response.status < 300:
            return
        session = self.sessions.get(
            dialog_key(response.call_id, response.from_tag or "", response.to_tag or "")
        )
        if session is not None:
            session.acknowledge_again(response)
        elif self._was_ours(response) and not self.fence.mutes_strangers(
            wire.remote, now, reliable=wire.reliable
        ):
            # RFC 3261 §13.2.2.4: a 2xx that nobody waits for is acknowledged and its call ended.
            self.dismiss(response, wire, now)

    def _was_ours(self, response: Response) -> bool:
        """Whether we sent the request: who makes one up would have a dozen messages sent where he likes."""
        ids = self.ids
        return response.via.branch.startswith(f"z9hG4bK{ids.prefix}") and ids.has_minted(response.call_id)

    def reply_wire(self, request: Request, wire: Wire) -> Wire:
        """RFC 3261 §18.2.2: down the connection; for UDP to the port of the Via, unless we answer to the source."""
        flow: Any = wire
        if flow.reliable or self._answer_to_source(flow.listener):
            return wire
        port = request.via.port or 5060
        if port == flow.remote[1]:
            return wire
        return self.network.flow_to(flow.transport, flow.remote[0], port, flow.listener)

    def dismiss(self, response: Response, wire: Wire, now: float, *, above: int = 0) -> None:
        """ACK a 2xx that we do not want, then end its dialog with BYE, its CSeq higher than ``above``."""
        flow: Any = wire
        headers = response.headers
        number = response.cseq[0]
        seed = Draft("INVITE", "sip:invalid", headers["From"], headers["To"], response.call_id, number)
        dialog = Dialog.of_response(seed, response, response.from_tag or "", flow.token)
        flow.send(dialog.request("ACK", cseq=number).render(self.via(flow)))
        dialog.local_seq = max(number, above)
        self.send(dialog.request("BYE"), flow, Nobody(), now)

    # Going out

    def via(self, flow: Flow) -> str:
        """A new topmost Via for something sent without a transaction (the ACK of a 2xx)."""
        sent_by = flow.listener.sent_by_for(flow.remote[0])
        return f"SIP/2.0/{flow.transport} {sent_by};branch={self.ids.branch()};rport"

    def contact(self, flow: Flow, *, sips: bool = False) -> str:
        """Our Contact on this flow: the listener's advertised address, port and transport.

        Its user part names node and worker, so that whoever receives a request for it can hand it on. ``sips``
        is for dialogs whose first request went to a sips URI (RFC 3261 §12.1.1, §8.1.1.8).
        """
        host_port = flow.listener.sent_by_for(flow.remote[0])
        if sips:
            # RFC 5630 §3.1.4: the scheme says TLS already; RFC 7118 §5.2: with ws it says WSS.
            suffix = ";transport=ws" if flow.transport == "WSS" else ""
            return f"<sips:{self.ids.prefix}@{host_port}{suffix}>"
        # RFC 7118 §5.2 knows ws alone, which would tell a client that obeys it to leave TLS: baresip (libre)
        # wants wss here, and JsSIP takes any.
        suffix = "" if flow.transport == "UDP" else f";transport={flow.transport.lower()}"
        return f"<sip:{self.ids.prefix}@{host_port}{suffix}>"

    def send(self, draft: Draft, flow: Flow, user: ClientUser, now: float) -> ClientInvite | ClientNonInvite:
        """Send a request in a transaction of its own."""
        if flow.closed and (held := self.sleeping.hold(draft, flow, user, now)) is not None:
            return held
        sent_by = flow.listener.sent_by_for(flow.remote[0])
        return self.layer.request(draft, flow, sent_by, user, now, flow.transport)

    async def request(
        self,
        draft: Draft,
        flow: Flow,
        *,
        on_provisional: Callable[[Response], None] | None = None,
        authorizer: Authorizer | None = None,
    ) -> Response:
        """Send a request other than INVITE and return its final response.

        Without one it is 408 (timeout) or 503 (not sent), made here (RFC 3261 §8.1.3.1). Provisionals go to
        ``on_provisional``; challenges are answered by ``authorizer``.
        """
        while True:
            waiter = Waiter(self.loop.create_future(), on_provisional)
            self.send(draft, flow, waiter, self.now())
            response = await waiter.future
            again = authorizer.answer(draft, response) if authorizer is not None else None
            if again is None:
                return response
            draft = again

    def invite(
        self,
        uri: str,
        flow: Flow,
        user: SessionUser,
        *,
        from_: str,
        to: str,
        body: bytes,
        extra: str = "",
        route: str = "",
        max_forwards: int = 70,
        authorizer: Authorizer | None = None,
        like: tuple[str, str] | None = None,
        may_refresh: bool = True,
        reliable: bool = False,
        follows: bool = False,
    ) -> ClientSession:
        """Start an INVITE session; ``from_`` and ``to`` are name-addrs without tag; ``user`` is told all.

        ``like`` holds Call-ID and From tag of an INVITE that failed elsewhere, which this one repeats;
        without ``may_refresh`` no session refresh is ever sent by us (RFC 4028); with ``reliable`` the callee may
        send provisionals that arrive for certain (RFC 3262); with ``follows`` requests within the dialog go where its
        route set and target say, be it another server than that of ``flow``.
        """
        call_id, tag = like or (self.ids.call_id(), self.ids.tag())
        draft = Draft(
            "INVITE",
            uri,
            f"{from_};tag={tag}",
            to,
            call_id,
            1,
            contact=self.contact(flow, sips=is_sips(uri)),
            extra=(self._reliable_capabilities if reliable else self.capabilities)
            + (self._timer_offer if may_refresh else self._passive_offer)
            + extra,
            route=route,
            body=body,
            max_forwards=max_forwards,
        )
        session = ClientSession(self, flow, user, draft, tag, authorizer)
        session.may_refresh = may_refresh
        session.follows = follows
        session.start()
        return session

    def flow_for(self, flow: Flow, dialog: Dialog) -> Flow:
        """The flow for a request within a dialog: the one it lives on, else a new one to its first hop."""
        if not flow.closed:
            return flow
        asleep, awake = self.sleeping.way(dialog)
        if asleep:
            return flow  # ``send`` wakes the phone
        try:
            fresh = awake or self.another_way(dialog.flow) or to_first_hop(self.network, flow, dialog)
        except (RemoteProtocolError, TransportError, LocalProtocolError):
            return flow  # unreachable, or a name: sending on it fails in the ordinary way
        dialog.flow = fresh.token
        return fresh

    # Sessions

    def remember(self, key: str, session: Session) -> None:
        self.sessions[key] = session

    def forget(self, key: str, session: Session) -> None:
        if self.sessions.get(key) is session:
            del self.sessions[key]
