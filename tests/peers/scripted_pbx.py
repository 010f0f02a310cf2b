"""A PBX in this process: a registrar that counts contacts, a caller and a callee that do what a test says.

It speaks SIP by text of its own, over UDP or TCP, and knows its transactions: it repeats what gets no answer, and
acknowledges each final response to its INVITEs unless it is told not to.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.peers.ports import free_ports

HOST = "127.0.0.1"
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
ALLOW = "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE\r\n"
T1 = 0.5
T2 = 2.0  # half of what RFC 3261 says, for a test waits for it
PATIENCE = 128 * T1  # and twice of what it says: who listens may be started anew meanwhile
Reply = Callable[[bytes], None]
_numbers = itertools.count(1)
_TAG = re.compile(r";tag=([^;>\s]+)")
_URI = re.compile(r"<([^>]+)>")


class Message:
    """One request or response, as text."""

    def __init__(self, data: bytes) -> None:
        head, _, body = data.decode("utf-8", "replace").partition("\r\n\r\n")
        self.start, *lines = head.split("\r\n")
        self.lines = [
            (name.strip().lower(), value.strip()) for name, _, value in (x.partition(":") for x in lines)
        ]
        self.body = body

    def __getitem__(self, name: str) -> str:
        return next((value for key, value in self.lines if key == name), "")

    @property
    def status(self) -> int:
        """0 for a request."""
        return int(self.start.split()[1]) if self.start.startswith("SIP/") else 0

    @property
    def method(self) -> str:
        """A request's, or the one that is answered."""
        return self["cseq"].split()[1] if self.status else self.start.split()[0]

    @property
    def branch(self) -> str:
        return self["via"].partition("branch=")[2].partition(";")[0]

    def tag(self, header: str) -> str:
        found = _TAG.search(self[header])
        return found[1] if found else ""


