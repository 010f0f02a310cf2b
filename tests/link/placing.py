"""A stage for calls that apps place: a PBX that registers and is called, accounts, devices, an app's requests."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from tests.link.carrier import Carrier
from tests.link.gateway import OwnExchange, Reversing, Rows
from tests.link.memory_network import MemoryNetwork
from tests.link.phones import Party, describe
from tests.link.stage import Stage
from trunkline.base.app_event import AppEvent
from trunkline.base.messages.app_calls import AppCallRow, AskAppCall, CallPlaced, HangUpAppCall, PlaceCall
from trunkline.base.messages.devices import PushTarget, RegisterDevice, SipAccount
from trunkline.base.story import Story
from trunkline.call.party import Party as Caller
from trunkline.call.target import static_targets
from trunkline.mobile.accounts import Accounts
from trunkline.mobile.app_calls import AppCalls
from trunkline.mobile.book import Book
from trunkline.mobile.call_journal import HandOverJournal
from trunkline.mobile.devices import Devices
from trunkline.mobile.domains import DomainList
from trunkline.mobile.events import AppEvents
from trunkline.mobile.office import Office
from trunkline.mobile.outgoing import OutgoingCalls, Placed
from trunkline.mobile.policy import MobilePolicy
from trunkline.mobile.proving import Proving
from trunkline.model.device import MobileCall, MobileDevice
from trunkline.pbx import scripts
from trunkline.ua.registrations import Registrations

TENANT = "t1"
OWNER = "u-1"
PBX = "10.0.1.1"
PASSWORD = "correct horse"
OFFER = describe("192.0.2.77", version=5).decode()


class Kept:
    """The journal of calls."""

    def __init__(self) -> None:
        self.rows: dict[str, MobileCall] = {}

    async def write_call(self, call: MobileCall) -> None:
        self.keep_calls((call,))

    async def on_disk(self) -> None:
        """At once."""

    def keep_calls(self, calls: Any) -> None:
        self.rows |= {one.id: one for one in calls}

    def forget_calls(self, calls: Any) -> None:
        for _, key in list(calls):
            self.rows.pop(key, None)


class PlacingStage(Stage):
    """``pbx`` answers calls, and ``registrar`` REGISTERs, at one address."""

    newest: ClassVar[PlacingStage]

    def __init__(
        self, *, network: MemoryNetwork | None = None, transport: str = "udp", **policy: Any
    ) -> None:
        super().__init__(network=network, transport=transport)
        PlacingStage.newest = self
        self.mobile_policy = MobilePolicy(DomainList.of([PBX, "friend.test"]), **policy)
        hops = self.context.next_hops
        spawn = self.context.spawn
        registrations = Registrations(self.endpoint, hops, wall=self.wall, spawn=spawn)
        self.probing = Registrations(self.endpoint, hops, wall=self.wall, spawn=spawn)
        self.rows, self.kept = Rows(), Kept()
        self.accounts = Accounts(registrations, self.rows, Reversing(), self.mobile_policy, self.wall)
        exchange = OwnExchange()
        proving = Proving(self.accounts, self.probing, exchange, 8.0, self.wall)
        self.events = AppEvents(self.wall)
        self.devices = Devices(
            Book(self.rows),
            self.accounts,
            proving,
            exchange,
            self.events,
            self.rows,
            self.mobile_policy,
            self.wall,
        )
        self.office = Office(
            self.endpoint.wheel,
            self.endpoint.now,
            self.wall,
            spawn,
            self.devices.book,
            self.events,
            HandOverJournal(self.kept),
        )
        self.app_calls = self.office.calls = AppCalls(self.wall)
        self.outgoing = OutgoingCalls(
            self.office,
            self.devices,
            exchange,
            self.context,
            self.calls,
            self.mobile_policy,
            self._for_extension,
        )
        self.told = self.events.subscribe(TENANT, OWNER)
        if network is None:
            self._begin_pbx()

    def _begin_pbx(self) -> None:
        self.registrar = Carrier(self.network, "10.0.9.9", password=PASSWORD)
        self.pbx = Party(self.network, PBX, rings_s=2.0)
        self.pbx.body = describe(PBX)
        self.pbx.endpoint.set_doors([self.pbx, self.registrar])
        self.parties.append(self.pbx)

    def _for_extension(self, tenant: str, user: str, dialled: str, story: Story) -> Placed:
        targets = static_targets(self.contacts.get(dialled, []))
        return Placed(Caller(user, "own.test", "Anna"), scripts.ring(targets), (user,))

    async def device(self, **account: Any) -> MobileDevice:
        """A device whose account is registered."""
        push = PushTarget("voip", "ab" * 32)
        given = SipAccount(**({"username": "alice", "domain": PBX, "password": PASSWORD} | account))
        ask = RegisterDevice(owner=OWNER, platform="ios", push=push, account=given)
        made = await self.devices.register(TENANT, ask)
        await asyncio.sleep(1)
        found = self.devices.book.find(TENANT, made.device_id)
        assert found is not None
        return found

    async def place(self, device: MobileDevice | None = None, to: str = "100", **more: Any) -> CallPlaced:
        """Ask for a call."""
        fields: dict[str, Any] = {"owner": OWNER, "destination": to, "sdp_offer": OFFER}
        if device is not None:
            fields["device_id"] = device.id
        return await self.outgoing.place(TENANT, PlaceCall(**(fields | more)))

    async def status(self, token: str) -> AppCallRow:
        """How a call is."""
        ask = AskAppCall(call_token=token, owner=OWNER)
        return (await self.app_calls.status(TENANT, ask)).call

    async def hang_up(self, token: str) -> None:
        """The app does."""
        await self.app_calls.hang_up(TENANT, HangUpAppCall(call_token=token, owner=OWNER))

    async def event(self, name: str) -> AppEvent:
        """The next event of this name."""
        async with asyncio.timeout(200):
            async for event in self.told:
                if event.name == name:
                    return event
        raise AssertionError(name)

    async def finish(self) -> None:
        """Nothing is left anywhere."""
        await self.accounts.registrations.stop()
        await self.probing.stop()
        self.told.close()
        await self.settle()
        assert all(row.state == "out_ended" for row in self.kept.rows.values())
        assert not len(self.app_calls)
