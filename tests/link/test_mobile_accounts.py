"""Accounts of devices at somebody else's registrar: one registration each, until the last device is gone."""

from __future__ import annotations

import asyncio
import math
import re

import pytest

from tests.link.carrier import Carrier, when
from tests.link.gateway import PASSWORD, PBX, TENANT, Gateway
from tests.link.virtual_time import virtual
from trunkline.base.app_event import AppEvent
from trunkline.base.errors import TransportError
from trunkline.base.messages import Refused
from trunkline.base.messages.devices import (
    GetDevice,
    Heartbeat,
    ListDevices,
    ProveAccount,
    RemoveDevice,
    SipAccount,
)
from trunkline.proto.sip.message import Request

OTHER = "cd" * 32


def pbx(gateway: Gateway, host: str = PBX, password: str = PASSWORD) -> Carrier:
    return Carrier(gateway.network, host, password=password)


@virtual
async def test_two_devices_of_an_account_share_one_registration() -> None:
    gateway = Gateway()
    carrier = pbx(gateway)
    first = await gateway.add()
    await gateway.until_status(first, "registered", 10)
    second = await gateway.add(token=OTHER, owner="u-1")
    assert first.account_id == second.account_id
    assert gateway.status(second) == "registered"
    assert gateway.accounts.by_state() == {"registered": 1}
    assert carrier.times == 2, "a challenge and its answer"
    assert len(carrier.contacts) == 1
    assert list(gateway.book.of_account(TENANT, first.account_id or "")) == [first, second]
    (contact,) = carrier.contacts
    assert contact.startswith(f"sip:{first.account_id}@"), "the user of the Contact is opaque"
    await gateway.finish()


@pytest.mark.scenario(15)
@virtual
async def test_alice_of_one_pbx_does_not_touch_alice_of_another() -> None:
    gateway = Gateway()
    here, there = pbx(gateway), pbx(gateway, "10.0.1.2")
    one = await gateway.add()
    await gateway.until_status(one, "registered", 10)
    other = await gateway.add(domain="10.0.1.2", token=OTHER)
    await gateway.until_status(other, "registered", 10)
    await gateway.devices.remove(TENANT, RemoveDevice(device_id=other.id, owner="u-1"))
    await when(lambda: not there.contacts, within_s=10)
    assert gateway.status(one) == "registered"
    assert len(here.contacts) == 1
    assert here.times == 2
    await gateway.finish()


@pytest.mark.scenario(12)
@virtual
async def test_the_last_device_takes_the_contact_off_in_spite_of_a_challenge_and_then_nothing_is_sent() -> (
    None
):
    gateway = Gateway()
    carrier = pbx(gateway)
    first, second = await gateway.add(), await gateway.add(token=OTHER)
    await gateway.until_status(first, "registered", 10)
    account = first.account_id or ""
    await gateway.devices.remove(TENANT, RemoveDevice(device_id=first.id, owner="u-1"))
    await asyncio.sleep(10)
    assert len(carrier.contacts) == 1, "another device is left"
    await gateway.devices.remove(TENANT, RemoveDevice(device_id=second.id, owner="u-1"))
    await asyncio.sleep(10)
    assert not carrier.contacts
    assert carrier.expires_of_last() == 0
    assert carrier.status == 401, "the un-REGISTER was challenged"
    asked = carrier.times
    await asyncio.sleep(20_000)
    assert carrier.times == asked
    assert not gateway.rows.accounts
    assert not gateway.rows.devices
    assert account not in gateway.journal
    await gateway.finish()


@pytest.mark.scenario(12)
@virtual
async def test_a_wrong_password_stops_after_two_tries_and_heartbeats_do_not_insist() -> None:
    gateway = Gateway()
    carrier = pbx(gateway)
    device = await gateway.add(password="wrong")
    await gateway.until_status(device, "error: authentication failed", 10)
    assert carrier.times == 3, "the challenge, and the answer refused twice"
    for _ in range(5):
        await gateway.devices.heartbeat(TENANT, Heartbeat(device_id=device.id, owner="u-1"))
        await asyncio.sleep(60)
    assert carrier.times == 3
    found = await gateway.devices.get(TENANT, GetDevice(device_id=device.id, owner="u-1"))
    assert found.device.sip_status == "error: authentication failed"
    assert found.device.since <= gateway.wall() < found.device.next_try
    assert PASSWORD not in repr(found)
    await gateway.finish()


