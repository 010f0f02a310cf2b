"""A phone in a few lines: sends requests over any stream, answers challenges, hands up what comes."""

from __future__ import annotations

import asyncio
import itertools

from tests.loopback.net.kit import DEADLINE_S, Peer, TlsPeer, WebPeer
from trunkline.proto.sip.digest_client import Account, DigestClient
from trunkline.proto.sip.draft import Draft, render_response
from trunkline.proto.sip.message import Request, Response, parse_message
from trunkline.proto.sip.stream import Event, Ping, StreamFramer
from trunkline.ua.challenges import Authorizer

OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)
_numbers = itertools.count(1)


class RawPhone:
    """``user`` of pbx.test over ``stream``; ``via`` is transport and sent-by, ``contact`` its Contact."""

    def __init__(self, stream: Peer | TlsPeer | WebPeer, user: str, via: str, contact: str) -> None:
        self.stream = stream
        self.user = user
        self.via = via
        self.contact = contact
        self._digest = DigestClient(Account(user, f"secret of {user}"))
        self._framer = StreamFramer()
        self._waiting: list[Event] = []

    async def request(self, method: str, uri: str, extra: str = "", body: bytes = b"") -> Response:
        """The final response, after challenges; INVITEs are not acknowledged."""
        own = f"<sip:{self.user}@pbx.test>"
        to = own if method == "REGISTER" else f"<{uri}>"
        draft: Draft | None = Draft(
            method, uri, f"{own};tag={next(_numbers)}", to, f"call-{next(_numbers)}", 1,
            contact=self.contact, extra=extra, body=body,
        )  # fmt: skip
        authorizer = Authorizer(self._digest, lambda: f"c{next(_numbers)}")
        response = None
        while draft is not None:
            await self.send(draft.render(f"SIP/2.0/{self.via};branch=z9hG4bK{next(_numbers)};rport"))
            response = await self.response()
            draft = authorizer.answer(draft, response)
        assert response is not None
        return response

    async def response(self) -> Response:
        """The next final response."""
        while True:
            message = await self.message()
            if isinstance(message, Response) and message.status >= 200:
                return message

    async def asked(self, method: str) -> Request:
        """The next request of this method."""
        while True:
            message = await self.message()
            if isinstance(message, Request) and message.method == method:
                return message

    async def within(self, established: Request | Response, method: str) -> None:
        """Send a request of the dialog that an INVITE with its 200 (as caller), or an INVITE (as callee), began."""
        headers = established.headers
        near, far = headers["From"], headers["To"]
        number = established.cseq[0]
        if isinstance(established, Request):
            near, far = f"{far};tag=theirs", near
        target = headers["Contact"].partition("<")[2].partition(">")[0]
        number += method != "ACK"
        draft = Draft(method, target, near, far, established.call_id, number, contact=self.contact)
        await self.send(draft.render(f"SIP/2.0/{self.via};branch=z9hG4bK{next(_numbers)};rport"))

    async def answer(self, request: Request, status: int) -> None:
        await self.send(render_response(request, status, to_tag="theirs"))

    async def message(self) -> Request | Response:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                while self._waiting:
                    event = self._waiting.pop(0)
                    if not isinstance(event, Ping):
                        return parse_message(event)
                data = await self.stream.receive()
                assert data, "the connection ended"
                self._waiting += [data] if isinstance(self.stream, WebPeer) else self._framer.feed(data)

    async def send(self, data: bytes) -> None:
        await self.stream.send(data)
