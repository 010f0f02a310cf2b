"""Parties for link tests: an endpoint that calls, answers and notes what happens to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.link.memory_network import MemoryNetwork, Node
from trunkline.base.ids import NodeIds, TokenPool
from trunkline.net.flow import Flow
from trunkline.proto.sip.digest_client import Account, DigestClient
from trunkline.proto.sip.message import Request, Response
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.ua.challenges import Authorizer
from trunkline.ua.endpoint import Endpoint
from trunkline.ua.sessions import ClientSession, ServerSession, Session

SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


def make_endpoint(network: MemoryNetwork, host: str, transport: str = "udp", node_id: int = 0) -> Endpoint:
    """An endpoint on a host of its own, with repeatable entropy."""
    node: Node = network.node(host, transport=transport)
    entropy = network.random.randbytes
    ids = NodeIds(node_id, 0, TokenPool(entropy), key=b"i" * 16)
    endpoint = Endpoint(node, ids, network.loop, tag_key=b"k" * 16)
    node.receive = endpoint.receive
    return endpoint


def describe(host: str, *rows: str, port: int = 4000, version: int = 1, count: int = 1) -> bytes:
    """A description of ``count`` audio streams of a host, ``rows`` standing in each of them."""
    media = "".join(
        "\r\n".join(
            [f"m=audio {port + 2 * index} RTP/AVP 0 8 101", "a=rtpmap:101 telephone-event/8000", *rows]
        )
        + "\r\n"
        for index in range(count)
    )
    return f"v=0\r\no=- 7 {version} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n{media}".encode()


class Party:
    """A session user that writes down what it is told, and answers calls when asked to.

    It rings for ``rings_s`` seconds and answers with ``body``, unless ``answers`` is false, ``refuse_with`` a
    status, or ``on_invite`` does something else. A re-INVITE gets ``offer_answer``: a body, a status, or None
    for a test that answers itself.
    """

    methods = frozenset({"INVITE"})

    def __init__(
        self,
        network: MemoryNetwork,
        host: str,
        *,
        answers: bool = True,
        rings_s: float = 0.1,
        transport: str = "udp",
        account: Account | None = None,
        node_id: int = 0,
    ) -> None:
        self.endpoint = make_endpoint(network, host, transport, node_id)
        self.endpoint.set_doors([self])
        self.network = network
        self.host = host
        self.node = network.nodes[host, 5060]
        self.account = DigestClient(account) if account is not None else None
        self.answers = answers
        self.rings_s = rings_s
        self.body = SDP
        self.offer_answer: bytes | int | None = SDP
        self.session: Session | None = None
        self.said: list[str] = []
        self.changed = asyncio.Event()
        self.refuse_with = 0
        self.on_invite: Callable[[ServerSession], None] | None = None
        self.answer_with = 200
        self.answer_extra = ""
        self.requests: list[Request] = []
        self.invites: list[Request] = []
        self.heard: list[bytes] = []
        self.reasons: list[str | None] = []

    @property
    def dialogue(self) -> Session:
        """The session, which must be there."""
        assert self.session is not None
        return self.session

    @property
    def incoming(self) -> ServerSession:
        """The session as callee."""
        assert isinstance(self.session, ServerSession)
        return self.session

    # Door

    def claim(self, incoming: Incoming, flow: Flow) -> bool:
        session = ServerSession(self.endpoint, incoming, flow, self)
        self.session = session
        self.invites.append(incoming.request)
        self.heard.append(incoming.request.body)
        self._say("invited")
        if self.on_invite is not None:
            self.on_invite(session)
        elif self.refuse_with:
            session.refuse(self.refuse_with)
        else:
            session.progress(180)
            if self.answers:
                self.endpoint.loop.call_later(self.rings_s, session.answer, self.body)
        return True

    def call(self, host: str, user: str = "bob", body: bytes | None = None, **rest: Any) -> ClientSession:
        flow = self.node.flow_to("UDP", host, 5060)
        self.session = self.endpoint.invite(
            f"sip:{user}@{host}",
            flow,
            self,
            from_=rest.pop("from_", "<sip:alice@a.test>"),
            to=f"<sip:{user}@{host}>",
            body=self.body if body is None else body,
            authorizer=self.authorizer(),
            **rest,
        )
        assert isinstance(self.session, ClientSession)
        return self.session

    def authorizer(self) -> Authorizer | None:
        """For one request, when the party has an account."""
        if self.account is None:
            return None
        return Authorizer(self.account, lambda: self.endpoint.ids.pool.token(16))

    async def reoffer(self, body: bytes) -> tuple[int, bytes]:
        """Send a re-INVITE and return the status and body of its answer."""
        done: asyncio.Future[tuple[int, bytes]] = self.endpoint.loop.create_future()

        def tell(status: int, response: Response | None) -> None:
            if not done.done():
                done.set_result((status, response.body if response is not None else b""))

        self.dialogue.reoffer.send(body, tell, delayed=not body)
        return await asyncio.wait_for(done, 100)

    # SessionUser

    def on_provisional(self, session: Session, response: Response) -> None:
        if response.body:
            self.heard.append(response.body)
        self._say(str(response.status))

    def on_answered(self, session: Session, response: Response) -> None:
        self.heard.append(response.body)
        self._say("answered")

    def on_failed(self, session: Session, status: int, reason: str, response: Response | None) -> None:
        self._say(f"failed {status}")

    def on_cancelled(self, session: Session, request: Request) -> None:
        self.reasons.append(request.headers.get("Reason"))
        self._say("cancelled")

    def on_acknowledged(self, session: Session, ack: Request) -> None:
        if ack.body:
            self.heard.append(ack.body)
        self._say("acknowledged")

    def on_request(self, session: Session, incoming: Incoming) -> None:
        self.requests.append(incoming.request)
        incoming.respond(self.answer_with, extra=self.answer_extra, now=self.endpoint.now())

    def on_offer(self, session: Session, incoming: Incoming) -> None:
        self.heard.append(incoming.request.body)
        self._say("offered")
        if isinstance(self.offer_answer, int):
            session.reoffer.refuse(self.offer_answer)
        elif self.offer_answer is not None:
            session.reoffer.answer(self.offer_answer)

    def on_refresh(self, session: Session) -> None:
        self._say("refreshes")
        session.reoffer.send(self.body, self._refreshed)

    def _refreshed(self, status: int, response: Response | None) -> None:
        if self.dialogue.timer is not None:
            self.dialogue.timer.refreshed(status, response)

    def on_offer_withdrawn(self, session: Session) -> None:
        self._say("offer withdrawn")

    def on_ended(self, session: Session, code: str, request: Request | None) -> None:
        self.reasons.append(request.headers.get("Reason") if request is not None else None)
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