@pytest.mark.scenario(12)
@pytest.mark.parametrize("status", [401, 407])
@pytest.mark.parametrize("algorithms", [("MD5",), ("SHA-256",), ("SHA-256", "MD5")])
@virtual
async def test_challenges_of_proxies_and_registrars_are_answered(
    status: int, algorithms: tuple[str, ...]
) -> None:
    gateway = Gateway()
    carrier = pbx(gateway)
    carrier.status, carrier.algorithms = status, algorithms
    device = await gateway.add()
    await gateway.until_status(device, "registered", 10)
    await gateway.finish()


@virtual
async def test_user_domain_registrar_and_name_for_digest_are_four_values() -> None:
    gateway = Gateway()
    gateway.hosts["edge.pbx.test"] = [PBX]
    carrier = pbx(gateway)
    more = {"registrar": "edge.pbx.test", "auth_username": "login-7", "display_name": 'Al "ice"'}
    device = await gateway.add(domain="pbx.test", **more)
    await gateway.until_status(device, "registered", 10)
    request = carrier.last
    assert request.uri == "sip:edge.pbx.test;transport=udp"
    assert request.headers["To"] == "<sip:alice@pbx.test>"
    assert request.headers["From"].startswith('"Al \\"ice\\"" <sip:alice@pbx.test>;tag=')
    assert 'username="login-7"' in request.headers["Authorization"]
    await gateway.finish()


# Failures


@pytest.mark.scenario(9)
@virtual
async def test_a_silent_registrar_is_told_tried_again_and_then_all_register_at_the_pace_that_it_may_have() -> (
    None
):
    gateway = Gateway(max_devices=10_000)
    gateway.pace = {"per_s": 50.0}
    gateway.kill()
    gateway.start()
    carrier = pbx(gateway, password="")
    carrier.node.silent_since = 0.0
    devices = [await gateway.add(user=f"u{n}", token=f"{n:064x}") for n in range(1000)]
    await gateway.until_status(devices[0], "error: no answer", 200)
    row = (await gateway.devices.get(TENANT, GetDevice(device_id=devices[0].id))).device
    assert 29 <= row.next_try - gateway.wall() <= 60, "the first back-off"
    for device in devices:
        await gateway.until_status(device, "error: no answer", 200)
    carrier.node.silent_since = math.inf
    for device in devices:
        await gateway.until_status(device, "registered", 5000)
    last = carrier.at[-1]
    by_second = [sum(1 for at in carrier.at if begin <= at < begin + 1) for begin in range(int(last) + 1)]
    assert max(by_second) <= 51, "fifty a second"
    contacts = [request.headers["Contact"].partition("@")[0] for request in carrier.asked]
    assert len(contacts) == len(set(contacts)) == 1000, "none twice"
    await gateway.finish()


@pytest.mark.scenario(9)
@virtual
async def test_the_next_server_is_asked_when_the_first_is_silent() -> None:
    gateway = Gateway()
    gateway.hosts["pbx.test"] = ["10.0.1.9", "10.0.1.2"]
    carrier = pbx(gateway, "10.0.1.2")
    device = await gateway.add(domain="pbx.test")
    await gateway.until_status(device, "registered", 30)
    assert carrier.times == 2
    await gateway.finish()


@pytest.mark.scenario(9)
@virtual
async def test_a_lost_connection_is_made_anew_at_once_for_all_who_used_it() -> None:
    gateway = Gateway(transport="tcp")
    carrier = Carrier(gateway.network, PBX, transport="tcp")
    first = await gateway.add(transport="tcp")
    second = await gateway.add(transport="tcp", user="bob", token=OTHER)
    await gateway.until_status(first, "registered", 10)
    await gateway.until_status(second, "registered", 10)
    assert len(gateway.connections) == 1
    asked, lost_at = carrier.times, gateway.loop.time()
    gateway.connections[0].drop()
    await when(lambda: carrier.times >= asked + 2, within_s=10)
    assert carrier.at[-1] - lost_at < 1
    assert len(gateway.connections) == 2
    gateway.registrations.close()


