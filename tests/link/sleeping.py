"""A stage with a registrar, phones that sleep, and somebody who wakes them: RFC 8599 in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from tests.link.memory_network import MemoryFlow, Weather
from tests.link.phones import Party, describe
from tests.link.stage import DOMAIN, HOST, PASSWORD, Stage
from trunkline.app.reaching import Reaching
from trunkline.call.target import Target
from trunkline.model.binding import Binding
from trunkline.model.extension import Extension
from trunkline.net import Net
from trunkline.net.flow import Flow
from trunkline.pbx.directory import Entry
from trunkline.pbx.one_phone import FindPhone
from trunkline.proto.sip.digest_client import Account
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Response
from trunkline.push.notification import Fate, Outcome, Service
from trunkline.registrar.dialog_wakes import DialogWakes
from trunkline.registrar.door import RegistrarDoor
from trunkline.registrar.gruu import Gruus
from trunkline.registrar.location import Location
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.registrar.ports import Wake
from trunkline.registrar.push_desk import PushDesk
from trunkline.registrar.push_record import MemoryPushRecords, PushRecord
from trunkline.registrar.push_services import PushServices
from trunkline.registrar.quiet_pushes import QuietPushes
from trunkline.registrar.refresh_pushes import RefreshPushes
from trunkline.registrar.waking_policy import WakingPolicy

ALL = PushServices(frozenset({Service.APNS, Service.FCM, Service.WEBPUSH}), vapid="BKey_of-ours")
SENT = Fate(Outcome.SENT, 200)


class FakeWaker:
    """Takes every push after ``push_s`` seconds, with ``fate``; ``on_push`` is what the phone does then."""

    def __init__(self) -> None:
        self.pushes: list[tuple[PushRecord, Wake]] = []
        self.fate = SENT
        self.push_s = 0.05
        self.on_push: Callable[[PushRecord, Wake], None] = lambda _record, _wake: None

    async def wake(self, record: PushRecord, wake: Wake) -> Fate:
        self.pushes.append((record, wake))
        await asyncio.sleep(self.push_s)
        if self.fate.sent:
            self.on_push(record, wake)
        return self.fate

    @property
    def reasons(self) -> list[str]:
        return [wake.reason for _, wake in self.pushes]


class Commits:
    """A journal whose disk is quick."""

    async def new(self, binding: Binding) -> None:
        await asyncio.sleep(0.001)

    async def gone(self, binding: Binding) -> None:
        await asyncio.sleep(0.001)

    def refresh(self, binding: Binding) -> None:
        """Nothing."""


class SleepStage(Stage):
    """The exchange with its registrar: 1001 is a plain party, others register."""

    def __init__(
        self,
        policy: WakingPolicy | None = None,
        services: PushServices = ALL,
        weather: Weather | None = None,
        seed: int = 1,
    ) -> None:
        super().__init__(weather, seed)
        self.location = Location()
        self.waker = FakeWaker()
        self.push_records = MemoryPushRecords()
        registrar = RegistrarPolicy()
        self.lost: set[str] = set()
        self.connected = False  # whether flows are taken for connections that stand
        self.desk = PushDesk(
            services,
            self.push_records,
            self.waker,
            self.location,
            self.flow_from_token,
            wall=self.wall,
            purr_key=b"p" * 32,
            policy=policy or WakingPolicy(),
            registrar=registrar,
        )
        self.quiet = QuietPushes(self.desk, self.context.spawn)
        self.refreshes = RefreshPushes(self.desk, self.endpoint.wheel, self.endpoint.now, self.context.spawn)
        self.dialogs = DialogWakes(self.desk, self.quiet, self.endpoint.wheel, self.endpoint.now)
        self.endpoint.sleeping.waker = self.dialogs
        self.desk.on_registered = self.refreshes.registered
        self.desk.on_gone = self.refreshes.gone
        self.reaching = Reaching(
            cast("Net", self), self.location, Gruus(b"g" * 32), registrar, "transparent", self.wall
        )
        self.reaching.push = self.desk
        self.registrar = RegistrarDoor(
            self.directory,
            self.location,
            Commits(),
            self.door.authenticator,
            registrar,
            wall=self.wall,
            spawn=self.context.spawn,
            gruus=Gruus(b"g" * 32),
        )
        self.registrar.push = self.desk
        self.door.find_phone = cast("FindPhone", self.reaching.instance)
        self.endpoint.set_doors([self.registrar, self.door, self.refer_door])

    def flow_from_token(self, token: str) -> Flow | None:
        """What ``net`` does; a connection that is ``lost`` is not found again."""
        flow = None if token in self.lost else self.network.nodes[HOST, 5060].flow_from_token(token)
        if self.connected and isinstance(flow, MemoryFlow):
            flow.reliable = True
        return flow

    def reach(self, tenant: str, number: str) -> int:
        return len(self.location.of(tenant, number, self.wall())) + super().reach(tenant, number)

    def asleep(self, tenant: str, number: str) -> int:
        return self.reaching.asleep(tenant, number)

    def _targets(self, tenant: str, entry: Entry) -> list[Target]:
        return [*self.contacts.get(entry.number, ()), *self.reaching.targets(tenant, entry)]

    def phone(self, number: str, host: str, push: str) -> SleepyPhone:
        """A phone of an extension, which is there from now on."""
        if self.directory.extension("t1", number) is None:
            self.directory.put(Extension("t1", number, number, f"Number {number}", PASSWORD))
        made = SleepyPhone(self, number, host, push)
        self.parties.append(made)
        return made

    async def settle(self, seconds: float = 400.0) -> None:
        self.refreshes.stop()
        await super().settle(seconds)
        assert not self.desk.watched, "somebody still waits for a phone"
        assert not len(self.dialogs)
        assert self.endpoint.sleeping.waiting == 0


class SleepyPhone(Party):
    """A phone that registers with push parameters, and hears nothing while it sleeps."""

    def __init__(self, stage: SleepStage, number: str, host: str, push: str) -> None:
        super().__init__(stage.network, host, account=Account(number, PASSWORD))
        self.number = number
        self.push = push
        self.params = ""
        self.body = describe(host)
        self.offer_answer = describe(host, version=2)
        self.call_id = f"registration of {host}".replace(" ", "-")
        self.port = 5060
        self._cseq = 0
        self._loop = stage.loop
        self.tasks: set[asyncio.Task[Any]] = set()

    async def register(self, expires_s: int = 3600, extra: str = "") -> Response:
        """Register at the exchange; the final response."""
        self._cseq += 10
        draft = Draft(
            "REGISTER",
            f"sip:{DOMAIN}",
            f"<sip:{self.number}@{DOMAIN}>;tag={self.endpoint.ids.tag()}",
            f"<sip:{self.number}@{DOMAIN}>",
            self.call_id,
            self._cseq,
            contact=f"<sip:{self.number}@{self.host}:{self.port}{self.push}>{self.params}",
            extra=f"Expires: {expires_s}\r\n{extra}",
        )
        flow = self.node.flow_to("UDP", HOST, 5060)
        return await self.endpoint.request(draft, flow, authorizer=self.authorizer())

    def sleep(self) -> None:
        """Hear nothing from now on."""
        self.node.silent_since = -1.0

    def wake(self, times: int = 1) -> None:
        """Hear again, and register."""
        self.node.silent_since = float("inf")
        for _ in range(times):
            task = self._loop.create_task(self.register())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
