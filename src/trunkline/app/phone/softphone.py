"""The phone itself: sockets, endpoint and media engine of its own, beside whatever else runs on the machine."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import socket
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, Self

from trunkline import __version__
from trunkline.app.phone.account import PhoneAccount, PhoneOptions
from trunkline.app.phone.conversation import Conversation
from trunkline.app.phone.outcome import Outcome, PhoneExit, PhoneFailed
from trunkline.app.phone.registration import Registration
from trunkline.app.phone.telling import Tell, outcome_data
from trunkline.app.trace.facts import user_of
from trunkline.base.errors import TransportError
from trunkline.base.ids import NodeIds
from trunkline.media.embedded import EmbeddedMediaEngine, MediaSettings
from trunkline.net import Flow, Listener, Net, host_port
from trunkline.net.routes import source_address
from trunkline.net.tls.settings import SelfSigned, TlsSettings
from trunkline.proto.sip.digest_client import Account, DigestClient
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.ua.challenges import Authorizer
from trunkline.ua.endpoint import Endpoint
from trunkline.ua.sessions import ServerSession

NODE: Final = 255  # an exchange on the same machine has another number
MAX_CALLS: Final = 4
RTP_PORTS: Final = 64
RESOLVE_S: Final = 5.0
GOODBYE_S: Final = 3.0
_LOWEST_RTP, _HIGHEST_RTP = 30_000, 60_000


class Softphone:
    """Use it as ``async with Softphone(...) as phone``; entering raises PhoneFailed, ConfigError, MediaError.

    ``tell`` is told every event; ``on_incoming`` each call that comes in, once it rings. Without it calls are
    refused as busy (486), as are more than ``MAX_CALLS`` at a time.
    """

    methods = frozenset({"INVITE"})

    def __init__(self, account: PhoneAccount, options: PhoneOptions, tell: Tell) -> None:
        self.account = account
        self.options = options
        self.tell = tell
        self.loop = asyncio.get_running_loop()
        self.address = options.local
        self.codecs = options.codecs
        self.conversations: list[Conversation] = []
        self.on_incoming: Callable[[Conversation], None] | None = None
        self.fault: BaseException | None = None
        self._digest = DigestClient(Account(account.user, account.password))
        self._server: tuple[str, int] = ("", 0)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stack = AsyncExitStack()
        self.net: Net
        self.endpoint: Endpoint
        self.engine: EmbeddedMediaEngine
        self.registration: Registration | None = None

    # Life

    async def __aenter__(self) -> Self:
        async with self._stack:
            self._server = await self._resolve()
            self.address = self.options.local or source_address(self._server[0]) or ""
            if not self.address:
                raise PhoneFailed(f"no way leads to {self._server[0]}", PhoneExit.UNREACHABLE)
            await self._start_engine()
            await self._start_net()
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._goodbye()
        finally:
            await self._stack.aclose()

    async def _resolve(self) -> tuple[str, int]:
        """The server's first address of a family that ``local``, if given, has."""
        account = self.account
        wanted = socket.AF_UNSPEC
        if self.options.local:
            wanted = socket.AF_INET6 if ":" in self.options.local else socket.AF_INET
        try:
            async with asyncio.timeout(RESOLVE_S):
                found = await self.loop.getaddrinfo(
                    account.host.strip("[]"), account.port, type=socket.SOCK_DGRAM, family=wanted
                )
        except (OSError, TimeoutError, UnicodeError):
            raise PhoneFailed(f"the server {account.host} has no address", PhoneExit.UNREACHABLE) from None
        return str(found[0][4][0]), account.port

    async def _start_engine(self) -> None:
        # A range of its own, anywhere: an exchange, or another phone, may run on this machine.
        first = _LOWEST_RTP + 2 * secrets.randbelow((_HIGHEST_RTP - _LOWEST_RTP - RTP_PORTS) // 2)
        self.engine = EmbeddedMediaEngine(
            MediaSettings(address=self.address, first_port=first, last_port=first + RTP_PORTS - 1, workers=1)
        )
        await self.engine.start()
        self._stack.push_async_callback(self.engine.stop)

    async def _start_net(self) -> None:
        self.net = Net(self.loop, self._receive, tls=self._tls())
        ids = NodeIds(NODE)
        self.endpoint = Endpoint(
            self.net,
            ids,
            self.loop,
            tag_key=secrets.token_bytes(16),
            user_agent=f"Trunkline phone/{__version__}",
        )
        self.endpoint.set_doors([self])
        url = f"{self.account.transport.lower()}:{host_port(self.address, self.options.port)}"
        await self.net.start([Listener(url, node=ids.prefix, source="--port")])
        self._stack.push_async_callback(self.net.stop)
        self._stack.callback(self.endpoint.close)

    def _tls(self) -> TlsSettings | None:
        if self.account.transport != "TLS":
            return None
        # Our own listener wants a certificate, though nobody connects to a phone.
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="trunkline-phone-")))
        own = SelfSigned(folder / "phone.pem", (self.address,))
        return TlsSettings(ca=self.options.ca, self_signed=own, verify=self.options.verify)

    def _receive(self, data: bytes, flow: Flow) -> None:
        self.endpoint.receive(data, flow)

    async def _goodbye(self) -> None:
        """End calls and registration in the ordinary way, but do not wait long."""
        for conversation in list(self.conversations):
            conversation.hang_up()
        if self.registration is not None:
            await self.registration.end()
        try:
            async with asyncio.timeout(GOODBYE_S):
                for conversation in list(self.conversations):
                    await conversation.over.wait()
                while self.endpoint.sessions:  # noqa: ASYNC110  (sessions tell nobody when they are gone)
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pass
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine as a task that is kept until it ends."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fault = error
            self.tell("problem", text=f"{type(error).__name__}: {error}")

    # What it does

    async def register(self) -> None:
        """Register and stay so until the phone is left; raises PhoneFailed."""
        if self.registration is not None:
            return
        registration = Registration(self, self.options.expires_s)
        await registration.begin()
        self.registration = registration

    async def call(self, number: str) -> Conversation:
        """Begin a call; raises PhoneFailed when nothing can be sent, MediaError without a free port."""
        conversation = Conversation(self, number)
        self.conversations.append(conversation)
        try:
            await conversation.dial()
        except BaseException:
            self.conversations.remove(conversation)
            raise
        return conversation

    def flow(self) -> Flow:
        """The way to the server; raises PhoneFailed."""
        host, port = self._server
        name = self.account.host if self.account.transport == "TLS" else ""
        try:
            return self.net.flow_to(self.account.transport, host, port, server_name=_name(name))
        except TransportError as error:
            raise PhoneFailed(str(error), PhoneExit.UNREACHABLE) from None

    def authorizer(self) -> Authorizer:
        """Answers the challenges of one request."""
        return Authorizer(self._digest, lambda: self.endpoint.ids.pool.token(16))

    def closed(self, conversation: Conversation, outcome: Outcome) -> None:
        """A call is over."""
        if conversation in self.conversations:
            self.conversations.remove(conversation)
        self.tell("ended", **outcome_data(outcome))

    # Door

    def claim(self, incoming: Incoming, flow: Flow) -> bool:
        """Take a call in, from the server alone: strangers are not let through to a phone."""
        if flow.remote[0] != self._server[0]:
            incoming.respond(403)
            return True
        if self.on_incoming is None or len(self.conversations) >= MAX_CALLS:
            incoming.respond(486)
            return True
        conversation = Conversation(self, _caller(incoming))
        session = ServerSession(self.endpoint, incoming, flow, conversation)
        self.conversations.append(conversation)
        conversation.accept(incoming, session)
        self.on_incoming(conversation)
        return True


def _caller(incoming: Incoming) -> str:
    return user_of(incoming.request.headers.get("From", "")) or "anonymous"


def _name(host: str) -> str:
    """The name that the server's certificate must be for; none for an address, which must be in it itself."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host
    return ""