@pytest.mark.scenario(10)
@virtual
async def test_an_interval_that_is_too_brief_is_asked_again_at_once_and_what_is_granted_is_refreshed_in_time() -> (
    None
):
    gateway = Gateway()
    carrier = pbx(gateway, password="")
    carrier.min_expires_s = 7200
    carrier.grants = lambda _asked: 1800
    device = await gateway.add()
    await gateway.until_status(device, "registered", 10)
    assert [request.headers["Expires"] for request in carrier.asked] == ["3600", "7200"]
    await when(lambda: carrier.times >= 3, step_s=1)
    assert 1350 <= carrier.at[2] - carrier.at[1] <= 1621
    assert carrier.last.headers["Expires"] == "7200", "what is asked never shrinks"
    await gateway.finish()


@pytest.mark.scenario(10)
@virtual
async def test_a_registrar_that_grants_a_second_less_each_time_never_brings_us_to_423() -> None:
    gateway = Gateway()
    carrier = pbx(gateway, password="")
    carrier.min_expires_s = 600
    last = [3600]

    def one_less(_asked: int) -> int:
        last[0] -= 1
        return last[0]

    carrier.grants = one_less
    device = await gateway.add()
    await gateway.until_status(device, "registered", 10)
    await when(lambda: carrier.times >= 20, step_s=1)
    assert {request.headers["Expires"] for request in carrier.asked} == {"3600"}
    await gateway.finish()


@virtual
async def test_a_heartbeat_has_a_failed_registration_tried_now() -> None:
    gateway = Gateway()
    carrier = pbx(gateway)
    carrier.node.silent_since = 0.0
    device = await gateway.add()
    await gateway.until_status(device, "error: no answer", 200)
    carrier.node.silent_since = math.inf
    await gateway.devices.heartbeat(TENANT, Heartbeat(device_id=device.id, owner="u-1"))
    await gateway.until_status(device, "registered", 1)
    assert device.seen_at == pytest.approx(gateway.wall(), abs=1)
    asked = carrier.times
    for _ in range(10):
        await gateway.devices.heartbeat(TENANT, Heartbeat(device_id=device.id, owner="u-1"))
    await asyncio.sleep(10)
    assert carrier.times == asked, "heartbeats do not multiply REGISTERs"
    await gateway.finish()


# Restart


@pytest.mark.scenario(11)
@virtual
async def test_a_restart_goes_on_with_the_same_contact_and_call_id_and_a_higher_cseq() -> None:
    gateway = Gateway(max_devices=1000)
    gateway.pace = {"per_s": 5.0}
    carrier = pbx(gateway)
    devices = [await gateway.add(user=f"u{n}", token=f"{n:064x}", password=PASSWORD) for n in range(20)]
    for device in devices:
        await gateway.until_status(device, "registered", 100)
    before = {request.headers["Call-ID"]: request for request in carrier.asked}
    contacts = set(carrier.contacts)
    gateway.kill()
    gateway.start()
    begun = gateway.loop.time()
    assert {gateway.status(gateway.book.find(TENANT, one.id) or one) for one in devices} == {"registering"}
    asked = carrier.times
    for device in devices:
        await gateway.until_status(device, "registered", 100)
    after = carrier.asked[asked:]
    assert {request.headers["Call-ID"] for request in after} == set(before)
    assert all(cseq_of(r) > cseq_of(before[r.headers["Call-ID"]]) for r in after)
    assert set(carrier.contacts) == contacts, "one contact each, the same"
    assert gateway.loop.time() - begun > 3, "they are spread: 5 a second"
    await gateway.finish()


@pytest.mark.scenario(11)
@virtual
async def test_a_kill_between_the_challenge_and_its_answer_leaves_one_contact() -> None:
    gateway = Gateway()
    carrier = pbx(gateway)
    await gateway.add()
    await when(lambda: carrier.times >= 1, step_s=0.001)
    call_id = carrier.last.headers["Call-ID"]
    gateway.kill()
    gateway.start()
    (device,) = gateway.book.of_tenant(TENANT)
    await gateway.until_status(device, "registered", 100)
    assert {request.headers["Call-ID"] for request in carrier.asked} == {call_id}
    assert len(carrier.contacts) == 1
    assert cseq_of(carrier.last) > cseq_of(carrier.asked[0])
    await gateway.finish()


