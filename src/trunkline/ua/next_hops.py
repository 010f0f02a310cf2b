"""Where requests go, and where next when that fails (RFC 3263 §4.3).

A server failed when it answers 503, when the transport says that it cannot be reached, or when nothing at all
came back; then the next one is asked, if there is one. Any other answer is the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from trunkline.base.errors import LocalProtocolError, TransportError
from trunkline.net.dns import Hop
from trunkline.net.flow import Flow
from trunkline.net.listener import Listener
from trunkline.net.routes import ip_literal
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Response
from trunkline.proto.sip.reasons import reason_phrase
from trunkline.proto.sip.uri import SipUri, bare_host, parse_uri
from trunkline.ua.challenges import Authorizer
from trunkline.ua.failed_hops import FailedHops, retry_after_s

if TYPE_CHECKING:
    from trunkline.ua.endpoint import Endpoint

MOST_FLOWS: Final = 1024  # UDP flows to addresses that are remembered
_SHOWN: Final = 4


class Locate(Protocol):
    """Finds the servers of a URI: ``net.dns.Locator``."""

    async def locate(self, uri: SipUri) -> list[Hop]:
        """At least one, in the order of trial; raises TransportError, within a deadline."""
        ...


class OpenFlow(Protocol):
    """Opens the way to an address: ``net.Net.flow_to``."""

    def __call__(
        self, transport: str, host: str, port: int, prefer: Listener | None = None, server_name: str = ""
    ) -> Flow:
        """Raises TransportError when no listener can reach it."""
        ...


class Tell(Protocol):
    """Takes a step of a story: ``Call.tell``, or ``functools.partial(story.add, now)``."""

    def __call__(self, code: str, text: str, /) -> None: ...


def tell_nobody(_code: str, _text: str, /) -> None:
    """For requests without a story."""


class NextHops:
    """The servers of URIs. ``patience_s`` is how long one may stay silent while another is left to ask.

    RFC 3261 §17.1.1.2 waits 64*T1, 32 seconds; a caller has hung up by then.
    """

    def __init__(
        self, locator: Locate, open_flow: OpenFlow, now: Callable[[], float], patience_s: float = 8.0
    ) -> None:
        self.failed = FailedHops(now)
        self.patience_s = patience_s
        self._locator = locator
        self._open_flow = open_flow
        self._flows: dict[str, Flow] = {}

    def at_once(self, uri: str) -> Flow | None:
        """The way to a URI that was asked for before and names an address: nobody has to be asked."""
        flow = self._flows.get(uri)
        if flow is None:
            return None
        if flow.closed:
            del self._flows[uri]
            return None
        return flow

    async def ways(self, uri: str, tell: Tell = tell_nobody, sticky: Hop | None = None) -> Ways:
        """The servers of a URI; ``sticky`` is tried first if it is still one of them (RFC 3263 §4.3, rule T-31).

        Raises TransportError when none is found, RemoteProtocolError when ``uri`` is malformed.
        """
        address = parse_uri(uri)
        hops = self.failed.put_last(await self._locator.locate(address))
        if sticky in hops and not self.failed.failed(sticky):
            hops.remove(sticky)
            hops.insert(0, sticky)
        if ip_literal(bare_host(address.host)) is None:
            more = f" and {len(hops) - _SHOWN} more" if len(hops) > _SHOWN else ""
            shown = ", ".join(str(hop) for hop in hops[:_SHOWN])
            tell("route.located", f"{bare_host(address.host)} is served by {shown}{more}")
            return Ways(self, hops, tell)
        return Ways(self, hops, tell, uri)

    def open(self, hop: Hop) -> Flow:
        """The flow to a server; raises TransportError when there is none."""
        try:
            return self._open_flow(hop.transport, hop.address, hop.port, None, hop.server_name)
        except LocalProtocolError as error:  # a name server may say anything
            raise TransportError(str(error)) from error

    def remember(self, uri: str, flow: Flow) -> None:
        """A URI that names an address is reached by this flow."""
        if not flow.reliable and len(self._flows) < MOST_FLOWS:
            self._flows[uri] = flow  # a UDP flow to an address stays what it is


class Ways:
    """The servers of one request, one after the other. ``current`` is the one that is being asked.

    ``uri`` is given when it names an address, so that its flow may be remembered.
    """

    __slots__ = ("_flow", "_hops", "_owner", "_tell", "_uri", "count", "current")

    def __init__(
        self, owner: NextHops | None, hops: list[Hop], tell: Tell = tell_nobody, uri: str = ""
    ) -> None:
        self._owner = owner
        self._hops = hops
        self._tell = tell
        self._uri = uri
        self._flow: Flow | None = None
        self.current: Hop | None = None
        self.count = len(hops)

    @classmethod
    def down(cls, flow: Flow) -> Ways:
        """The one way down a flow that is there."""
        ways = cls(None, [])
        ways._flow = flow
        ways.count = 1
        return ways

    @property
    def ahead(self) -> tuple[Hop, ...]:
        """The servers that were not asked yet."""
        return tuple(self._hops)

    @property
    def more(self) -> bool:
        """Whether another server is left to ask."""
        return bool(self._hops) or self._flow is not None

    @property
    def patience_s(self) -> float:
        """How long the current server may stay silent; 0: as long as its transaction lasts."""
        return self._owner.patience_s if self._owner is not None and self._hops else 0.0

    def next(self) -> Flow:
        """The flow to the next server; those that cannot be reached at all are passed over.

        Raises TransportError when none is left.
        """
        flow, self._flow = self._flow, None
        if flow is not None:
            return flow
        trouble = "no server is left to ask"
        while self._hops and self._owner is not None:
            again = self.current is not None
            self.current = self._hops.pop(0)
            try:
                flow = self._owner.open(self.current)
            except TransportError as error:
                trouble = str(error)
                self.gave_up(trouble)
                continue
            if self._uri:
                self._owner.remember(self._uri, flow)
            if again:
                self._tell("route.next_hop", f"asking {self.current} instead")
            return flow
        raise TransportError(trouble)

    def gave_up(self, why: str, retry_after: float | None = None) -> None:
        """The current server failed: it is tried last for a while, which matters where there are several."""
        if self.count > 1 and self.current is not None and self._owner is not None:
            self._owner.failed.add(self.current, retry_after)
            for_s = f", which asks for {retry_after:g} s of peace" if retry_after is not None else ""
            self._tell("route.hop_failed", f"{self.current}: {why}{for_s}")

    def answered(self) -> None:
        """The current server works."""
        if self.current is not None and self._owner is not None:
            self._owner.failed.forget(self.current)


def is_hop_failure(status: int, response: Response | None, *, heard: bool) -> bool:
    """Whether an outcome sends a request to the next server (RFC 3263 §4.3).

    ``response`` is None for an outcome made here: 408 when nothing came in time, 503 when the transport failed.
    ``heard`` says that the request got somewhere: that anything had come back before such an outcome, or, before
    a 503 of the server's own, that a phone had rung. 430 says that there is no way on from there (RFC 5626 §11.5).
    """
    return status == 430 or (not heard and (status == 503 or (status == 408 and response is None)))


def is_flow_failure(response: Response) -> bool:
    """Whether another flow of the same phone may be tried (RFC 5626 §7): 408, 430, or nothing could be sent."""
    return response.status in {408, 430} or (response.status == 503 and not response.headers)


class Reached(NamedTuple):
    """A final response, and the flow and server that gave it (None: none did)."""

    response: Response
    flow: Flow | None
    hop: Hop | None


async def request_by(
    endpoint: Endpoint,
    ways: Ways,
    draft_for: Callable[[Flow], Draft],
    *,
    authorizer: Callable[[], Authorizer] | None = None,
    on_provisional: Callable[[Response], None] | None = None,
) -> Reached:
    """Send a request other than INVITE to the servers of ``ways`` until one answers it.

    ``draft_for(flow)`` is the request for a server: the same each time, but for what names the flow (Contact);
    ``authorizer()`` answers the challenges of one server. Without any answer the response is 408 or 503, made
    here. Cancelling the task ends it at once.
    """
    outcome = Reached(Response(503, reason_phrase(503), {}), None, None)
    while ways.more:
        try:
            flow = ways.next()
        except TransportError:
            break
        attempt = _Attempt(on_provisional)
        response = await attempt.run(endpoint, ways, draft_for(flow), flow, authorizer)
        own = not response.headers
        outcome = Reached(response, None if own else flow, None if own else ways.current)
        if not is_hop_failure(response.status, None if own else response, heard=own and attempt.heard):
            ways.answered()
            break
        ways.gave_up(f"{response.status} {response.reason}", None if own else retry_after_s(response))
    return outcome


class _Attempt:
    """One request to one server."""

    __slots__ = ("_deadline", "_on_provisional", "heard")

    def __init__(self, on_provisional: Callable[[Response], None] | None) -> None:
        self._on_provisional = on_provisional
        self._deadline: asyncio.Timeout | None = None
        self.heard = False

    async def run(
        self,
        endpoint: Endpoint,
        ways: Ways,
        draft: Draft,
        flow: Flow,
        authorizer: Callable[[], Authorizer] | None,
    ) -> Response:
        try:
            async with asyncio.timeout(ways.patience_s or None) as self._deadline:
                return await endpoint.request(
                    draft,
                    flow,
                    on_provisional=self._hear,
                    authorizer=authorizer() if authorizer is not None else None,
                )
        except TimeoutError:
            return Response(408, reason_phrase(408), {})

    def _hear(self, response: Response) -> None:
        self.heard = True
        if self._deadline is not None:
            self._deadline.reschedule(None)
        if self._on_provisional is not None:
            self._on_provisional(response)
