"""Accounts and devices of a gateway in virtual time: scripted registrars, a journal in memory, no store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tests.link.carrier import Office
from tests.link.memory_network import MemoryNetwork
from trunkline.base.messages.devices import PushTarget, RegisterDevice, SipAccount
from trunkline.mobile.accounts import Accounts
from trunkline.mobile.book import Book
from trunkline.mobile.devices import Devices
from trunkline.mobile.domains import DomainList
from trunkline.mobile.events import AppEvents
from trunkline.mobile.policy import MobilePolicy
from trunkline.mobile.proving import Proving
from trunkline.mobile.purging import Purging
from trunkline.model.device import MobileAccount, MobileDevice
from trunkline.ua.next_hops import NextHops
from trunkline.ua.registrations import Registrations

TENANT = "t1"
PBX = "10.0.1.1"
PASSWORD = "correct horse"
TOKEN = "ab" * 32


class Rows:
    """The store: what is written stays, as it was written."""

    def __init__(self) -> None:
        self.accounts: dict[str, MobileAccount] = {}
        self.devices: dict[str, MobileDevice] = {}
        self.broken: Exception | None = None

    def new_device(self, device: MobileDevice, account: MobileAccount | None) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.broken is not None:
            future.set_exception(self.broken)
            return future
        self.keep_devices([device])
        if account is not None:
            self.keep_accounts([account])
        future.set_result(None)
        return future

    def keep_devices(self, devices: Iterable[MobileDevice]) -> None:
        self.devices |= {one.id: replace(one) for one in devices}

    def forget_device(self, tenant: str, key: str) -> None:
        self.devices.pop(key, None)

    def keep_accounts(self, accounts: Iterable[MobileAccount]) -> None:
        self.accounts |= {one.id: replace(one) for one in accounts}

    def forget_account(self, tenant: str, key: str) -> None:
        self.accounts.pop(key, None)


class Reversing:
    """Seals so that nobody reads it at a glance."""

    def seal(self, secret: str, tenant: str, owner: str) -> str:
        return f"{tenant}|{owner}|{secret[::-1]}"

    def open(self, sealed: str, tenant: str, owner: str) -> str:
        assert sealed.startswith(f"{tenant}|{owner}|")
        return sealed.rpartition("|")[2][::-1]


class OwnExchange:
    """Extension 1001 of tenant t1 at own.test; other.test is another tenant's."""

    def owner_of(self, domain: str) -> str | None:
        return {"own.test": TENANT, "other.test": "t2"}.get(domain)

    def check(self, tenant: str, user: str, password: str) -> bool:
        return (tenant, user, password) == (TENANT, "1001", "own password")


class Gateway(Office):
    """Our side; ``rows`` and the journal of registrations are what a new process finds."""

    def __init__(self, network: MemoryNetwork | None = None, transport: str = "udp", **policy: Any) -> None:
        self.rows = Rows()
        self.mobile_policy = MobilePolicy(DomainList.of([PBX, "10.0.1.2", "pbx.test"]), **policy)
        self.pace: dict[str, float] = {}
        super().__init__(network, transport)

    def start(self, **policy: float) -> None:
        super().start(**(self.pace | policy))
        accounts = Accounts(self.registrations, self.rows, Reversing(), self.mobile_policy, self.wall)
        self.probing = Registrations(
            self.endpoint,
            NextHops(self, self.open, self.loop.time),
            wall=self.wall,
            spawn=self.spawn,
            dice=self.random.random,
        )
        exchange = OwnExchange()
        self.proving = Proving(accounts, self.probing, exchange, self.mobile_policy.prove_s, self.wall)
        self.book = Book(self.rows, [replace(one) for one in self.rows.devices.values()])
        self.events = AppEvents(self.wall)
        self.devices = Devices(
            self.book,
            accounts,
            self.proving,
            exchange,
            self.events,
            self.rows,
            self.mobile_policy,
            self.wall,
        )
        self.accounts = accounts
        self.purging = Purging(self.devices, self.mobile_policy, self.wall)
        accounts.start(
            [replace(one) for one in self.rows.accounts.values()],
            lambda row: bool(self.book.all_of_account(row.id)),
            self.journal.values(),
        )

    def account(
        self, user: str = "alice", domain: str = PBX, password: str = PASSWORD, **more: Any
    ) -> SipAccount:
        return SipAccount(user, domain, password, **more)

    def ask(self, owner: str = "u-1", *, token: str = TOKEN, key: str = "", **account: Any) -> RegisterDevice:
        push = PushTarget("voip", token, environment="sandbox", bundle_id="com.example.app")
        return RegisterDevice(
            owner=owner, platform="ios", push=push, account=self.account(**account), device_key=key
        )

    async def add(
        self, owner: str = "u-1", *, token: str = TOKEN, key: str = "", **account: Any
    ) -> MobileDevice:
        """Register a device."""
        made = await self.devices.register(TENANT, self.ask(owner, token=token, key=key, **account))
        device = self.book.find(TENANT, made.device_id)
        assert device is not None
        return device

    def status(self, device: MobileDevice) -> str:
        """What an app is told."""
        return self.accounts.status(self.accounts.find(device.account_id)).word

    def words_of(self, host: str) -> list[bytes]:
        """All REGISTERs that left us for a host."""
        return [data for _, _, to, data in self.network.log if to == host and data.startswith(b"REGISTER")]

    async def until_status(self, device: MobileDevice, word: str, within_s: float = 50_000.0) -> None:
        """Wait, in the loop's time."""
        step_s = 0.01 if within_s <= 100 else 0.5
        async with asyncio.timeout(within_s):
            while self.status(device) != word:  # noqa: ASYNC110  (a word tells nobody)
                await asyncio.sleep(step_s)

    async def finish(self) -> None:
        """Un-register, and nothing is left anywhere."""
        await self.registrations.stop()
        await self.probing.stop()
        assert not len(self.probing)