@virtual
async def test_an_account_without_devices_does_not_come_back() -> None:
    gateway = Gateway()
    pbx(gateway)
    await gateway.add()
    gateway.kill()
    gateway.rows.devices.clear()
    gateway.start()
    assert len(gateway.accounts) == 0
    assert not gateway.rows.accounts
    await gateway.finish()


# Silence


@virtual
async def test_after_long_silence_the_password_is_forgotten_the_contact_taken_off_and_the_app_told() -> None:
    gateway = Gateway(purge_days=0.5)
    carrier = pbx(gateway)
    device, alive = await gateway.add(), await gateway.add(user="bob", token=OTHER)
    await gateway.until_status(device, "registered", 10)
    await asyncio.sleep(40_000)
    await gateway.devices.heartbeat(TENANT, Heartbeat(device_id=alive.id))
    await asyncio.sleep(10_000)
    gateway.purging.step(gateway.loop.time())
    await asyncio.sleep(10)
    assert gateway.status(alive) == "registered"
    assert len(carrier.contacts) == 1
    assert not device.active
    assert "forgotten" in gateway.status(device)
    assert not any(
        PASSWORD[::-1] in str(row) for row in [gateway.rows.accounts[device.account_id or ""].secret]
    )
    with pytest.raises(Refused) as refused:
        await gateway.devices.heartbeat(TENANT, Heartbeat(device_id=device.id))
    assert (refused.value.problem.code, refused.value.problem.status) == ("device.inactive", 410)
    assert list(gateway.book.of_account(TENANT, device.account_id or "")) == []
    again = await gateway.add()
    assert again.id == device.id, "the same push token is the same device"
    await gateway.until_status(again, "registered", 10)
    assert len(carrier.contacts) == 2
    await gateway.finish()


# Several users of one account


@pytest.mark.scenario(15)
@virtual
async def test_who_does_not_know_the_password_joins_no_account_of_somebody_else() -> None:
    gateway = Gateway()
    carrier = pbx(gateway)
    device = await gateway.add()
    await gateway.until_status(device, "registered", 10)
    with pytest.raises(Refused) as refused:
        await gateway.add("thief", token=OTHER, password="guess")
    assert (refused.value.problem.code, refused.value.problem.status) == ("account.password", 401)
    assert len(gateway.book) == 1
    assert gateway.status(device) == "registered"
    await asyncio.sleep(10)
    assert len(carrier.contacts) == 1, "nothing is left of the proof"
    await gateway.finish()


@pytest.mark.scenario(15)
@virtual
async def test_who_waits_at_an_account_with_a_wrong_password_is_shut_out_when_the_right_one_comes() -> None:
    gateway = Gateway()
    pbx(gateway)
    waiting = await gateway.add("thief", token=OTHER, password="guess")
    await gateway.until_status(waiting, "error: authentication failed", 10)
    device = await gateway.add()
    await gateway.until_status(device, "registered", 10)
    assert device.account_id == waiting.account_id
    assert list(gateway.book.of_account(TENANT, device.account_id or "")) == [device]
    with pytest.raises(Refused):
        await gateway.devices.heartbeat(TENANT, Heartbeat(device_id=waiting.id, owner="thief"))
    await gateway.finish()


@virtual
async def test_the_owner_of_all_devices_of_an_account_just_gives_the_new_password() -> None:
    gateway = Gateway()
    pbx(gateway)
    first, second = await gateway.add(password="old"), await gateway.add(password="old", token=OTHER)
    await gateway.until_status(first, "error: authentication failed", 10)
    await gateway.add(password=PASSWORD)
    await gateway.until_status(second, "registered", 10)
    assert second.active
    await gateway.finish()


@virtual
async def test_a_password_that_comes_while_a_register_is_out_answers_its_challenge() -> None:
    gateway = Gateway()
    carrier = pbx(gateway)
    device = await gateway.add(password="old")
    await gateway.add(password=PASSWORD)
    await gateway.until_status(device, "registered", 10)
    assert carrier.times == 2
    await gateway.finish()


# Proof


