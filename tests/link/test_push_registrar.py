"""Phones that sleep and are woken for their calls (RFC 8599), in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.link.memory_network import Weather
from tests.link.phones import Party
from tests.link.sleeping import SleepStage, SleepyPhone
from tests.link.stage import DOMAIN, HOST
from tests.link.virtual_time import run, virtual
from trunkline.pbx.handing_on import is_secure
from trunkline.push.notification import Fate, Outcome
from trunkline.registrar.ports import Wake, WakeReason
from trunkline.registrar.push_record import PushRecord
from trunkline.registrar.sleeping import SleepingTarget, able
from trunkline.registrar.waking_policy import WakingPolicy

IPHONE = ";pn-provider=apns;pn-param=TEAM.org.phone.voip;pn-prid=00fc13adff78512e"
LINPHONE = ";pn-provider=apns.dev;pn-param=TEAM.org.phone.remote&voip;pn-prid=aaa:remote&bbb:voip"
ANDROID = ";pn-provider=fcm;pn-param=my-project;pn-prid=a-token-of-google"

pytestmark = pytest.mark.scenario(16)


async def asleep(
    push: str = IPHONE, policy: WakingPolicy | None = None, *, expired: bool = True
) -> tuple[SleepStage, Party, SleepyPhone]:
    """1001, and the phone of 1002: it has registered, sleeps, and by now its binding has expired."""
    stage = SleepStage(policy or WakingPolicy(refresh=False))
    caller = stage.party()
    phone = stage.phone("1002", "10.0.0.2", push)
    assert (await phone.register()).status == 200
    phone.sleep()
    await asyncio.sleep(3700 if expired else 100)
    assert bool(stage.location.of("t1", "1002", stage.wall())) is not expired
    return stage, caller, phone


def woken_by_pushes(stage: SleepStage, *phones: SleepyPhone, times: int = 1, after_s: float = 0.5) -> None:
    """Phones do what they are to do when a push comes."""

    def on_push(record: PushRecord, wake: Wake) -> None:
        if wake.reason is not WakeReason.CANCELLED:
            for phone in phones:
                if record.prid in phone.push:
                    stage.loop.call_later(after_s, phone.wake, times)

    stage.waker.on_push = on_push


@pytest.mark.rfc("8599", "5.6.2")
@pytest.mark.parametrize("expired", [True, False])
@pytest.mark.parametrize("push", [IPHONE, LINPHONE, ANDROID])
@virtual
async def test_a_phone_that_sleeps_is_woken_and_rings_once_it_has_registered(
    push: str, expired: bool
) -> None:
    stage, caller, phone = await asleep(push, expired=expired)
    woken_by_pushes(stage, phone)
    stage.dial(caller, "1002")
    await caller.until("answered")
    (pushed,) = stage.waker.pushes
    assert pushed[1].reason is WakeReason.CALL
    assert pushed[1].caller_uri == f"1001@{DOMAIN}"
    assert len(phone.invites) == 1
    answered, invited = _instants(stage)
    assert 0 <= invited - answered < 0.1
    # The app pairs its push with the INVITE (Linphone does so by the Call-ID).
    assert phone.invites[0].call_id == pushed[1].call_id
    assert not any(b"pn-prid" in data for data in stage.sent(HOST, "INVITE"))
    assert {"wake.push", "wake.pushed", "wake.registered"} <= {
        step.code for step in stage.calls.all[-1].story.steps
    }
    caller.dialogue.hang_up()
    await stage.settle()


def _instants(stage: SleepStage) -> tuple[float, float]:
    """When the last 200 to a REGISTER and the first INVITE went to the phone."""
    sent = [(at, data) for at, by, to, data in stage.network.log if (by, to) == (HOST, "10.0.0.2")]
    answers = [at for at, data in sent if data.startswith(b"SIP/2.0 200") and b" REGISTER\r\n" in data]
    return answers[-1], next(at for at, data in sent if data.startswith(b"INVITE"))


@pytest.mark.rfc("8599", "5.6.2")
@virtual
async def test_the_registration_that_was_there_before_the_push_does_not_count() -> None:
    stage, caller, phone = await asleep(expired=False)
    stage.dial(caller, "1002")
    await asyncio.sleep(5)
    assert not stage.sent(HOST, "INVITE", "10.0.0.2")
    phone.wake()
    await caller.until("answered")
    assert len(phone.invites) == 1
    caller.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_three_registrations_at_once_bring_one_invite() -> None:
    stage, caller, phone = await asleep()
    woken_by_pushes(stage, phone, times=3, after_s=0.2)
    stage.dial(caller, "1002")
    await caller.until("answered")
    caller.dialogue.hang_up()
    await stage.settle()
    assert len(phone.invites) == 1
    assert stage.waker.reasons == ["call"]


@virtual
async def test_a_phone_that_comes_again_from_elsewhere_rings_once() -> None:
    stage, caller, phone = await asleep()
    phone.rings_s = 5.0
    woken_by_pushes(stage, phone)
    stage.dial(caller, "1002")
    await caller.until("180")
    phone.port = 5070  # the phone has changed its network while it rings
    await phone.register()
    await caller.until("answered")
    assert len(stage.sent(HOST, "INVITE", "10.0.0.2")) == 1
    caller.dialogue.hang_up()
    await stage.settle()


@pytest.mark.parametrize("after_s", [0.05, 0.5, 10.0])
@virtual
async def test_cancel_ends_the_wait_at_once(after_s: float) -> None:
    stage, caller, phone = await asleep()
    stage.dial(caller, "1002")
    await asyncio.sleep(after_s)
    began = stage.loop.time()
    caller.dialogue.hang_up()
    await caller.until("failed 487")
    assert stage.loop.time() - began < 0.1
    assert not stage.desk.watched
    phone.wake()
    await stage.settle()
    assert not phone.invites
    assert stage.waker.reasons == ["call"]  # its only token is for calls: nothing else goes there


@virtual
async def test_a_phone_that_was_woken_in_vain_is_told_by_its_other_token() -> None:
    stage, caller, _phone = await asleep(LINPHONE)
    stage.dial(caller, "1002")
    await asyncio.sleep(1)
    caller.dialogue.hang_up()
    await stage.settle()
    (record, call), (_, cancelled) = stage.waker.pushes
    assert cancelled.reason is WakeReason.CANCELLED
    assert cancelled.call_id == call.call_id
    addresses = record.address("call"), record.address("quiet")
    assert [one and (one.token, one.kind) for one in addresses] == [("bbb", "voip"), ("aaa", "alert")]


@pytest.mark.rfc("8599", "5.6.2")
@virtual
async def test_a_phone_that_does_not_come_is_unavailable_when_the_time_is_up() -> None:
    stage, caller, _phone = await asleep()
    began = stage.loop.time()
    stage.dial(caller, "1002")
    await caller.until("failed 480")
    assert 19.5 < stage.loop.time() - began < 21
    assert "wake.no_phone" in [step.code for step in stage.calls.all[-1].story.steps]
    await stage.settle()


@pytest.mark.parametrize(
    ("fate", "kept"),
    [
        (Fate(Outcome.GONE, 410, "Unregistered"), False),
        (Fate(Outcome.GONE, 410, "Unregistered", since=1.0), True),
        (Fate(Outcome.MISMATCH, 400, "DeviceTokenNotForTopic"), False),
        (Fate(Outcome.SUSPECT, 400, "DeviceTokenNotForTopic"), True),
        (Fate(Outcome.UNAVAILABLE, 0, "connection refused"), True),
    ],
)
@virtual
async def test_when_no_push_goes_out_the_caller_is_told_at_once(fate: Fate, kept: bool) -> None:
    stage, caller, _phone = await asleep()
    stage.waker.fate = fate
    began = stage.loop.time()
    stage.dial(caller, "1002")
    await caller.until("failed 480")
    assert stage.loop.time() - began < 1
    assert bool(stage.push_records.of("t1", "1002")) is kept
    await stage.settle()
    if not kept:
        stage.dial(caller, "1002")
        await stage.settle()
        assert len(stage.waker.pushes) == 1
        assert "route.not_registered" in stage.story


@virtual
async def test_a_phone_that_is_awake_rings_without_a_push_while_another_is_woken() -> None:
    stage, caller, sleeper = await asleep()
    awake = stage.phone("1002", "10.0.0.3", ANDROID)
    awake.rings_s = 5.0
    await awake.register()
    woken_by_pushes(stage, sleeper)
    sleeper.rings_s = 1.0
    stage.dial(caller, "1002")
    await awake.until("invited", 0.1)
    await caller.until("answered")
    assert [record.provider for record, _ in stage.waker.pushes] == ["apns"]
    await awake.until("cancelled")
    caller.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_who_sleeps_on_when_another_answers_is_told_that_it_is_over() -> None:
    stage, caller, _sleeper = await asleep(LINPHONE)
    awake = stage.phone("1002", "10.0.0.3", ANDROID)
    await awake.register()
    stage.dial(caller, "1002")
    await caller.until("answered")
    assert not stage.desk.watched
    caller.dialogue.hang_up()
    await stage.settle()
    assert stage.waker.reasons == ["call", "cancelled"]


@virtual
async def test_a_phone_whose_connection_stands_is_awake_however_long_ago_it_registered() -> None:
    stage, caller, phone = await asleep(expired=False)
    phone.node.silent_since = float("inf")
    stage.desk.policy = WakingPolicy(awake_s=1000, refresh=False)
    stage.dial(caller, "1002")
    await caller.until("answered")
    assert not stage.waker.pushes
    caller.dialogue.hang_up()
    await stage.settle()
    (binding,) = stage.location.of("t1", "1002", stage.wall())
    stage.lost.add(binding.flow)
    assert not stage.desk.is_awake(binding)


@virtual
async def test_two_phones_with_one_token_are_woken_by_one_push() -> None:
    stage, caller, phone = await asleep(ANDROID)
    other = stage.phone("1002", "10.0.0.3", ANDROID.replace("my-project", "other-project"))
    await other.register()
    other.sleep()
    await asyncio.sleep(3700)
    woken_by_pushes(stage, phone, other)
    stage.dial(caller, "1002")
    await caller.until("answered")
    assert len(stage.waker.pushes) == 1
    caller.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("8599", "4.1.2")
@virtual
async def test_a_phone_that_has_left_is_not_woken() -> None:
    stage, caller, phone = await asleep(expired=False)
    phone.node.silent_since = float("inf")
    assert (await phone.register(0)).status == 200
    assert not stage.push_records.of("t1", "1002")
    stage.dial(caller, "1002")
    await caller.until("failed 480")
    assert not stage.waker.pushes
    await stage.settle()


@virtual
async def test_a_phone_that_left_after_it_had_expired_is_not_woken() -> None:
    stage, _caller, phone = await asleep()
    phone.node.silent_since = float("inf")
    assert (await phone.register(0)).status == 200
    assert not stage.push_records.of("t1", "1002")
    await stage.settle()


@pytest.mark.rfc("8599", "4.1.2")
@pytest.mark.parametrize("expired", [True, False])
@virtual
async def test_a_phone_that_leaves_its_push_parameters_out_is_not_woken_any_more(*, expired: bool) -> None:
    """It is the same phone by its instance; the binding with the token may have expired long ago."""
    stage = SleepStage(WakingPolicy(refresh=False))
    caller, phone = stage.party(), stage.phone("1002", "10.0.0.2", IPHONE)
    phone.params = ';+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"'
    assert (await phone.register()).status == 200
    await asyncio.sleep(3700 if expired else 100)
    assert len(stage.push_records.of("t1", "1002")) == 1
    phone.push = ""
    assert (await phone.register()).status == 200
    assert not stage.push_records.of("t1", "1002")
    phone.sleep()
    await asyncio.sleep(3700)
    stage.dial(caller, "1002")
    await caller.until("failed 480")
    assert not stage.waker.pushes
    await stage.settle()


@virtual
async def test_the_environment_to_which_a_token_belongs_is_learned_and_outlives_a_registration() -> None:
    """Apps know it badly; asking the wrong one first would cost each call a round trip."""
    stage, caller, phone = await asleep()
    woken_by_pushes(stage, phone)
    stage.waker.fate = Fate(Outcome.SENT, 200, environment="sandbox")
    stage.dial(caller, "1002")
    await caller.until("answered")
    (record,) = stage.push_records.of("t1", "1002")
    assert record.environment == "sandbox"
    address = record.address("call")
    assert address is not None
    assert address.environment == "sandbox"
    caller.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_sips_call_wakes_but_rings_only_what_is_within_tls() -> None:
    stage, _caller, phone = await asleep()
    woken_by_pushes(stage, phone)
    (target,) = stage.reaching.targets("t1", stage.directory.extension("t1", "1002"))  # type: ignore[arg-type]
    (secured,) = able([target], is_secure)
    assert isinstance(secured, SleepingTarget)
    phone.wake()
    await asyncio.sleep(1)
    (binding,) = stage.location.of("t1", "1002", stage.wall())
    assert secured.awake(binding) is None
    await stage.settle()


@virtual
async def test_an_unknown_caller_is_named_in_no_push() -> None:
    stage, caller, phone = await asleep()
    woken_by_pushes(stage, phone)
    stage.dial(caller, "1002", extra="Privacy: id\r\n")
    await caller.until("answered")
    assert stage.waker.pushes[0][1].caller_uri == ""
    caller.dialogue.hang_up()
    await stage.settle()


@pytest.mark.parametrize("answers", [True, False])
@virtual
async def test_a_phone_that_says_nothing_by_its_connection_is_woken(answers: bool) -> None:
    """Its system has cut the connection, and nobody has told us."""
    stage, caller, phone = await asleep(expired=False)
    stage.connected = True
    if answers:
        phone.node.silent_since = float("inf")
    woken_by_pushes(stage, phone)
    began = stage.loop.time()
    stage.dial(caller, "1002")
    await caller.until("answered")
    assert stage.loop.time() - began < 4
    assert len(stage.waker.pushes) == (0 if answers else 1)
    assert len({request.call_id for request in phone.invites}) == 1
    assert ("wake.silent" in [step.code for step in stage.calls.all[-1].story.steps]) is not answers
    caller.dialogue.hang_up()
    await stage.settle()


@pytest.mark.parametrize("seed", range(12))
def test_a_sleeping_phone_rings_once_through_loss(seed: int) -> None:
    async def story() -> None:
        weather = Weather(loss=0.15, duplicate=0.1, late=0.1, delay_s=0.02)
        stage = SleepStage(WakingPolicy(refresh=False), weather=weather, seed=seed)
        caller = stage.party()
        phone = stage.phone("1002", "10.0.0.2", IPHONE)
        while (await phone.register()).status != 200:
            pass
        phone.sleep()
        await asyncio.sleep(3700)
        woken_by_pushes(stage, phone, times=3)
        stage.dial(caller, "1002")
        await caller.until("answered")
        assert len(phone.invites) == 1
        assert stage.waker.reasons == ["call"]
        caller.dialogue.hang_up()
        await stage.settle()

    run(story())


def provisionals(stage: SleepStage) -> list[int]:
    """Of the responses that callers had from the exchange, those that are 101..199."""
    found = [
        int(data[8:11])
        for _, source, _, data in stage.network.log
        if data.startswith(b"SIP/2.0 1") and source == HOST
    ]
    return [one for one in found if one > 100]


@pytest.mark.parametrize(
    ("provisional", "after_s"), [("on_invite", 0.1), ("on_push_accepted", 0.3), ("on_register", None)]
)
@virtual
async def test_a_caller_hears_when_the_policy_says_that_a_phone_is_woken(
    provisional: Any, after_s: float | None
) -> None:
    stage, caller, phone = await asleep(ANDROID, policy=WakingPolicy(provisional=provisional, refresh=False))
    stage.waker.push_s = 0.2
    woken_by_pushes(stage, phone, after_s=5.0)
    begun = stage.loop.time()
    caller.call(HOST, "1002")
    await asyncio.sleep(3)
    assert provisionals(stage) == ([180] if after_s else [])
    await caller.until("180")
    if after_s is None:
        assert stage.loop.time() - begun > 5
    await caller.until("answered")
    caller.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_no_180_goes_for_a_phone_whose_push_fails() -> None:
    stage, caller, _phone = await asleep(ANDROID)
    stage.waker.fate = Fate(Outcome.REFUSED, 400)
    caller.call(HOST, "1002")
    await caller.until("failed 480")
    assert provisionals(stage) == []
    await stage.settle()
