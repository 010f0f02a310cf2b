"""A NOTIFY too large for a datagram, over real sockets (RFC 3261 §18.1.1, RFC 6665 §4.2.2)."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.watching import Dialogs
from tests.loopback.socket_parties import DEADLINE_S, SocketParty, socket_party
from tests.peers.ports import free_ports
from trunkline.net.flow import Flow
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.events import Event
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.ua.subscriptions import Notifier, NotifierPolicy, View, Watch

pytestmark = [
    pytest.mark.rule("T-38"),
    pytest.mark.rule("T-29"),
    pytest.mark.rfc("3261", "18.1.1"),
]


class Lists:
    """A package whose documents are long, and a door that lets everybody watch."""

    event = "list"
    content_type = "text/plain"
    methods = frozenset({"SUBSCRIBE"})

    def __init__(self, party: SocketParty) -> None:
        self.notifier = Notifier(
            party.endpoint, [self], NotifierPolicy(), lambda _subscription, _incoming: True
        )
        party.endpoint.set_doors([party, self])

    def claim(self, incoming: Incoming, flow: Flow) -> bool:
        self.notifier.subscribe(incoming, flow, Event("list"), Watch("t", "1001", "1002", "a.test"))
        return True

    def has_news(self, subscription: View) -> bool:
        return True

    def compose(self, subscription: View) -> bytes:
        return b"one line of a long list\r\n" * 400


class Subscriber:
    """A phone."""

    def __init__(self, party: SocketParty, port: int) -> None:
        self.party = party
        self.port = port
        self.call_id = party.endpoint.ids.call_id()
        self.heard: asyncio.Queue[Request] = asyncio.Queue()
        party.endpoint.subscriptions = Dialogs({self.call_id: self})

    def receive(self, incoming: Incoming) -> None:
        incoming.begin()
        incoming.respond(200)
        self.heard.put_nowait(incoming.request)

    async def fetch(self) -> Request:
        """Ask for the state once; the NOTIFY that brings it."""
        flow = self.party.sockets.flow_to("UDP", "127.0.0.1", self.port)
        uri = f"sip:1002@127.0.0.1:{self.port}"
        draft = Draft(
            "SUBSCRIBE",
            uri,
            "<sip:1001@a.test>;tag=mine",
            f"<{uri}>",
            self.call_id,
            1,
            contact=self.party.endpoint.contact(flow),
            extra="Event: list\r\nExpires: 0\r\n",
        )
        assert (await self.party.endpoint.request(draft, flow)).status == 200
        async with asyncio.timeout(DEADLINE_S):
            return await self.heard.get()


@pytest.mark.parametrize(("listens", "way"), [(("udp", "tcp"), "TCP"), (("udp",), "UDP")])
async def test_it_goes_by_tcp_where_the_phone_listens_and_else_by_udp(
    listens: tuple[str, ...], way: str
) -> None:
    ports = free_ports(2)
    async with (
        socket_party(f"udp:127.0.0.1:{ports}", f"tcp:127.0.0.1:{ports}") as exchange,
        socket_party(*(f"{one}:127.0.0.1:{ports + 1}" for one in listens)) as phone,
    ):
        lists = Lists(exchange)
        notify = await Subscriber(phone, ports).fetch()
        assert len(notify.body) == 10_000
        assert notify.headers["Subscription-State"] == "terminated;reason=timeout"
        assert phone.sockets.ways("NOTIFY") == [way]
        async with asyncio.timeout(DEADLINE_S):
            while lists.notifier.count:  # noqa: ASYNC110  (the last answer is on its way)
                await asyncio.sleep(0.005)