class Dialogue:
    """One call of the PBX. ``finals`` are the final responses to its INVITEs, ``asked`` the methods that came.

    ``acks``: final responses are acknowledged; ``mute``: it notes what comes, and says nothing; ``answers``: it says
    200 to a re-INVITE.
    """

    def __init__(self, pbx: ScriptedPbx, call_id: str = "") -> None:
        self.pbx = pbx
        self.call_id = call_id or f"pbx-{next(_numbers)}@{HOST}"
        self.tag, self.remote = f"t{next(_numbers)}", ""
        self.local_line = self.remote_line = self.target = ""
        self.cseq = next(_numbers)
        self.branch = ""
        self.acks = self.answers = True
        self.mute = self.over = self.up = False
        self.heard: list[Message] = []
        self.asked: list[str] = []
        self._invite: tuple[Message, Reply] | None = None

    @property
    def finals(self) -> list[Message]:
        return [one for one in self.heard if one.method == "INVITE" and one.status >= 200]

    def has(self, method: str, *statuses: int) -> bool:
        """Whether a response to this has come; any final one unless statuses are named."""
        return any(
            one.method == method and (one.status in statuses if statuses else one.status >= 200)
            for one in self.heard
        )

    # What it says

    def invite(self, contact: str) -> None:
        self.target = contact
        self.local_line, self.remote_line = f'"Carol" <sip:carol@{HOST}>;tag={self.tag}', f"<{contact}>"
        self.branch = self._request("INVITE", SDP)

    def invite_again(self, body: str) -> None:
        """A re-INVITE."""
        self.cseq += 1
        self.branch = self._request("INVITE", body)

    def bye(self) -> None:
        self.cseq += 1
        self.over = True
        self._request("BYE")

    def cancel(self) -> None:
        self._request("CANCEL", branch=self.branch)

    def answer(self) -> None:
        """As callee: 200, again and again until the ACK."""
        assert self._invite is not None
        request, reply = self._invite
        self.pbx.spawn(
            self._repeat(lambda: reply(self._response(request, 200, SDP)), lambda: self.up or self.over)
        )

    def ring(self) -> None:
        assert self._invite is not None
        self._invite[1](self._response(self._invite[0], 180))

    def _request(self, method: str, body: str = "", branch: str = "") -> str:
        branch = branch or f"z9hG4bK{next(_numbers)}{self.tag}"
        data = self._render(method, body, branch)
        wanted = (branch, method)

        def is_answered() -> bool:
            return any((one.branch, one.method) == wanted for one in self.heard)

        self.pbx.spawn(self._repeat(lambda: self.pbx.send(data), is_answered))
        return branch

    def _render(self, method: str, body: str, branch: str) -> bytes:
        pbx, kind = self.pbx, "Content-Type: application/sdp\r\n" if body else ""
        return (
            f"{method} {self.target} SIP/2.0\r\n"
            f"Via: SIP/2.0/{pbx.transport.upper()} {HOST}:{pbx.port};branch={branch};rport\r\n"
            f"From: {self.local_line}\r\nTo: {self.remote_line}\r\nCall-ID: {self.call_id}\r\n"
            f"CSeq: {self.cseq} {method}\r\nMax-Forwards: 70\r\n{pbx.contact}{ALLOW}{kind}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    async def _repeat(self, send: Callable[[], None], is_done: Callable[[], bool]) -> None:
        """RFC 3261 §17.1: until something comes back; over TCP once is enough."""
        wait, left = T1, PATIENCE
        while not is_done() and left > 0:
            send()
            with suppress(TimeoutError):
                await self.pbx.until(is_done, wait)
            if self.pbx.transport == "tcp":
                return
            left -= wait
            wait = min(2 * wait, T2)

    # What it hears

    def response(self, message: Message) -> None:
        self.heard.append(message)
        if self.mute or message.method != "INVITE" or message.status < 200:
            return
        if message.status < 300:
            self.remote, self.remote_line = message.tag("to"), message["to"]
            found = _URI.search(message["contact"])
            self.target = found[1] if found else self.target
        if not self.acks:
            return
        if message.status < 300:
            self.up = True
            self.pbx.send(self._render("ACK", "", f"z9hG4bK{next(_numbers)}ack"))
        else:
            self.over = self.over or not self.up
            line, self.remote_line = self.remote_line, message["to"]
            self.pbx.send(self._render("ACK", "", message.branch))
            self.remote_line = line

    def request(self, message: Message, reply: Reply) -> None:
        self.asked.append(message.method)
        if self.mute:
            return
        if message.method == "ACK":
            self.up = True
        elif message.method == "CANCEL":
            reply(self._response(message, 200))
            if self._invite is not None and not self.up:
                self.over = True
                self._invite[1](self._response(self._invite[0], 487))
        elif self.over:
            reply(self._response(message, 481))
        elif message.method == "BYE":
            self.over = True
            reply(self._response(message, 200))
        elif message.method == "INVITE" and not message.tag("to"):
            self._called(message, reply)
        elif message.method != "INVITE" or self.answers:
            reply(self._response(message, 200, SDP if message.method == "INVITE" else ""))

    def _called(self, message: Message, reply: Reply) -> None:
        self._invite = message, reply
        found = _URI.search(message["contact"])
        self.target = found[1] if found else ""
        self.local_line, self.remote_line = f"{message['to']};tag={self.tag}", message["from"]
        reply(self._response(message, 100))

    def _response(self, request: Message, status: int, body: str = "") -> bytes:
        return self.pbx.response(request, status, body, self.tag)


class ScriptedPbx(asyncio.DatagramProtocol):
    """``contacts`` maps each Contact to the Call-ID it came with; ``registered`` are (Call-ID, CSeq, Contact) of all
    REGISTERs that were taken."""

    def __init__(self, gateway_port: int, transport: str = "udp") -> None:
        self.gateway_port, self.transport, self.port = gateway_port, transport, free_ports(1)
        self.contacts: dict[str, str] = {}
        self.registered: list[tuple[str, int, str]] = []
        self.refused = 0  # REGISTERs that were challenged
        self.on_challenge: Callable[[], None] = lambda: None
        self.calls: dict[str, Dialogue] = {}
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._udp: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._tcp: asyncio.StreamWriter | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def contact(self) -> str:
        return f"Contact: <sip:carol@{HOST}:{self.port};transport={self.transport}>\r\n"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(lambda: self, (HOST, self.port))
        self._server = await asyncio.start_server(self._serve, HOST, self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        for writer in tuple(self._writers):
            writer.close()
        if self._server is not None:
            self._server.close()
        if self._udp is not None:
            self._udp.close()

    def call(self, user: str = "") -> Dialogue:
        """Call the one Contact that is registered."""
        (contact,) = self.contacts
        call = Dialogue(self)
        self.calls[call.call_id] = call
        call.invite(contact)
        return call

    async def called(self) -> Dialogue:
        """Wait for a call of the gateway's."""
        before = set(self.calls)
        await self.until(lambda: bool(set(self.calls) - before))
        return self.calls[(set(self.calls) - before).pop()]

    async def until(self, is_so: Callable[[], bool], within: float = 60.0) -> None:
        """Wait until something that came makes it so; TimeoutError."""
        async with asyncio.timeout(within):
            while not is_so():
                changed = self._changed
                await changed.wait()

    def spawn(self, work: asyncio._CoroutineLike[None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def response(self, request: Message, status: int, body: str, tag: str, extra: str = "") -> bytes:
        to = request["to"] if request.tag("to") or status == 100 else f"{request['to']};tag={tag}"
        vias = "".join(f"Via: {value}\r\n" for name, value in request.lines if name == "via")
        kind = "Content-Type: application/sdp\r\n" if body else ""
        return (
            f"SIP/2.0 {status} Said\r\n{vias}From: {request['from']}\r\nTo: {to}\r\nCall-ID: {request['call-id']}\r\n"
            f"CSeq: {request['cseq']}\r\n{extra or self.contact}{ALLOW}{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    # The wire

    def send(self, data: bytes) -> None:
        if self.transport == "udp":
            assert self._udp is not None
            self._udp.sendto(data, (HOST, self.gateway_port))
        else:
            self.spawn(self._send_by_tcp(data))

    async def _send_by_tcp(self, data: bytes) -> None:
        with suppress(OSError):
            if self._tcp is None or self._tcp.is_closing():
                reader, self._tcp = await asyncio.open_connection(HOST, self.gateway_port)
                self.spawn(self._serve(reader, self._tcp))
            self._tcp.write(data)
            await self._tcp.drain()

    def _answer_by_tcp(self, writer: asyncio.StreamWriter, answer: bytes) -> None:
        """RFC 3261 §18.2.2: by the connection that the request came by, else by another to where it came from."""
        if writer.is_closing():
            self.send(answer)
        else:
            writer.write(answer)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        udp = self._udp
        if udp is not None and data.strip():
            self._receive(data, lambda answer: udp.sendto(answer, addr))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).lstrip(b"\r\n")
                    if not head:
                        continue
                    size = re.search(rb"\r\ncontent-length\s*:\s*(\d+)", head, re.IGNORECASE)
                    body = await reader.readexactly(int(size[1]) if size else 0)
                    self._receive(head + body, lambda answer: self._answer_by_tcp(writer, answer))
        finally:
            self._writers.discard(writer)
            writer.close()

    def _receive(self, data: bytes, reply: Reply) -> None:
        message = Message(data)
        if message.status:
            if message["call-id"] in self.calls:
                self.calls[message["call-id"]].response(message)
        elif message.method == "REGISTER":
            self._register(message, reply)
        elif message["call-id"] in self.calls:
            self.calls[message["call-id"]].request(message, reply)
        elif message.method == "INVITE" and not message.tag("to"):
            call = self.calls[message["call-id"]] = Dialogue(self, message["call-id"])
            call.request(message, reply)
        elif message.method != "ACK":
            reply(self.response(message, 200 if message.method == "OPTIONS" else 481, "", "x"))
        self._changed.set()
        self._changed = asyncio.Event()

    def _register(self, message: Message, reply: Reply) -> None:
        if not message["authorization"]:
            self.refused += 1
            self.on_challenge()
            challenge = (
                f'WWW-Authenticate: Digest realm="{HOST}", nonce="n{next(_numbers)}", algorithm=MD5\r\n'
            )
            reply(self.response(message, 401, "", "r", challenge))
            return
        found = _URI.search(message["contact"])
        uri, seconds = found[1] if found else "", _expires(message)
        self.registered.append((message["call-id"], int(message["cseq"].split()[0]), uri))
        if seconds:
            self.contacts[uri] = message["call-id"]
        else:
            self.contacts.pop(uri, None)
        now = "".join(f"Contact: <{one}>;expires={seconds}\r\n" for one in self.contacts)
        reply(self.response(message, 200, "", "r", now or "Expires: 0\r\n"))


def _expires(message: Message) -> int:
    found = re.search(r"expires=(\d+)", message["contact"])
    return int(found[1] if found else message["expires"] or 3600)
