"""A stage for calls to mobile apps: a scripted PBX, the gateway, push services and apps, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from tests.link.crash import Keeping
from tests.link.phones import Party, describe
from tests.link.stage import HOST, Stage
from trunkline.base.messages.app_calls import (
    AcceptAppCall,
    AnswerAppChange,
    AppCallDone,
    AppCallOffer,
    AppCallRow,
    AskAppCall,
    GetAppCall,
    HangUpAppCall,
    RejectAppCall,
    RingingAppCall,
)
from trunkline.call.call import Call
from trunkline.mobile.app_calls import AppCalls
from trunkline.mobile.call_journal import HandOverJournal
from trunkline.mobile.door import MobileDoor
from trunkline.mobile.hand_over import HandOver
from trunkline.mobile.incoming import IncomingCalls
from trunkline.mobile.notices import Notices
from trunkline.mobile.office import HandOverPolicy, Office
from trunkline.mobile.pushing import Pushing
from trunkline.mobile.words import FINAL
from trunkline.model.device import REST, MobileCall, MobileDevice
from trunkline.push.notification import Fate, Notification, Outcome, Purpose
from trunkline.ua.registrations import Plan

TENANT = "t1"
ALICE = "a" * 32  # the accounts' ids, which are the users of our Contacts
BOB = "b" * 32
PBX = "10.0.0.1"
SENT = Fate(Outcome.SENT, 200)
ANSWER = describe("10.9.9.9", version=3)


def device(name: str, account: str = ALICE, **rest: Any) -> MobileDevice:
    """A device whose owner, tokens and id follow from its name."""
    made = MobileDevice(
        tenant=TENANT,
        id=name,
        owner=f"user of {account[0]}",
        account_id=account,
        kind=REST,
        user="",
        platform="ios",
        key_hash="",
        service="apns",
        push_kind="voip",
        push_token=f"voip-{name}",
        alert_token=f"alert-{name}",
        environment="production",
        bundle_id="com.example.app",
        team="",
        p256dh="",
        auth="",
        active=True,
        disabled_why="",
        created_at=1.0,
        registered_at=1000.0,
        seen_at=1.0,
    )
    return replace(made, **rest)


class Devices:
    """``mobile.ports.DeviceBook`` and ``Live``: what it was told is in ``events``, all of it."""

    def __init__(self) -> None:
        self.devices: dict[str, MobileDevice] = {}
        self.live: set[str] = set()
        self.events: list[tuple[str, str, str, dict[str, Any]]] = []
        self.disabled: list[tuple[str, str]] = []

    def add(self, one: MobileDevice) -> MobileDevice:
        self.devices[one.id] = one
        return one

    def of_account(self, tenant: str, account_id: str) -> list[MobileDevice]:
        return [one for one in self.devices.values() if (one.tenant, one.account_id) == (tenant, account_id)]

    def find(self, tenant: str, device_id: str) -> MobileDevice | None:
        found = self.devices.get(device_id)
        return found if found is not None and found.tenant == tenant else None

    def disable(self, tenant: str, device_id: str, token: str, why: str) -> None:
        self.devices[device_id].disabled_why = why
        self.disabled.append((token, why))

    def learn_environment(self, tenant: str, device_id: str, environment: str) -> None:
        self.devices[device_id].environment = environment

    def is_live(self, device_id: str) -> bool:
        return device_id in self.live

    def tell(
        self,
        tenant: str,
        owner: str,
        name: str,
        call_token: str = "",
        device_id: str = "",
        data: Mapping[str, Any] | None = None,
    ) -> None:
        self.events.append((device_id, name, call_token, dict(data or {})))

    def told(self, device_id: str) -> list[str]:
        """The names of all events of a device."""
        return [name for of, name, _, _ in self.events if of == device_id]


class Provider:
    """All push services: each push takes ``takes_s`` and ends as ``fates`` says for its token, else well."""

    def __init__(self) -> None:
        self.takes_s = 0.05
        self.fates: dict[str, Fate] = {}
        self.sent: list[Notification] = []

    async def send(self, notification: Notification) -> Fate:
        self.sent.append(notification)
        await asyncio.sleep(self.takes_s)
        return self.fates.get(notification.address.token, SENT)

    def of(self, purpose: Purpose) -> list[Notification]:
        return [one for one in self.sent if one.purpose is purpose]

    @property
    def calls(self) -> list[str]:
        """The tokens that were pushed to ring."""
        return [one.address.token for one in self.of(Purpose.CALL)]

    def after(self) -> list[tuple[str, str, str]]:
        """Purpose, token and type of what was pushed but calls."""
        return [
            (one.purpose.value, one.address.token, one.data["type"])
            for one in self.sent
            if one.purpose is not Purpose.CALL
        ]


class Rows:
    """``mobile.ports.CallJournal``; ``all`` are the states that were ever written of each token."""

    def __init__(self) -> None:
        self.takes_s = 0.005
        self.rows: dict[str, MobileCall] = {}
        self.all: list[str] = []

    def write_call(self, call: MobileCall) -> asyncio.Future[None]:
        self.keep_calls((call,))
        return asyncio.ensure_future(asyncio.sleep(self.takes_s))

    async def on_disk(self) -> None:
        await asyncio.sleep(self.takes_s)

    def keep_calls(self, calls: Any) -> None:
        for one in calls:
            self.rows[one.id] = one
            self.all.append(one.state)

    def forget_calls(self, calls: Any) -> None:
        for _tenant, token in calls:
            self.rows.pop(token, None)


class Bound:
    """A registration elsewhere."""

    def __init__(self, account_id: str, user: str) -> None:
        self.plan = Plan(TENANT, account_id, "mobile", f"sip:{user}@pbx.example", "sip:pbx.example")


class App:
    """The app on a device: what it asks, by the token that reached it first."""

    def __init__(self, stage: MobileStage, one: MobileDevice) -> None:
        self.stage = stage
        self.device = one

    @property
    def token(self) -> str:
        """Of its last call."""
        return [token for of, name, token, _ in self.stage.devices.events if of == self.device.id and token][
            -1
        ]

    async def get(self) -> AppCallOffer:
        return await self.stage.app_calls.get(
            TENANT, GetAppCall(call_token=self.token, owner=self.device.owner)
        )

    async def ringing(self) -> AppCallDone:
        ask = RingingAppCall(call_token=self.token, owner=self.device.owner)
        return await self.stage.app_calls.ringing(TENANT, ask)

    async def accept(self, body: bytes = ANSWER) -> AppCallDone:
        ask = AcceptAppCall(call_token=self.token, sdp=body.decode(), owner=self.device.owner)
        return await self.stage.app_calls.accept(TENANT, ask)

    async def reject(self, reason: str = "declined") -> AppCallDone:
        ask = RejectAppCall(call_token=self.token, reason=reason, owner=self.device.owner)
        return await self.stage.app_calls.reject(TENANT, ask)

    async def hang_up(self) -> AppCallDone:
        return await self.stage.app_calls.hang_up(
            TENANT, HangUpAppCall(call_token=self.token, owner=self.device.owner)
        )

    async def status(self, **rest: Any) -> AppCallRow:
        ask = AskAppCall(call_token=self.token, owner=self.device.owner, **rest)
        return (await self.stage.app_calls.status(TENANT, ask)).call

    async def answer_change(self, body: bytes, number: int = 0) -> AppCallDone:
        ask = AnswerAppChange(
            call_token=self.token, sdp=body.decode(), owner=self.device.owner, renegotiation=number
        )
        return await self.stage.app_calls.answer_change(TENANT, ask)

    @property
    def events(self) -> list[str]:
        return self.stage.devices.told(self.device.id)


class MobileStage(Stage):
    """The gateway at ``HOST``, in front of the PBX at ``PBX``: alice and bob have accounts there.

    ``before`` is the stage whose process has died: this one goes on with its rows.
    """

    before: ClassVar[MobileStage | None] = None
    latest: ClassVar[MobileStage]
    keeping: Keeping

    def __init__(self, policy: HandOverPolicy | None = None, **rest: Any) -> None:
        super().__init__(**rest)
        MobileStage.latest = self
        before = self.before
        self.devices: Devices = Devices() if before is None else before.devices
        self.provider: Provider = Provider() if before is None else before.provider
        self.rows: Rows = Rows() if before is None else before.rows
        self.bound = {ALICE: Bound(ALICE, "alice"), BOB: Bound(BOB, "bob")}
        self.office = Office(
            self.endpoint.wheel,
            self.endpoint.now,
            self.wall,
            self.context.spawn,
            self.devices,
            self.devices,
            HandOverJournal(self.rows),
            policy or HandOverPolicy(gateway_url="https://gw.example"),
        )
        self.app_calls = self.office.calls = AppCalls(self.wall)
        self.office.pushing = Pushing(self.provider, self.devices)
        self.incoming = IncomingCalls(self.office)
        self.notices = Notices(self.office, self.endpoint.now)
        self.mobile_door = MobileDoor(self, self.context, self.calls, self.incoming, self.notices)
        self.endpoint.set_doors([self.mobile_door, self.door, self.refer_door])
        self.kept: list[str] = []
        self.context.keep_now = lambda call: self.kept.append(call.id)
        if before is None:
            self.party()
        else:
            self.incoming.load(tuple(self.rows.rows.values()))

    @property
    def pbx(self) -> Party:
        """The first party."""
        return self.parties[0]

    def keep_calls(self) -> Keeping:
        """Write calls down from now on."""
        keeping = Keeping(self)
        self.context.keep_now = keeping.checkpoints.write_now
        self.context.on_disk = keeping.checkpoints.on_disk
        self.keeping = keeping
        return keeping

    def find(self, user: str, source: str) -> Bound | None:
        """``mobile.door.Bindings``."""
        return self.bound.get(user) if source == PBX else None

    def app(self, name: str, account: str = ALICE, *, live: bool = False, **rest: Any) -> App:
        """A device with its app."""
        one = self.devices.add(device(name, account, **rest))
        if live:
            self.devices.live.add(name)
        return App(self, one)

    def ring_app(self, account: str = ALICE, body: bytes | None = None, **rest: Any) -> None:
        """The PBX calls a Contact of ours."""
        rest.setdefault("from_", '"Carol" <sip:carol@pbx.example>')
        self.pbx.call(HOST, account, body, **rest)

    async def until_event(self, app: App, name: str) -> None:
        """Wait until an app was told this."""
        await until(lambda: name in app.events)

    async def until_pushed(self, count: int = 1) -> None:
        """Wait until so many pushes to ring have gone out."""
        await until(lambda: len(self.provider.calls) >= count)

    @property
    def call(self) -> Call:
        """The last one."""
        return self.calls.all[-1]

    def answers(self, start: str = "SIP/2.0") -> list[bytes]:
        """What the PBX was told."""
        return self.sent(HOST, start, PBX)

    async def settle(self, seconds: float = 400.0) -> None:
        await super().settle(seconds)
        assert len(self.app_calls) == 0
        assert len(self.incoming) == 0
        assert len(self.incoming.claims) == 0
        assert all(row.state in FINAL for row in self.rows.rows.values()), "a row is left"
        assert not self.mobile_door._merge_keys


async def crash(keeping: Keeping, down_s: float = 0.5) -> MobileStage:
    """The gateway dies without a word; the stage of its successor."""
    old = keeping.stage
    assert isinstance(old, MobileStage)
    old.office.calls = AppCalls(old.wall)  # nobody asks it any more
    old.office.journal = HandOverJournal(None)
    old.context.keep_now = None
    old.office.pushing = Pushing(Provider(), Devices())
    old.office.live = Devices()
    MobileStage.before = old
    try:
        after = await keeping.crash(down_s, _latest_sides)
    finally:
        MobileStage.before = None
    new = after.stage
    assert isinstance(new, MobileStage)
    new.context.keep_now = after.checkpoints.write_now
    new.context.on_disk = after.checkpoints.on_disk
    new.keeping = after
    new.incoming.resume(new.calls.active.values())
    return new


def _latest_sides(leg_id: str, data: dict[str, Any]) -> HandOver | None:
    """Who is behind the legs of apps, for the process after the crash, which is yet to begin."""
    return MobileStage.latest.incoming.sides(leg_id, data)


async def until(is_so: Callable[[], bool]) -> None:
    """Wait, in virtual time, until something is so."""
    async with asyncio.timeout(300):
        while not is_so():  # noqa: ASYNC110  (nobody tells the test)
            await asyncio.sleep(0.005)
