"""A mobile plane in memory: devices and calls with owners, events, and what goes wrong on request."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from trunkline.base import messages as m
from trunkline.base.app_event import AppEvent
from trunkline.base.message_codec import Message
from trunkline.base.messages import Refused
from trunkline.push.notification import Health, Service

SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n"
NOW = 1769846400.25
Owner: TypeAlias = tuple[str | None, str | None]


@dataclass
class Backend:
    """``fails`` maps a message's type to what it is refused with; ``asked`` holds what was asked.

    What has a type in ``held`` waits until it is cancelled; ``cancelled`` tells of it.
    """

    devices: dict[str, tuple[Owner, m.DeviceRow]] = field(default_factory=dict)
    calls: dict[str, tuple[Owner, m.AppCallRow]] = field(default_factory=dict)
    fails: dict[str, Refused] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    asked: list[m.Request[Any]] = field(default_factory=list)
    asking: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, request: m.Request[Any]) -> Message:
        """Answer as mobile does."""
        self.asked.append(request)
        self.asking.set()
        if request.type in self.fails:
            raise self.fails[request.type]
        if request.type in self.held:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        answer: Callable[[Backend, Any], Message] = _ANSWERS[type(request)]
        return answer(self, request)

    def add_device(self, tenant: str | None, owner: str) -> str:
        """A device that is there."""
        made = str(uuid.uuid4())
        row = m.DeviceRow(made, owner, "ios", "alice@a.test", "registered", active=True, push_kind="voip")
        self.devices[made] = (tenant, owner), row
        return made

    def add_call(self, tenant: str | None, owner: str, status: str = "pending") -> str:
        """A call that is there."""
        made = str(uuid.uuid4())
        self.calls[made] = (tenant, owner), m.AppCallRow(made, status, state=status, peer="bob@a.test")
        return made

    def device(self, request: Any) -> m.DeviceRow:
        """The device of a request, if it is its owner's."""
        owner, row = self.devices.get(request.device_id, (None, None))
        if row is None or owner != (request.tenant, request.owner):
            raise Refused("device.unknown", f"no device {request.device_id}", "look at the list", 404)
        return row

    def call(self, request: Any) -> m.AppCallRow:
        """The call of a request, if it is its owner's."""
        owner, row = self.calls.get(request.call_token, (None, None))
        if row is None or owner != (request.tenant, request.owner):
            raise Refused("call.unknown", f"no call {request.call_token}", "", 404)
        if row.status == "ended":
            raise Refused("call.over", "the call is over", "", 410, reason=row.reason)
        return row

    def become(self, request: Any, **changes: Any) -> m.AppCallDone:
        """Change a call."""
        row = replace(self.call(request), **changes)
        self.calls[row.call_token] = self.calls[row.call_token][0], row
        return m.AppCallDone()


def _register(backend: Backend, request: m.RegisterDevice) -> Message:
    made = backend.add_device(request.tenant, request.owner)
    key = "" if request.device_key else "a-new-key"
    return m.DeviceRegistered(device_id=made, status="error: no answer", device_key=key)


def _list_devices(backend: Backend, request: m.ListDevices) -> Message:
    mine = [row for owner, row in backend.devices.values() if owner == (request.tenant, request.owner)]
    return m.DeviceList(rows=tuple(mine[: request.limit]))


def _remove(backend: Backend, request: m.RemoveDevice) -> Message:
    try:
        del backend.devices[backend.device(request).id]
    except Refused:
        return m.DeviceRemoved(was_there=False)
    return m.DeviceRemoved(was_there=True)


def _heard(backend: Backend, request: m.Heartbeat) -> Message:
    backend.device(request)
    return m.DeviceHeard()


def _tested(backend: Backend, request: m.TestPush) -> Message:
    backend.device(request)
    return m.PushTested(outcome="sent", status=200)


def _place(backend: Backend, request: m.PlaceCall) -> Message:
    if request.device_id:
        backend.device(request)
    made = backend.add_call(request.tenant, request.owner, "active" if request.wait else "pending")
    return m.CallPlaced(call_token=made, sdp_answer=SDP if request.wait else "")


def _offer(backend: Backend, request: m.GetAppCall) -> Message:
    row = backend.call(request)
    return m.AppCallOffer(call_token=row.call_token, caller="bob@a.test", caller_name=None, sdp_offer=SDP)


def _status(backend: Backend, request: m.AskAppCall) -> Message:
    owner, row = backend.calls.get(request.call_token, (None, None))
    if row is None or owner != (request.tenant, request.owner):
        row = m.AppCallRow(request.call_token, "unknown")
    return m.AppCallStatus(call=row)