@virtual
async def test_a_proof_is_a_register_that_leaves_nothing_behind() -> None:
    gateway = Gateway()
    carrier = pbx(gateway)
    ask = ProveAccount(account=gateway.account())
    proven = await gateway.devices.prove_account(TENANT, ask)
    assert (proven.owner, proven.tenant_id) == (f"sip:alice@{PBX}", TENANT)
    await asyncio.sleep(10)
    assert not carrier.contacts
    assert not len(gateway.probing)
    assert not gateway.journal
    await gateway.finish()


@virtual
async def test_who_is_registered_with_this_very_password_is_asked_nothing_more() -> None:
    gateway = Gateway()
    carrier = pbx(gateway)
    device = await gateway.add()
    await gateway.until_status(device, "registered", 10)
    asked = carrier.times
    await gateway.devices.prove_account(TENANT, ProveAccount(account=gateway.account()))
    assert carrier.times == asked
    with pytest.raises(Refused) as refused:
        await gateway.devices.prove_account(TENANT, ProveAccount(account=gateway.account(password="guess")))
    assert refused.value.problem.status == 401
    assert gateway.status(device) == "registered"
    await gateway.finish()


@virtual
async def test_a_registrar_speaks_for_its_own_users_only() -> None:
    gateway = Gateway()
    pbx(gateway)
    theirs = gateway.account(domain="pbx.test", registrar=PBX)
    proven = await gateway.devices.prove_account(TENANT, ProveAccount(account=theirs))
    assert proven.owner == f"sip:alice@pbx.test;registrar={PBX}", "anybody may run a registrar"
    await gateway.finish()


@virtual
async def test_another_registrars_word_takes_no_wrong_password_back() -> None:
    gateway = Gateway()
    pbx(gateway)
    pbx(gateway, "10.0.1.2", "guess")
    codes = []
    for _ in range(6):
        with pytest.raises(Refused) as refused:
            await gateway.devices.prove_account(
                TENANT, ProveAccount(account=gateway.account(password="guess"))
            )
        codes.append(refused.value.problem.status)
        if len(codes) < 5:
            friendly = gateway.account(password="guess", registrar="10.0.1.2")
            await gateway.devices.prove_account(TENANT, ProveAccount(account=friendly))
    assert codes == [401] * 5 + [429]
    await gateway.finish()


@virtual
async def test_guesses_at_once_are_no_more_than_one_after_another() -> None:
    gateway = Gateway()
    carrier = pbx(gateway)
    asks = [ProveAccount(account=gateway.account(password=f"guess-{each}")) for each in range(20)]
    results = await asyncio.gather(
        *(gateway.devices.prove_account(TENANT, ask) for ask in asks), return_exceptions=True
    )
    codes = [result.problem.status for result in results if isinstance(result, Refused)]
    assert (codes.count(401), codes.count(429)) == (5, 15)
    assert carrier.times == 15
    await gateway.finish()


@virtual
async def test_a_registrar_that_asks_for_no_password_proves_nothing() -> None:
    gateway = Gateway()
    pbx(gateway, password="")
    with pytest.raises(Refused) as refused:
        await gateway.devices.prove_account(TENANT, ProveAccount(account=gateway.account()))
    assert refused.value.problem.code == "account.password"
    await gateway.finish()


@pytest.mark.parametrize(
    ("status", "code", "http"), [(403, "account.password", 401), (404, "account.password", 401)]
)
@virtual
async def test_a_refusal_is_told_as_a_wrong_account(status: int, code: str, http: int) -> None:
    gateway = Gateway()
    pbx(gateway).answer_with = lambda _request: (status, "")
    with pytest.raises(Refused) as refused:
        await gateway.devices.prove_account(TENANT, ProveAccount(account=gateway.account()))
    assert (refused.value.problem.code, refused.value.problem.status) == (code, http)
    await gateway.finish()


@virtual
async def test_a_silent_registrar_proves_nothing_within_a_deadline() -> None:
    gateway = Gateway()
    before = gateway.loop.time()
    with pytest.raises(Refused) as refused:
        await gateway.devices.prove_account(TENANT, ProveAccount(account=gateway.account()))
    assert (refused.value.problem.code, refused.value.problem.status) == ("account.unreachable", 503)
    assert gateway.loop.time() - before <= 8.1
    assert PASSWORD not in str(refused.value)
    await gateway.finish()


