"""A stage for whole calls: a real exchange core between parties, with a fake media engine, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable

from tests.link.fake_media import FakeEngine
from tests.link.memory_network import MemoryNetwork, Weather
from tests.link.phones import Party, describe, is_silent, make_endpoint
from trunkline.base.errors import TransportError
from trunkline.call.call import Call, Script
from trunkline.call.context import CallContext
from trunkline.call.leg import LegKind
from trunkline.call.registry import Calls
from trunkline.call.target import Target
from trunkline.model.extension import Extension
from trunkline.model.record import CallRecord
from trunkline.model.tenant import Tenant
from trunkline.net.dns import Hop
from trunkline.pbx import scripts
from trunkline.pbx.directory import Directory, Entry
from trunkline.pbx.door import ExchangeDoor
from trunkline.pbx.refer_door import ReferDoor
from trunkline.pbx.route import Decision, Snapshot
from trunkline.proto.sip.digest_client import Account
from trunkline.proto.sip.nonce import Nonces
from trunkline.proto.sip.uri import SipUri
from trunkline.ua.authentication import Authenticator
from trunkline.ua.next_hops import NextHops

HOST = "10.0.0.100"
DOMAIN = "pbx.test"
PASSWORD = "correct horse battery"
EPOCH = 1_790_000_000.0  # what the wall clock shows when the loop's shows 0


class Remembering(Calls):
    """Calls, with all that ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Call] = []

    def add(self, call: Call, parties: tuple[str, ...] = ()) -> None:
        super().add(call, parties)
        self.all.append(call)


class StageDoor(ExchangeDoor):
    """The exchange's door, with a script of the test's own for some numbers."""

    scripts: dict[str, Script]

    def script(self, decision: Decision, tenant: str) -> Script:
        return self.scripts.get(decision.number) or super().script(decision, tenant)