def _list_calls(backend: Backend, request: m.ListAppCalls) -> Message:
    mine = [row for owner, row in backend.calls.values() if owner == (request.tenant, request.owner)]
    return m.AppCallList(rows=tuple(row for row in mine if row.status != "ended")[: request.limit])


def _proven(backend: Backend, request: m.ProveAccount) -> Message:
    if request.account.password != "right":
        raise Refused("account.password", "the password is wrong", "", 401)
    return m.AccountProven(owner=f"sip:{request.account.username}@{request.account.domain}", tenant_id="t1")


def _proven_device(backend: Backend, request: m.ProveDevice) -> Message:
    if request.device_key != "right":
        raise Refused("device.key", "the key is not the device's", "", 401)
    return m.AccountProven(owner="alice", tenant_id="t1")


_ENDED = {"status": "ended", "state": "ended", "ended_at": NOW}
_ANSWERS: dict[type, Callable[[Backend, Any], Message]] = {
    m.RegisterDevice: _register,
    m.GetDevice: lambda backend, request: m.DeviceFound(device=backend.device(request)),
    m.ListDevices: _list_devices,
    m.ChangeDevice: lambda backend, request: m.DeviceFound(device=backend.device(request)),
    m.RemoveDevice: _remove,
    m.Heartbeat: _heard,
    m.TestPush: _tested,
    m.PlaceCall: _place,
    m.GetAppCall: _offer,
    m.RingingAppCall: lambda backend, request: backend.become(request),
    m.AcceptAppCall: lambda backend, request: backend.become(request, status="active"),
    m.RejectAppCall: lambda backend, request: backend.become(request, reason="declined", **_ENDED),
    m.HangUpAppCall: lambda backend, request: backend.become(request, reason="hung_up", **_ENDED),
    m.AskAppCall: _status,
    m.ListAppCalls: _list_calls,
    m.PressKeys: lambda backend, request: backend.become(request),
    m.HoldAppCall: lambda backend, request: backend.become(request, held=request.held),
    m.TransferAppCall: lambda backend, request: backend.become(request),
    m.AnswerAppChange: lambda backend, request: backend.become(request),
    m.ProveAccount: _proven,
    m.ProveDevice: _proven_device,
}


class Subscribed:
    """One listener."""

    def __init__(self, kept: Sequence[AppEvent], device_id: str, ended: Callable[[Subscribed], None]) -> None:
        self.missed = False
        self.why = ""
        self.device_id = device_id
        self._ended = ended
        self._queue: asyncio.Queue[AppEvent | None] = asyncio.Queue()
        for event in kept:
            self._queue.put_nowait(event)

    def __aiter__(self) -> AsyncIterator[AppEvent]:
        return self

    async def __anext__(self) -> AppEvent:
        event = await self._queue.get()
        if event is None:
            raise StopAsyncIteration
        return event

    def take(self, event: AppEvent | None) -> None:
        self._queue.put_nowait(event)

    def close(self) -> None:
        self._ended(self)
        self.take(None)


class FakeEvents:
    """Keeps everything; ``listening`` is set while somebody listens, ``idle`` while nobody does."""

    def __init__(self) -> None:
        self.told: dict[Owner, list[AppEvent]] = {}
        self.listeners: dict[Subscribed, Owner] = {}
        self.listening = asyncio.Event()
        self.idle = asyncio.Event()

    def subscribe(self, tenant: str | None, owner: str, device_id: str, after: int | None) -> Subscribed:
        kept = [] if after is None else self.told.get((tenant, owner), [])[after:]
        made = Subscribed(kept, device_id, self._ended)
        self.listeners[made] = tenant, owner
        self.listening.set()
        self.idle.clear()
        return made

    def _ended(self, listener: Subscribed) -> None:
        self.listeners.pop(listener, None)
        if not self.listeners:
            self.listening.clear()
            self.idle.set()

    def tell(self, tenant: str, owner: str, name: str, **data: Any) -> None:
        """One more event; numbers begin with 1."""
        known = self.told.setdefault((tenant, owner), [])
        event = AppEvent(tenant=tenant, at=NOW, owner=owner, number=len(known) + 1, name=name, data=data)
        known.append(event)
        for listener, whose in list(self.listeners.items()):
            if whose == (tenant, owner):
                listener.take(event)


class FakeReadiness:
    """As it is told."""

    def __init__(self) -> None:
        self.why: list[str] = []
        self.key = "BPub-of-ours"
        self.providers = [Health(Service.APNS, "ready", since=NOW, queued=2)]

    def reasons(self) -> Sequence[str]:
        return self.why

    def push(self) -> Sequence[Health]:
        return self.providers

    def vapid(self) -> str:
        return self.key
