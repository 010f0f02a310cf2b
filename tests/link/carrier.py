"""A registrar that we register to, and the registrations of ours, in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from tests.link.memory_network import MemoryFlow, MemoryNetwork, Node
from tests.link.phones import make_endpoint
from trunkline.base.errors import TransportError
from trunkline.model.client_registration import ClientRegistration
from trunkline.net.dns import Hop
from trunkline.net.flow import Flow
from trunkline.net.listener import Listener
from trunkline.proto.sip.challenge import Challenge
from trunkline.proto.sip.credentials import parse_credentials
from trunkline.proto.sip.digest import digest_response, ha1
from trunkline.proto.sip.digest_client import Account
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.name_addr import parse_contacts
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.uri import SipUri, parse_uri
from trunkline.ua.next_hops import NextHops
from trunkline.ua.registrations import Plan, Registration, RegistrationPolicy, Registrations

EPOCH = 1_790_000_000.0
OURS = "10.0.0.1"
PASSWORD = "correct horse"
REALM = "realm.test"
ID = "0123456789abcdef0123456789abcdef"


async def when(ready: Callable[[], object], step_s: float = 0.01, within_s: float = 80_000.0) -> None:
    """Wait, in the loop's time, until something is so; it is looked at each ``step_s``."""
    async with asyncio.timeout(within_s):
        while not ready():  # noqa: ASYNC110  (whoever is looked at tells nobody)
            await asyncio.sleep(step_s)


class Carrier:
    """A registrar at an address. ``answer_with`` overrides what a REGISTER gets: (status, header lines)."""

    methods = frozenset({"REGISTER", "OPTIONS"})

    def __init__(
        self, network: MemoryNetwork, host: str = "10.0.1.1", *, password: str = "", transport: str = "udp"
    ) -> None:
        self.endpoint = make_endpoint(network, host, transport)
        self.endpoint.set_doors([self])
        self.network = network
        self.host = host
        self.node = network.nodes[host, 5060]
        self.password = password
        self.status = 401
        self.algorithms: tuple[str, ...] = ("MD5",)
        self.realms: tuple[str, ...] = (REALM,)
        self.min_expires_s = 0
        self.most_s = 7200
        self.extra = ""
        self.grants: Callable[[int], int] = lambda asked: min(asked, self.most_s)
        self.answer_with: Callable[[Request], tuple[int, str] | None] = lambda _request: None
        self.asked: list[Request] = []
        self.at: list[float] = []
        self.contacts: dict[str, float] = {}
        self.nonce = 0
        self.fresh = True  # whether each challenge has a nonce of its own
        self.says_stale = True
        self.nonces: set[str] = set()
        self.counts: list[tuple[str, str]] = []

    @property
    def times(self) -> int:
        return len(self.asked)

    @property
    def last(self) -> Request:
        return self.asked[-1]

    def expires_of_last(self) -> int | None:
        """The expires of the one Contact of the last REGISTER."""
        return parse_contacts(self.last.headers["Contact"])[0].expires

    def has_been_asked(self, times: int) -> bool:
        """Whether so many REGISTERs have come."""
        return self.times >= times

    def claim(self, incoming: Incoming, flow: Flow) -> bool:
        request = incoming.request
        if request.method != "REGISTER":
            return False
        incoming.begin()
        self.asked.append(request)
        self.at.append(self.endpoint.now())
        status, extra = self.answer_with(request) or self._serve(request)
        incoming.respond(status, extra=extra)
        return True

    def _serve(self, request: Request) -> tuple[int, str]:
        contacts = parse_contacts(request.headers["Contact"])
        if self.password and not self._proven(request):
            return self.status, self._challenges(stale=False)
        asked = contacts[0].expires or 0
        if 0 < asked < self.min_expires_s:
            return 423, f"Min-Expires: {self.min_expires_s}\r\n"
        for contact in contacts:
            if contact.expires:
                self.contacts[contact.uri] = self.endpoint.now() + self.grants(contact.expires)
            else:
                self.contacts.pop(contact.uri, None)
        users = {contact.address.user for contact in contacts} | {"other"}  # the AOR's, and somebody else's
        rows = [
            f"<{uri}>;expires={round(until - self.endpoint.now())}"
            for uri, until in self.contacts.items()
            if parse_uri(uri).user in users
        ]
        listed = f"Contact: {', '.join(rows)}\r\n" if rows else ""
        return 200, listed + self.extra

    def _challenges(self, *, stale: bool) -> str:
        if self.fresh or not self.nonce:
            self.nonce += 1
        nonce = f"nonce{self.nonce}"
        self.nonces.add(nonce)
        name = "WWW-Authenticate" if self.status == 401 else "Proxy-Authenticate"
        return "".join(
            f"{name}: {Challenge(realm, nonce, algorithm, qops=('auth',), stale=stale).render()}\r\n"
            for realm in self.realms
            for algorithm in self.algorithms
        )

    def _proven(self, request: Request) -> bool:
        name = "Authorization" if self.status == 401 else "Proxy-Authorization"
        shown = [parse_credentials(one) for one in request.headers.get(name, "").split("\n") if one]
        proven = set()
        for one in shown:
            assert one is not None
            self.counts.append((one.nonce, one.nc))
            secret = ha1(one.username, one.realm, self.password, one.algorithm)
            right = digest_response(
                one.algorithm,
                secret,
                one.nonce,
                "REGISTER",
                one.uri,
                qop=one.qop,
                nc=one.nc,
                cnonce=one.cnonce,
            )
            if right == one.response and one.nonce in self.nonces:
                proven.add(one.realm)
        return proven >= set(self.realms)


