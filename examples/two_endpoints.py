"""Two SIP endpoints call each other over UDP on loopback: the ``ua`` layer alone, without an exchange.

    .venv/bin/python examples/two_endpoints.py

Each phone has sockets (``Net``), an endpoint, and one door that accepts every INVITE. Transactions, dialogs,
retransmissions and the ACK are the endpoint's business.
"""

from __future__ import annotations

import asyncio
import os

from trunkline.base.ids import NodeIds
from trunkline.net import Flow, Listener, Net
from trunkline.proto.sip.message import Request, Response
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.ua.endpoint import Endpoint
from trunkline.ua.sessions import ServerSession, Session, SessionUser

SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
DEADLINE_S = 5.0


class Phone(SessionUser):
    """A phone that answers at once and says what happens to it."""

    methods = frozenset({"INVITE"})

    def __init__(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        self.name = name
        self.net = Net(loop, self._receive)
        self.endpoint = Endpoint(self.net, NodeIds(), loop, tag_key=os.urandom(16))
        self.endpoint.set_doors([self])
        self.talking = asyncio.Event()
        self.over = asyncio.Event()

    def _receive(self, data: bytes, flow: Flow) -> None:
        self.endpoint.receive(data, flow)

    async def start(self) -> int:
        """Bind to any free port and return it."""
        listener = Listener("udp:127.0.0.1:0")
        await self.net.start([listener])
        return listener.port

    async def stop(self) -> None:
        """Close the socket and the timer."""
        await self.net.stop()
        self.endpoint.close()

    def say(self, what: str) -> None:
        """Print a line in the phone's name."""
        print(f"{self.name:<6} {what}")

    def call(self, port: int) -> Session:
        """Invite whoever listens on ``port``."""
        flow = self.net.flow_to("UDP", "127.0.0.1", port)
        target = f"sip:bob@127.0.0.1:{port}"
        return self.endpoint.invite(
            target, flow, self, from_=f"<sip:{self.name}@127.0.0.1>", to=f"<{target}>", body=SDP
        )

    # The door: what comes in from outside.

    def claim(self, incoming: Incoming, flow: Flow) -> bool:
        """Take an INVITE: ring and answer."""
        session = ServerSession(self.endpoint, incoming, flow, self)
        self.say(f"is called by {incoming.request.headers['From'].partition(';')[0]}")
        session.progress(180)
        session.answer(SDP)
        return True

    # What sessions tell.

    def on_provisional(self, session: Session, response: Response) -> None:
        self.say(f"hears {response.status} {response.reason}")

    def on_answered(self, session: Session, response: Response) -> None:
        self.say(f"hears {response.status} {response.reason}, the ACK is sent")
        self.talking.set()

    def on_acknowledged(self, session: Session, ack: Request | None) -> None:
        self.say("has the ACK: the call is up")
        self.talking.set()

    def on_failed(self, session: Session, status: int, reason: str, response: Response | None) -> None:
        self.say(f"cannot call: {status} {reason}")

    def on_cancelled(self, session: Session, request: Request) -> None:
        self.say("was called, but the caller gave up")

    def on_offer(self, session: Session, incoming: Incoming) -> None:
        session.reoffer.answer(SDP)

    def on_offer_withdrawn(self, session: Session) -> None:
        self.say("keeps the session as it was")

    def on_refresh(self, session: Session) -> None:
        """Nobody has agreed on a session timer: ``Endpoint.set_session_timers`` would let them."""

    def on_request(self, session: Session, incoming: Incoming) -> None:
        incoming.respond(405, extra=self.endpoint.capabilities)

    def on_ended(self, session: Session, code: str, request: Request | None) -> None:
        self.say(f"the call is over ({code})")
        self.over.set()


async def main() -> None:
    """One call from alice to bob, hung up by alice."""
    alice, bob = Phone("alice"), Phone("bob")
    await alice.start()
    port = await bob.start()
    try:
        async with asyncio.timeout(DEADLINE_S):
            session = alice.call(port)
            await alice.talking.wait()
            await bob.talking.wait()
            session.hang_up()
            await bob.over.wait()
            await alice.over.wait()
    finally:
        await alice.stop()
        await bob.stop()


if __name__ == "__main__":
    asyncio.run(main())