class Stage:
    """The exchange at ``HOST`` and the parties around it; the first is extension 1001, and so on.

    ``settle`` ends a scenario: it waits longer than any timer and asserts that nothing is left anywhere.
    """

    def __init__(
        self,
        weather: Weather | None = None,
        seed: int = 1,
        *,
        ring_timeout_s: float = 30.0,
        ports: int = 64,
        media_delay_s: float = 0.0,
        transport: str = "udp",
        network: MemoryNetwork | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.loop = loop
        self.network = network or MemoryNetwork(loop, weather, seed)
        self.engine = FakeEngine(ports, media_delay_s)
        self.endpoint = make_endpoint(self.network, HOST, transport, node_id=1)
        self.transport = transport
        self.hosts: dict[str, list[str]] = {}
        self.lookup_s = 0.0
        self.records: list[CallRecord] = []
        self.over: list[CallRecord] = []
        self.faults: list[BaseException] = []
        self.context = CallContext(
            self.endpoint,
            self.engine,
            self,
            NextHops(self, self.network.nodes[HOST, 5060].flow_to, loop.time),
            wall=self.wall,
            media_address=lambda _family: FakeEngine.ADDRESS,
            ring_timeout_s=ring_timeout_s,
            on_call_over=self.over.append,
            on_fault=self.faults.append,
        )
        self.calls = Remembering()
        self.calls_per_extension = 0
        self.parties: list[Party] = []
        self.contacts: dict[str, list[Target]] = {}
        self.directory = Directory([Tenant("t1", "Test", (DOMAIN,))], DOMAIN)
        snapshot = Snapshot(
            self.directory,
            self.reach,
            self.calls.load,
            lambda: self.calls_per_extension,
            asleep=self.asleep,
        )
        authenticator = Authenticator(Nonces(b"a fixed key of 32 bytes for test"), self.wall)
        self.door = StageDoor(
            self.directory, snapshot, authenticator, self.context, self.calls, self._targets
        )
        self.door.scripts = {}
        self.refer_door = ReferDoor(self.directory, authenticator, self.context, self.door.handing_on)
        self.endpoint.set_doors([self.door, self.refer_door])

    # What the exchange asks of the world

    def wall(self) -> float:
        return EPOCH + self.loop.time()

    def append(self, *records: CallRecord) -> None:
        """The recorder."""
        self.records += records

    async def locate(self, uri: SipUri) -> list[Hop]:
        """The locator: what ``hosts`` says, after ``lookup_s`` of virtual time, or the address itself."""
        known = self.hosts.get(uri.host)
        if known is None:
            if not uri.host[0].isdigit():
                raise TransportError(f"{uri.host} has no address")
            return [Hop(self.transport.upper(), uri.host, uri.port or 5060, uri.host)]
        await asyncio.sleep(self.lookup_s)
        return [Hop(self.transport.upper(), address, 5060, uri.host) for address in known]

    def reach(self, _tenant: str, number: str) -> int:
        """How many contacts an extension has."""
        return len(self.contacts.get(number, ()))

    def asleep(self, _tenant: str, _number: str) -> int:
        """How many phones of an extension can be woken."""
        return 0

    def _targets(self, _tenant: str, entry: Entry) -> list[Target]:
        return self.contacts[entry.number]

    # Who takes part

    def extension(self, number: str, *uris: str) -> None:
        """An extension with fixed contacts."""
        self.directory.put(Extension("t1", number, number, f"Number {number}", PASSWORD))
        self.contacts[number] = [Target(uri, label=uri) for uri in uris]

    def party(self, number: str = "", **rest: float | str) -> Party:
        """The next party, alone at its extension unless another number is given."""
        index = len(self.parties) + 1
        own, host = f"{1000 + index}", f"10.0.0.{index}"
        account = Account(own, PASSWORD)
        party = Party(self.network, host, account=account, transport=self.transport, **rest)  # type: ignore[arg-type]
        party.body = describe(host)
        party.offer_answer = describe(host, version=2)
        self.parties.append(party)
        if number:
            self.contacts[number].append(Target(f"sip:{own}@{host}", label=host))
        else:
            self.extension(own, f"sip:{own}@{host}")
        return party

    def ring(self, number: str, targets: AsyncIterable[Target]) -> None:
        """Let an asynchronous source say whom a number rings."""
        self.extension(number, "sip:unused@10.9.9.9")
        self.door.scripts[number] = scripts.ring(targets)

    def dial(self, party: Party, number: str, body: bytes | None = None, **rest: object) -> None:
        """Call a number through the exchange."""
        party.call(HOST, number, body, **rest)

    async def connect(self, caller: Party, callee: Party, number: str = "1002") -> Call:
        """Call and wait until both talk."""
        self.dial(caller, number)
        await callee.until("acknowledged")
        await caller.until("answered")
        return self.calls.all[-1]

    def sent(self, source: str, start: str, target: str = "") -> list[bytes]:
        """The messages from one host, to another if it is named, that begin so."""
        return [
            data
            for _, by, to, data in self.network.log
            if by == source and to == (target or to) and data.startswith(start.encode())
        ]

    def is_held(self) -> bool:
        """Whether the last call is held."""
        return self.calls.all[-1].held

    async def until_sent(self, source: str, start: str, count: int = 1) -> bytes:
        """Wait until a host has sent so many messages that begin so; the last of them."""
        while len(self.sent(source, start)) < count:  # noqa: ASYNC110  (the network tells no event)
            await asyncio.sleep(0.001)
        return self.sent(source, start)[count - 1]

    # How it ends

    async def settle(self, seconds: float = 400.0) -> None:
        """Wait longer than any timer; then nothing may be left, and every leg have its one record."""
        await asyncio.sleep(seconds)
        assert not self.faults, self.faults
        for endpoint in (self.endpoint, *(party.endpoint for party in self.parties)):
            layer = endpoint.layer
            assert is_silent(endpoint), (
                layer.clients,
                layer.servers,
                endpoint.sessions,
                endpoint.wheel.count,
            )
        assert not self.calls.active
        assert not self.context.tasks
        assert not self.engine.owners, "ports are left open"
        self._check_records()

    def _check_records(self) -> None:
        legs = [leg for call in self.calls.all for leg in call.legs]
        assert sorted(record.id for record in self.records) == sorted(leg.id for leg in legs)
        assert [r.call for r in self.records if r.direction == "in"] == [r.call for r in self.over]
        apps = {leg.id for leg in legs if leg.kind is LegKind.APP}
        for record in self.records:
            assert record.status >= 200, record
            assert record.reason, record
            assert record.code, record
            assert record.ended_by in {"caller", "callee", "exchange"}, record
            assert record.started_at <= (record.answered_at or record.started_at) <= record.ended_at, record
            sent = record.sip_call_id or record.id in apps
            assert sent or record.answered_at is None, "an attempt that was never sent"
            assert bool(record.story) == (record.direction == "in")

    def outcome(self, direction: str = "in") -> list[tuple[int, str, str]]:
        """Status, code and who ended it, of all records of a direction, in the order of their legs."""
        return [(r.status, r.code, r.ended_by) for r in self.records if r.direction == direction]

    @property
    def story(self) -> list[str]:
        """The codes of the last call's story."""
        return [step["code"] for step in self.over[-1].story]
