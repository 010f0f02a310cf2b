"""Parties for link tests: an endpoint that calls, answers and notes what happens to it."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.link.memory_network import MemoryNetwork, Node
from trunkline.base.ids import NodeIds, TokenPool
from trunkline.net.flow import Flow
from trunkline.proto.sip.message import Request, Response
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.ua.endpoint import Endpoint
from trunkline.ua.sessions import ClientSession, ServerSession, Session

SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


def make_endpoint(network: MemoryNetwork, host: str, transport: str = "udp", node_id: int = 0) -> Endpoint:
    """An endpoint on a host of its own, with repeatable entropy."""
    node: Node = network.node(host, transport=transport)
    entropy = network.random.randbytes
    endpoint = Endpoint(node, NodeIds(node_id, 0, TokenPool(entropy)), network.loop, tag_key=b"k" * 16)
    node.receive = endpoint.receive
    return endpoint


class Party:
    """A session user that writes down what it is told, and answers calls when asked to."""

    methods = frozenset({"INVITE"})

    def __init__(
        self,
        network: MemoryNetwork,
        host: str,
        *,
        answers: bool = True,
        rings_s: float = 0.1,
        transport: str = "udp",
    ) -> None:
        self.endpoint = make_endpoint(network, host, transport)
        self.endpoint.set_doors([self])
        self.network = network
        self.node = network.nodes[host, 5060]
        self.answers = answers
        self.rings_s = rings_s
        self.session: Session | None = None
        self.said: list[str] = []
        self.changed = asyncio.Event()
        self.refuse_with = 0
        self.requests: list[Request] = []

    # Door

    def claim(self, incoming: Incoming, flow: Flow) -> bool:
        session = ServerSession(self.endpoint, incoming, flow, self)
        self.session = session
        self._say("invited")
        if self.refuse_with:
            session.refuse(self.refuse_with)
            return True
        session.progress(180)
        if self.answers:
            self.endpoint.loop.call_later(self.rings_s, session.answer, SDP)
        return True

    def call(self, host: str, user: str = "bob", body: bytes = SDP, **rest: Any) -> ClientSession:
        flow = self.node.flow_to("UDP", host, 5060)
        self.session = self.endpoint.invite(
            f"sip:{user}@{host}",
            flow,
            self,
            from_="<sip:alice@a.test>",
            to=f"<sip:{user}@{host}>",
            body=body,
            **rest,
        )
        assert isinstance(self.session, ClientSession)
        return self.session

    # SessionUser

    def on_provisional(self, session: Session, response: Response) -> None:
        self._say(str(response.status))

    def on_answered(self, session: Session, response: Response) -> None:
        self._say("answered")

    def on_failed(self, session: Session, status: int, reason: str, response: Response | None) -> None:
        self._say(f"failed {status}")

    def on_cancelled(self, session: Session, request: Request) -> None:
        self._say("cancelled")

    def on_acknowledged(self, session: Session, ack: Request | None) -> None:
        self._say("acknowledged")

    def on_request(self, session: Session, incoming: Incoming) -> None:
        self.requests.append(incoming.request)
        incoming.respond(200, now=self.endpoint.now())

    def on_offer(self, session: Session, incoming: Incoming) -> None:
        self._say("offered")
        session.reoffer.answer(SDP)

    def on_ended(self, session: Session, code: str, request: Request | None) -> None:
        self._say(f"ended {code}")

    def _say(self, what: str) -> None:
        self.said.append(what)
        self.changed.set()

    async def until(self, what: str, within_s: float = 300.0) -> None:
        """Wait, in the loop's time, until this was said."""
        async with asyncio.timeout(within_s):
            while what not in self.said:
                self.changed.clear()
                await self.changed.wait()


def is_silent(endpoint: Endpoint) -> bool:
    """Nothing is left: no transaction, session or timer."""
    return not (endpoint.layer.clients or endpoint.layer.servers or endpoint.sessions or endpoint.wheel.count)
