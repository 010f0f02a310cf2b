"""Somebody else's exchange in front of which the gateway stands: it registers accounts, and calls them."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Self, cast

from bench.mobile_gateway import REGISTRAR
from bench.plan import DOMAIN, SERVER

_BUFFER: Final = 8 << 20
_header = re.compile(
    rb"^(Via|From|To|Call-ID|CSeq|Contact|Authorization|Expires)[ \t]*:[ \t]*(.*?)\r$", re.MULTILINE
)
_expires = re.compile(rb";expires=(\d+)").search
_nonce = re.compile(rb'nonce="(\d+)"').search
_uri = re.compile(rb"<([^>]*)>").search
SDP: Final = (
    "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\n"
    "m=audio {1} RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
)


@dataclass(slots=True)
class Calling:
    """One call to an app. Times are the loop's; ``status`` is the final one, 0 while there is none."""

    call_id: str
    contact: str
    user: str
    asked_at: float
    pushed_at: float = 0.0
    over_at: float = 0.0
    token: str = ""
    status: int = 0
    to: str = ""
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def head(self, method: str, number: int = 1, *, uri: str = "", branch: str = "") -> str:
        """A request of its dialog as far as Contact."""
        return (
            f"{method} {uri or self.contact} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {REGISTRAR};branch=z9hG4bK{self.call_id}{branch};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:1001@{DOMAIN}>;tag=f{self.call_id}\r\n"
            f"To: {self.to or f'<sip:{self.user}@{DOMAIN}>'}\r\nCall-ID: {self.call_id}\r\nCSeq: {number} {method}\r\n"
        )


class OtherExchange(asyncio.DatagramProtocol):
    """``challenges`` each REGISTER anew, or none; grants ``expires_s``. Calls are cancelled when they ring, unless
    ``talks``: then they are hung up after their answer, unless it ``holds`` them."""

    def __init__(
        self, *, challenges: bool = False, expires_s: int = 3600, talks: bool = False, holds: bool = False
    ) -> None:
        self.challenges = challenges
        self.expires_s = expires_s
        self.talks = talks
        self.holds = holds
        self.contacts: dict[str, str] = {}
        self.registered = 0
        """REGISTERs that were granted."""
        self.calls: dict[str, Calling] = {}
        self.on_grant: Callable[[], None] = lambda: None
        self._nonce = 0
        self._open: set[bytes] = set()
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def open(
        cls, *, challenges: bool = False, expires_s: int = 3600, talks: bool = False, holds: bool = False
    ) -> Self:
        """Listen at `REGISTRAR`."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        sock.bind(REGISTRAR)
        made = cls(challenges=challenges, expires_s=expires_s, talks=talks, holds=holds)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: made, sock=sock)
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the socket is there."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def close(self) -> None:
        """Listen no more."""
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        """asyncio: the gateway says something."""
        said = dict(_header.findall(data.partition(b"\r\n\r\n")[0] + b"\r\n"))
        if data.startswith(b"SIP/2.0 "):
            self._answered(int(data[8:11]), said)
        elif data.startswith(b"REGISTER"):
            self._register(said)
        elif b"Via" in said and not data.startswith(b"ACK"):
            self._answer(b"200 OK", said)

    def _send(self, message: str | bytes) -> None:
        if self._transport is not None:
            self._transport.sendto(message.encode() if isinstance(message, str) else message, SERVER)

    def _answer(self, status: bytes, said: dict[bytes, bytes], more: bytes = b"") -> None:
        self._send(
            b"SIP/2.0 %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s;tag=b\r\nCall-ID: %s\r\nCSeq: %s\r\n%s"
            b"Content-Length: 0\r\n\r\n"
            % (status, said[b"Via"], said[b"From"], said[b"To"], said[b"Call-ID"], said[b"CSeq"], more)
        )

    def _register(self, said: dict[bytes, bytes]) -> None:
        credentials = said.get(b"Authorization", b"")
        shown = _nonce(credentials)
        if self.challenges and (shown is None or shown[1] not in self._open):
            self._nonce += 1
            self._open.add(b"%d" % self._nonce)
            stale = b", stale=true" if credentials else b""
            asked = b'WWW-Authenticate: Digest realm="bench", nonce="%d", algorithm=MD5, qop="auth"%s\r\n'
            self._answer(b"401 Unauthorized", said, asked % (self._nonce, stale))
            return
        if shown is not None:
            self._open.discard(shown[1])  # a nonce is good once
        contact = said.get(b"Contact", b"")
        asked_for, uri = _expires(contact), _uri(contact)
        seconds = min(self.expires_s, int(asked_for[1])) if asked_for else self.expires_s
        self._answer(
            b"200 OK", said, b"Contact: %s;expires=%d\r\n" % (contact.partition(b";expires")[0], seconds)
        )
        found = _uri(said[b"To"])
        if seconds and uri and found:
            self.registered += 1
            self.contacts[found[1].decode()[4:].partition("@")[0]] = uri[1].decode()
            self.on_grant()

    # Calls

    def call(self, call_id: str, user: str) -> Calling:
        """Send an INVITE to an account's contact."""
        made = Calling(call_id, self.contacts[user], user, asyncio.get_running_loop().time())
        self.calls[call_id] = made
        body = SDP.format(REGISTRAR.ip, 40000)
        contact = f"Contact: <sip:1001@{REGISTRAR}>\r\nContent-Type: application/sdp\r\n"
        self._send(f"{made.head('INVITE')}{contact}Content-Length: {len(body)}\r\n\r\n{body}")
        return made

    def _answered(self, status: int, said: dict[bytes, bytes]) -> None:
        _, method = said[b"CSeq"].decode().split()
        one = self.calls.get(said[b"Call-ID"].decode())
        if one is None or method == "CANCEL":
            return
        if method == "BYE":
            self._over(one)
        elif status < 200:
            if status > 100 and not self.talks and not one.status:
                one.status = 1  # it rings, and is given up
                self._request(one, "CANCEL")
        elif method == "INVITE":
            self._final(one, status, said)

    def _final(self, one: Calling, status: int, said: dict[bytes, bytes]) -> None:
        known, one.status, one.to = one.status > 1, status, said[b"To"].decode()
        if status >= 300:
            self._request(one, "ACK")
            self._over(one)
            return
        found = _uri(said.get(b"Contact", b""))
        if found:
            one.contact = found[1].decode()
        self._request(one, "ACK", branch="a")
        if not known and not self.holds:
            self._request(one, "BYE", 2, branch="b")

    def _request(self, one: Calling, method: str, number: int = 1, branch: str = "") -> None:
        self._send(f"{one.head(method, number, branch=branch)}Content-Length: 0\r\n\r\n")

    def _over(self, one: Calling) -> None:
        self.calls.pop(one.call_id, None)
        one.over_at = asyncio.get_running_loop().time()
        one.done.set()