@virtual
async def test_after_some_wrong_passwords_the_registrar_is_left_alone() -> None:
    gateway = Gateway()
    carrier = pbx(gateway)
    codes = []
    for _ in range(8):
        with pytest.raises(Refused) as refused:
            await gateway.devices.prove_account(
                TENANT, ProveAccount(account=gateway.account(password="guess"))
            )
        codes.append(refused.value.problem.status)
    assert codes == [401] * 5 + [429] * 3
    assert carrier.times == 15
    await asyncio.sleep(601)
    await gateway.devices.prove_account(TENANT, ProveAccount(account=gateway.account()))
    await gateway.finish()


@virtual
async def test_passwords_cannot_be_guessed_by_registering_devices() -> None:
    gateway = Gateway()
    carrier = pbx(gateway)
    for attempt in range(5):
        device = await gateway.add(password=f"guess-{attempt}")
        await asyncio.sleep(5)
        assert gateway.status(device) == "error: authentication failed"
    with pytest.raises(Refused) as refused:
        await gateway.add(password="guess-6")
    assert (refused.value.problem.code, refused.value.problem.status) == ("account.tries", 429)
    asked = carrier.times
    await asyncio.sleep(601)
    device = await gateway.add()
    await gateway.until_status(device, "registered", 10)
    assert carrier.times > asked
    await gateway.finish()


@virtual
async def test_what_cannot_be_written_down_is_no_device_and_leaves_no_contact() -> None:
    gateway = Gateway()
    carrier = pbx(gateway)
    gateway.rows.broken = TransportError("the disk is full")
    with pytest.raises(Refused) as refused:
        await gateway.add()
    assert refused.value.problem.status == 503
    await asyncio.sleep(30)
    assert len(gateway.book) == len(gateway.accounts) == 0
    assert not carrier.contacts
    await gateway.finish()


@virtual
async def test_changes_of_a_registration_reach_its_devices_live_channel() -> None:
    gateway = Gateway()
    carrier = pbx(gateway)
    device = await gateway.add()
    listener = gateway.events.subscribe(TENANT, "u-1", device.id)
    assert (await gateway.devices.list(TENANT, ListDevices(owner="u-1"))).rows[0].live
    await gateway.until_status(device, "registered", 10)
    event = await anext(listener)
    assert (event.name, event.device_id, event.data["sip_status"]) == (
        "device.status",
        device.id,
        "registered",
    )
    carrier.node.silent_since = 0.0
    await gateway.until_status(device, "error: no answer")
    events: list[AppEvent] = []
    async with asyncio.timeout(4000):
        while not events or not events[-1].data["sip_status"].startswith("error"):
            events.append(await anext(listener))
    listener.close()
    assert not gateway.events.is_live(device.id)
    gateway.registrations.close()
    await gateway.finish()


# Extensions of ours


@virtual
async def test_an_extension_of_ours_needs_no_register() -> None:
    gateway = Gateway()
    device = await gateway.add(user="1001", domain="own.test", password="own password")
    assert gateway.status(device) == "registered"
    assert list(gateway.book.of_extension(TENANT, "1001")) == [device]
    assert not gateway.network.log
    for wrong in (SipAccount("1001", "own.test", "x"), SipAccount("1009", "own.test", "own password")):
        with pytest.raises(Refused) as refused:
            await gateway.devices.prove_account(TENANT, ProveAccount(account=wrong))
        assert refused.value.problem.status == 401
    gone: list[str] = []
    gateway.devices.on_gone = lambda one: gone.append(one.id)
    (device,) = gateway.book.of_extension(TENANT, "1001")
    gateway.devices.password_changed(TENANT, "1001")
    assert gone == [device.id]
    assert list(gateway.book.of_extension(TENANT, "1001")) == []
    assert gateway.devices._status(device).word == "error: its account has another password now"
    with pytest.raises(Refused) as refused:
        await gateway.devices.heartbeat(TENANT, Heartbeat(device_id=device.id))
    assert refused.value.problem.status == 410
    gateway.devices.extension_removed(TENANT, "1001")
    assert gone == [device.id] * 2
    assert len(gateway.book) == len(gateway.accounts) == 0
    assert not gateway.rows.devices
    await gateway.finish()


def cseq_of(request: Request) -> int:
    found = re.match(r"\d+", request.headers["CSeq"])
    assert found is not None
    return int(found[0])