class Connection(MemoryFlow):
    """A TCP flow that can break."""

    def __init__(self, node: Node, remote: tuple[str, int], listener: Listener, serial: int) -> None:
        super().__init__(node, remote, listener)
        self.closed = False
        self.serial = serial
        self.watchers: list[Callable[[Flow], None]] = []
        self.pings = 0
        self.pongs = True
        self.unheard = False

    @property
    def token(self) -> str:
        return f"{super().token}|{self.serial}"

    def send(self, data: bytes, on_failure: Any = None) -> None:
        if data == b"\r\n\r\n":
            self.pings += 1
            if self.pongs:
                asyncio.get_running_loop().call_later(0.02, setattr, self, "unheard", False)
        else:
            super().send(data, on_failure)

    def on_close(self, callback: Callable[[Flow], None]) -> None:
        if callback not in self.watchers:
            self.watchers.append(callback)

    def off_close(self, callback: Callable[[Flow], None]) -> None:
        if callback in self.watchers:
            self.watchers.remove(callback)

    def abort(self, reason: str) -> None:
        self.drop()

    def drop(self) -> None:
        """The peer has closed it."""
        self.closed = True
        for callback in list(self.watchers):
            callback(self)


class Office:
    """Our side: an endpoint at ``OURS`` with registrations, a journal in memory, dice that a test may load."""

    def __init__(self, network: MemoryNetwork | None = None, transport: str = "udp", seed: int = 1) -> None:
        self.loop = asyncio.get_running_loop()
        self.network = network or MemoryNetwork(self.loop)
        self.transport = transport
        self.hosts: dict[str, list[str]] = {}
        self.journal: dict[str, ClientRegistration] = {}
        self.random = random.Random(seed)  # noqa: S311  (a test's repeatable dice)
        self.words: list[str] = []
        self.connections: list[Connection] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.start()

    def start(self, **policy: float) -> None:
        """A new process: nothing is known but what the journal holds."""
        self.endpoint = make_endpoint(self.network, OURS, self.transport, node_id=1)
        self.registrations = Registrations(
            self.endpoint,
            NextHops(self, self.open, self.loop.time),
            wall=self.wall,
            spawn=self.spawn,
            journal=self,
            policy=RegistrationPolicy(**policy),
            dice=self.random.random,
        )
        self.registrations.on_change = lambda one: self.words.append(one.word)

    def kill(self) -> None:
        """kill -9: nothing is sent any more, nothing said goodbye."""
        self.network.nodes[OURS, 5060].silent_since = 0.0
        for one in list(self.registrations):
            self.endpoint.wheel.cancel(one)
            one.trial = None
        self.endpoint.close()
        self.endpoint.layer.clients.clear()

    def wall(self) -> float:
        return EPOCH + self.loop.time()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def open(
        self, transport: str, host: str, port: int, prefer: Listener | None = None, server_name: str = ""
    ) -> Flow:
        node = self.network.nodes[OURS, 5060]
        if transport != "TCP":
            return node.flow_to(transport, host, port)
        for one in self.connections:
            if one.remote == (host, port) and not one.closed:
                return one
        made = Connection(node, (host, port), node.listener_of("TCP"), len(self.connections))
        self.connections.append(made)
        return made

    async def locate(self, uri: SipUri) -> list[Hop]:
        kind = (uri.params.get("transport") or self.transport).upper()
        known = self.hosts.get(uri.host)
        if known is None:
            if not uri.host[0].isdigit():
                raise TransportError(f"{uri.host} has no address")
            return [Hop(kind, uri.host, uri.port or 5060, uri.host)]
        await asyncio.sleep(0)
        return [Hop(kind, address, 5060, uri.host) for address in known]

    def keep(self, registrations: Iterable[ClientRegistration]) -> None:
        self.journal |= {one.id: one for one in registrations}

    def forget(self, tenant: str, key: str) -> None:
        self.journal.pop(key, None)

    def plan(self, registrar: str = "sip:10.0.1.1", password: str = PASSWORD, **rest: Any) -> Plan:
        fields: dict[str, Any] = {
            "tenant": "t1",
            "id": ID,
            "owner": "test",
            "address": "sip:me@domain.test",
            "registrar": registrar,
            "account": Account("me-auth", password) if password else None,
        }
        return Plan(**(fields | rest))

    def register(self, registrar: str = "sip:10.0.1.1", **rest: Any) -> Registration:
        plan = self.plan(registrar, **rest)
        return self.registrations.add(plan, self.journal.get(plan.id))

    async def until(self, registration: Registration, word: str, within_s: float = 50_000.0) -> None:
        """Wait, in the loop's time, until a registration has this word."""
        await when(lambda: registration.word == word, within_s=within_s)

    def sent(self) -> list[bytes]:
        """All REGISTERs that left us."""
        return [data for _, by, _, data in self.network.log if by == OURS and data.startswith(b"REGISTER")]
