"""A whole exchange in this process, and a phone that calls its echo service with real audio packets.

    .venv/bin/python examples/echo_call.py

The exchange keeps its data in a temporary folder and listens on free ports of loopback. The phone sends a
counted RTP packet every 20 ms, and the media engine sends each of them back. At the end stands the story of
the call, as ``trunkline explain CALL-ID`` prints it.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import struct
import tempfile
from pathlib import Path

from trunkline.app.addresses import host_addresses
from trunkline.app.exchange import Exchange
from trunkline.app.settings import Settings
from trunkline.app.settings.file import complete
from trunkline.base.ids import NodeIds
from trunkline.media.offer_answer import streams_of
from trunkline.model.extension import NewExtension
from trunkline.model.record import CallRecord
from trunkline.model.tenant import SystemScope, TenantScope
from trunkline.net import Flow, Listener, Net
from trunkline.proto.sip.digest_client import Account, DigestClient
from trunkline.proto.sip.message import Request, Response
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.store.store import Store
from trunkline.ua.challenges import Authorizer
from trunkline.ua.endpoint import Endpoint
from trunkline.ua.sessions import Session, SessionUser

PACKETS = 10
PACKET_S = 0.02
DEADLINE_S = 10.0
SETTINGS = {"domain": "example.test", "sip": {"listen": ["udp:127.0.0.1:0"]}, "metrics": {"listen": "off"}}


class AudioSocket(asyncio.DatagramProtocol):
    """RTP on loopback: collects the payloads that come in (RFC 3550 §5.1: after a header of 12 bytes)."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.enough = asyncio.Event()

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        self.heard.append(data[12:])
        if len(self.heard) == PACKETS:
            self.enough.set()


class Phone(SessionUser):
    """Calls one number, waits for the answer, hangs up."""

    def __init__(self, number: str, password: str) -> None:
        loop = asyncio.get_running_loop()
        self.number = number
        self.digest = DigestClient(Account(number, password))
        self.net = Net(loop, self._receive)
        self.endpoint = Endpoint(self.net, NodeIds(), loop, tag_key=os.urandom(16))
        self.answer: asyncio.Future[bytes] = loop.create_future()
        self.over = asyncio.Event()

    def _receive(self, data: bytes, flow: Flow) -> None:
        self.endpoint.receive(data, flow)

    def call(self, number: str, exchange_port: int, audio_port: int) -> Session:
        """Invite ``number``; the challenge that comes back is answered with the password."""
        sdp = (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {audio_port} RTP/AVP 0\r\n"
        )
        return self.endpoint.invite(
            f"sip:{number}@example.test",
            self.net.flow_to("UDP", "127.0.0.1", exchange_port),
            self,
            from_=f"<sip:{self.number}@example.test>",
            to=f"<sip:{number}@example.test>",
            body=sdp.encode(),
            authorizer=Authorizer(self.digest, lambda: secrets.token_hex(8)),
        )

    def on_answered(self, session: Session, response: Response) -> None:
        self.answer.set_result(response.body)

    def on_failed(self, session: Session, status: int, reason: str, response: Response | None) -> None:
        self.answer.set_exception(ConnectionError(f"the call failed: {status} {reason}"))

    def on_provisional(self, session: Session, response: Response) -> None:
        """Ringing: nobody looks."""

    def on_acknowledged(self, session: Session, ack: Request | None) -> None:
        """Of calls that come in; this phone has no door."""

    def on_cancelled(self, session: Session, request: Request) -> None:
        """Likewise."""

    def on_offer(self, session: Session, incoming: Incoming) -> None:
        session.reoffer.refuse(488)

    def on_offer_withdrawn(self, session: Session) -> None:
        """It was refused at once."""

    def on_refresh(self, session: Session) -> None:
        """Nobody has agreed on a session timer: ``Endpoint.set_session_timers`` would let them."""

    def on_request(self, session: Session, incoming: Incoming) -> None:
        incoming.respond(405, extra=self.endpoint.capabilities)

    def on_ended(self, session: Session, code: str, request: Request | None) -> None:
        self.over.set()


async def talk(phone: Phone, exchange_port: int) -> int:
    """Call the echo service, send the packets, hang up; returns how many came back as they were sent."""
    loop = asyncio.get_running_loop()
    transport, audio = await loop.create_datagram_endpoint(AudioSocket, local_addr=("127.0.0.1", 0))
    try:
        session = phone.call("9196", exchange_port, transport.get_extra_info("sockname")[1])
        (stream,) = streams_of(await phone.answer)
        sent = [bytes([number]) * 160 for number in range(PACKETS)]
        for number, payload in enumerate(sent):
            header = struct.pack("!BBHII", 0x80, 0, number, number * 160, 0x1234)
            transport.sendto(header + payload, (stream.address, stream.port))
            await asyncio.sleep(PACKET_S)
        await audio.enough.wait()
        session.hang_up()
        await phone.over.wait()
        return sum(payload in audio.heard for payload in sent)
    finally:
        transport.close()


async def call_through(exchange: Exchange, password: str) -> None:
    """One call through a running exchange."""
    (listener,) = exchange.net.listeners
    phone = Phone("1001", password)
    await phone.net.start([Listener("udp:127.0.0.1:0")])
    try:
        async with asyncio.timeout(DEADLINE_S):
            echoed = await talk(phone, listener.port)
        print(f"{echoed} of {PACKETS} packets came back")
    finally:
        await phone.net.stop()
        phone.endpoint.close()


def print_story(record: CallRecord) -> None:
    """The steps that led the call where it went."""
    print(f"{record.caller} called {record.callee}: {record.status} {record.reason} ({record.code})")
    for step in record.story:
        print(f"{step['ms']:>7} ms  {step['code']:<16}  {step['text']}")


async def main() -> None:
    """Make the exchange, carry the call, look at its record."""
    settings = complete(Settings.model_validate(SETTINGS), host_addresses())
    password = secrets.token_urlsafe(12)
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder)) as store:
        tenant = TenantScope(store.tenants.list(SystemScope("an example's only tenant"))[0].id)
        store.extensions.import_many(tenant, [NewExtension("1001", password, "Anna")])
        exchange = Exchange(settings, store, Path(folder))
        await exchange.start()
        try:
            await call_through(exchange, password)
        finally:
            await exchange.stop(grace_s=2)
        print_story(store.records.list(tenant, limit=1)[0])


if __name__ == "__main__":
    asyncio.run(main())
