"""Devices: whose they are, what makes two the same, how many there may be, what is told of them."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

from tests.link.carrier import Carrier
from tests.link.gateway import PASSWORD, PBX, TENANT, TOKEN, Gateway
from tests.link.virtual_time import virtual
from trunkline.base.messages import Refused
from trunkline.base.messages import devices as asked
from trunkline.base.messages.devices import (
    ChangeDevice,
    GetDevice,
    Heartbeat,
    ListDevices,
    ProveDevice,
    PushTarget,
    RegisterDevice,
    RemoveDevice,
)
from trunkline.mobile.pushing import Pushing
from trunkline.mobile.suspects import Suspects
from trunkline.mobile.trying import TryingPushes
from trunkline.push.notification import Fate, Notification, Outcome, Purpose

KEY = "an-install-of-an-app-0001"
OTHER = "cd" * 32


@virtual
async def test_the_same_key_updates_the_device_and_another_makes_one_more() -> None:
    gateway = Gateway()
    first = await gateway.devices.register(TENANT, gateway.ask(key=KEY))
    again = await gateway.devices.register(TENANT, gateway.ask(key=KEY, token=OTHER))
    assert first.device_id == again.device_id
    assert (first.device_key, again.device_key) == ("", ""), "the app has brought it"
    device = gateway.book.find(TENANT, first.device_id)
    assert device is not None
    assert device.push_token == OTHER
    other = await gateway.devices.register(TENANT, gateway.ask(key=f"{KEY}-other", token=TOKEN))
    assert other.device_id != first.device_id
    await gateway.finish()


@virtual
async def test_without_a_key_the_push_token_tells_and_a_key_is_made_which_proves_the_device() -> None:
    gateway = Gateway()
    first = await gateway.devices.register(TENANT, gateway.ask())
    again = await gateway.devices.register(TENANT, gateway.ask())
    assert first.device_id == again.device_id
    assert len(gateway.book) == 1
    ask = ProveDevice(device_id=again.device_id, device_key=again.device_key)
    assert (await gateway.devices.prove_device(TENANT, ask)).owner == "u-1"
    for device, key in (
        (again.device_id, first.device_key),
        ("nobody", again.device_key),
        (again.device_id, ""),
    ):
        with pytest.raises(Refused) as refused:
            await gateway.devices.prove_device(TENANT, ProveDevice(device_id=device, device_key=key))
        assert (refused.value.problem.code, refused.value.problem.status) == ("device.key", 401)
    assert again.device_key not in str(gateway.rows.devices)
    await gateway.finish()


@virtual
async def test_a_phone_that_somebody_else_signs_in_to_is_his_from_then_on() -> None:
    gateway = Gateway()
    Carrier(gateway.network, PBX, password=PASSWORD)
    hers = await gateway.add("alice", key=KEY)
    gone: list[str] = []
    gateway.devices.on_gone = lambda device: gone.append(device.owner)
    await gateway.add("alice", key=KEY, token=OTHER)
    assert gone == [], "another token of the same user's phone"
    his = await gateway.add("bob", key=KEY, user="bob")
    assert hers.id == his.id
    assert gateway.book.of_owner(TENANT, "alice") == ()
    assert len(gateway.accounts) == 1, "nobody has alice's account any more"
    assert gone == ["alice"], "what rings there is not for bob"
    await gateway.finish()


@pytest.mark.parametrize("key", ["short", "x" * 129, "an install of an app 0001", "\r\n" * 10])
@virtual
async def test_a_key_that_can_be_guessed_or_is_odd_is_refused(key: str) -> None:
    gateway = Gateway()
    with pytest.raises(Refused) as refused:
        await gateway.add(key=key)
    assert (refused.value.problem.code, refused.value.problem.status) == ("device.key", 422)
    await gateway.finish()


@virtual
async def test_there_are_limits_for_an_owner_and_for_a_tenant() -> None:
    gateway = Gateway(max_devices=2, max_tenant_devices=3)
    for n in range(2):
        await gateway.add(token=f"{n:064x}")
    with pytest.raises(Refused) as refused:
        await gateway.add(token=OTHER)
    assert (refused.value.problem.code, refused.value.problem.status) == ("device.limit", 429)
    await gateway.add(token=f"{1:064x}")
    await gateway.add("u-2", token=OTHER)
    with pytest.raises(Refused):
        await gateway.add("u-3", token=TOKEN)
    assert len(gateway.book) == 3
    await gateway.finish()


@pytest.mark.scenario(15)
@virtual
async def test_nobody_sees_changes_or_removes_what_is_anothers() -> None:
    gateway = Gateway()
    device = await gateway.add("alice")
    asks: list[tuple[Callable[..., Any], type, dict[str, Any]]] = [
        (gateway.devices.get, GetDevice, {}),
        (gateway.devices.change, ChangeDevice, {"push_token": OTHER}),
        (gateway.devices.heartbeat, Heartbeat, {}),
    ]
    for tenant, owner in ((TENANT, "bob"), ("t2", "alice"), ("t2", None)):
        for method, kind, more in asks:
            with pytest.raises(Refused) as refused:
                await method(tenant, kind(device_id=device.id, owner=owner, **more))
            assert (refused.value.problem.code, refused.value.problem.status) == ("device.unknown", 404)
        removed = await gateway.devices.remove(tenant, RemoveDevice(device_id=device.id, owner=owner))
        assert not removed.was_there
        assert not (await gateway.devices.list(tenant, ListDevices(owner=owner))).rows
        assert list(gateway.book.of_account("t2", device.account_id or "")) == []
    assert device.push_token == TOKEN
    assert (await gateway.devices.get(TENANT, GetDevice(device_id=device.id))).device.owner == "alice"
    await gateway.finish()


@virtual
async def test_lists_come_in_pages() -> None:
    gateway = Gateway()
    made = sorted([(await gateway.add(token=f"{n:064x}")).id for n in range(5)])
    seen: list[str] = []
    after = None
    while True:
        page = await gateway.devices.list(TENANT, ListDevices(owner="u-1", limit=2, after=after))
        seen += [row.id for row in page.rows]
        after = page.next
        if after is None:
            break
    assert seen == made
    assert not any(secret in str(page) for secret in (PASSWORD, TOKEN, f"{4:064x}"))
    await gateway.finish()


@virtual
async def test_a_new_token_revives_a_device_whose_old_one_was_dead() -> None:
    gateway = Gateway()
    device = await gateway.add()
    told = gateway.events.subscribe(TENANT, "u-1")
    gateway.book.disable(TENANT, device.id, "another token", "Unregistered")
    assert not device.disabled_why, "it has another token by now"
    gateway.book.disable(TENANT, device.id, TOKEN, "Unregistered")
    event = await anext(told)
    assert (event.name, event.data["push_status"]) == ("device.status", "Unregistered")
    row = (await gateway.devices.get(TENANT, GetDevice(device_id=device.id))).device
    assert row.push_status == "Unregistered"
    ask = ChangeDevice(device_id=device.id, owner="u-1", push_token=OTHER, alert_token="ef" * 32)
    changed = await gateway.devices.change(TENANT, ask)
    assert changed.device.push_status == "ok"
    gateway.book.disable(TENANT, device.id, "ef" * 32, "Unregistered")
    assert (device.alert_token, device.disabled_why) == ("", "")
    gateway.book.learn_environment(TENANT, device.id, "production")
    assert device.environment == "production"
    gateway.book.flush_due(gateway.loop.time())
    assert gateway.rows.devices[device.id] == device
    with pytest.raises(Refused):
        await gateway.devices.change(TENANT, ChangeDevice(device_id=device.id, push_kind="webpush"))
    await gateway.finish()


@virtual
async def test_a_device_that_is_refused_and_not_given_up_says_so_while_it_lasts() -> None:
    gateway = Gateway()
    device = await gateway.add()
    trouble = {device.id: "DeviceTokenNotForTopic"}
    gateway.devices.push_trouble = lambda one: trouble.get(one.id, "")
    suspects = Suspects(
        gateway.book, gateway.devices.push_trouble, gateway.devices.tell, asyncio.ensure_future
    )
    seen = gateway.events.subscribe(TENANT, "u-1")
    suspects.note(device)
    first = await anext(seen)
    assert (first.name, first.device_id) == ("device.status", device.id)
    assert first.data["push_status"] == "error: DeviceTokenNotForTopic"
    seen.close()  # the app is away
    row = (await gateway.devices.get(TENANT, GetDevice(device_id=device.id))).device
    assert row.push_status == "error: DeviceTokenNotForTopic"
    trouble.clear()
    suspects.look()
    row = (await gateway.devices.get(TENANT, GetDevice(device_id=device.id))).device
    assert row.push_status == "ok"
    await asyncio.sleep(1)
    back = gateway.events.subscribe(TENANT, "u-1", after=first.number)
    assert (await anext(back)).data["push_status"] == "ok", "it is told what it has missed"
    await gateway.finish()


@pytest.mark.scenario(15)
@virtual
async def test_no_password_is_at_rest_or_in_what_is_told() -> None:
    gateway = Gateway()
    Carrier(gateway.network, PBX, password=PASSWORD)
    device = await gateway.add()
    await gateway.until_status(device, "registered", 10)
    (row,) = gateway.rows.accounts.values()
    assert row.secret is not None
    assert PASSWORD not in row.secret
    for shown in (
        repr(row),
        repr(device),
        repr(gateway.ask()),
        repr(gateway.rows.devices),
        repr(gateway.journal),
    ):
        assert PASSWORD not in shown
        assert TOKEN not in shown
    assert not any(PASSWORD.encode() in data for _, _, _, data in gateway.network.log)
    await gateway.finish()


class Service:
    def __init__(self) -> None:
        self.sent: list[Notification] = []
        self.fate = Fate(Outcome.SENT, 200)

    async def send(self, notification: Notification) -> Fate:
        self.sent.append(notification)
        return self.fate


@virtual
async def test_a_test_is_shown_and_never_rings() -> None:
    gateway, service = Gateway(), Service()
    trying = TryingPushes(gateway.book, Pushing(service, gateway.book))
    device = await gateway.add()
    with pytest.raises(Refused) as refused:
        await trying.test_push(TENANT, asked.TestPush(device_id=device.id, owner="u-1"))
    assert (refused.value.problem.code, refused.value.problem.status) == ("device.no_alert_token", 409)
    assert not service.sent, "a VoIP push would ring"
    push = PushTarget("voip", TOKEN, "ef" * 32)
    ask = RegisterDevice(owner="u-1", platform="ios", push=push, account=gateway.account())
    await gateway.devices.register(TENANT, ask)
    tested = await trying.test_push(TENANT, asked.TestPush(device_id=device.id, owner="u-1"))
    assert (tested.outcome, tested.status) == ("sent", 200)
    (sent,) = service.sent
    assert (sent.purpose, sent.address.token) == (Purpose.ALERT, "ef" * 32)
    with pytest.raises(Refused):
        await trying.test_push(TENANT, asked.TestPush(device_id=device.id, owner="somebody"))
    service.fate = Fate(Outcome.UNAVAILABLE, reason="the proxy http://10.0.0.5:3128 did not answer")
    for owner, told in (("u-1", False), (None, True)):
        tested = await trying.test_push(TENANT, asked.TestPush(device_id=device.id, owner=owner))
        assert tested.outcome == "unavailable"
        assert ("10.0.0.5" in tested.reason) is told, "our networks are the operator's affair"
    await gateway.finish()


@virtual
async def test_a_removed_tenant_leaves_nothing() -> None:
    gateway = Gateway()
    carrier = Carrier(gateway.network, PBX, password=PASSWORD)
    device = await gateway.add()
    await gateway.until_status(device, "registered", 10)
    gone: list[str] = []
    gateway.devices.on_gone = lambda one: gone.append(one.id)
    gateway.devices.tenant_removed(TENANT)
    assert gone == [device.id]
    assert len(gateway.book) == len(gateway.accounts) == 0
    await gateway.registrations.stop()
    assert not carrier.contacts
    await gateway.finish()


@pytest.mark.scenario(15)
@virtual
async def test_idle_devices_have_no_task_and_share_one_socket() -> None:
    gateway = Gateway(max_devices=100_000)
    gateway.pace = {"per_s": 10_000.0}
    gateway.kill()
    gateway.start()
    Carrier(gateway.network, PBX)
    gateway.network.log = _Nothing()
    devices = [await gateway.add(f"u-{n}", user=f"u{n}", token=f"{n:064x}") for n in range(500)]
    for device in devices:
        await gateway.until_status(device, "registered", 60)
    gc.collect()
    assert not gateway.tasks
    assert len(gateway.registrations.lines) == 1
    gateway.registrations.close()


class _Nothing(list[Any]):
    """A log that keeps nothing."""

    def append(self, _entry: Any) -> None:
        return
