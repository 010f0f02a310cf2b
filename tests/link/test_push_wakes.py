"""What else wakes a phone that sleeps (RFC 8599): texts, waiting messages, a transfer, an address for one phone, a
binding that is about to expire; in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.link.sleeping import SleepStage, SleepyPhone
from tests.link.stage import HOST
from tests.link.test_push_registrar import ANDROID, IPHONE, LINPHONE, asleep, woken_by_pushes
from tests.link.test_texts import HELLO, Inbox, TextShelf
from tests.link.transferring import refer
from tests.link.virtual_time import virtual
from trunkline.call.party import Party as Identity
from trunkline.message.policy import TextPolicy
from trunkline.message.queue import TextQueue
from trunkline.model.text import Text
from trunkline.pbx.events.message_summary import TableOfMailboxes, Waiting
from trunkline.pbx.events.unsolicited import Unsolicited
from trunkline.pbx.text_delivery import TextDelivery
from trunkline.pbx.text_door import TextDoor
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Response
from trunkline.registrar import refresh_pushes
from trunkline.registrar.ports import WakeReason
from trunkline.registrar.waking_policy import WakingPolicy

pytestmark = pytest.mark.scenario(16)


class Texts:
    """The door for texts on a stage with phones that sleep."""

    def __init__(self, stage: SleepStage) -> None:
        self.stage = stage
        self.delivery = TextDelivery(stage.directory, stage.context, stage.reaching.targets)
        self.queue = TextQueue(
            self.delivery,
            TextShelf(stage),
            stage.endpoint.wheel,
            now=stage.endpoint.now,
            wall=stage.wall,
            spawn=stage.context.spawn,
            policy=TextPolicy(86_400.0),
        )
        self.queue.on_kept = self._wake
        before = stage.desk.on_registered

        def registered(record: Any, binding: Any) -> None:
            before(record, binding)
            self.queue.wake(binding.tenant, binding.user)

        stage.desk.on_registered = registered
        door = TextDoor(stage.directory, stage.reach, stage.door.authenticator, stage.context, self.queue)
        stage.endpoint.set_doors([stage.registrar, stage.door, door])

    def _wake(self, text: Text) -> None:
        self.stage.quiet.wake(text.tenant, text.receiver, WakeReason.MESSAGE)

    async def write(self, to: str) -> Response:
        party = self.stage.parties[0]
        draft = Draft(
            "MESSAGE",
            f"sip:{to}@{HOST}",
            f"<sip:1001@{HOST}>;tag={party.endpoint.ids.tag()}",
            f"<sip:{to}@{HOST}>",
            party.endpoint.ids.call_id(),
            1,
            body=HELLO,
            content_type="text/plain",
        )
        flow = party.node.flow_to("UDP", HOST, 5060)
        return await party.endpoint.request(draft, flow, authorizer=party.authorizer())


@pytest.mark.rfc("8599", "5.6.2")
@pytest.mark.parametrize("expired", [True, False])
@virtual
async def test_a_text_that_is_kept_wakes_its_reader_once_and_arrives(expired: bool) -> None:
    stage, _caller, phone = await asleep(LINPHONE, expired=expired)
    texts, inbox = Texts(stage), Inbox(phone)
    woken_by_pushes(stage, phone, after_s=2.0)
    assert [(await texts.write("1002")).status for _ in range(5)] == [202] * 5
    assert not inbox.texts
    await asyncio.sleep(10)
    assert len(inbox.texts) == 5
    assert stage.waker.reasons == ["message"]
    await stage.settle()


@virtual
async def test_a_phone_that_does_not_come_is_pushed_again_only_after_a_while() -> None:
    stage, _caller, phone = await asleep(ANDROID)
    texts, inbox = Texts(stage), Inbox(phone)
    for _ in range(4):
        await texts.write("1002")
        await asyncio.sleep(25)
    assert stage.waker.reasons == ["message"] * 2
    phone.wake()
    await asyncio.sleep(10)
    assert len(inbox.texts) == 4
    # It was here: the next text wakes it at once.
    phone.sleep()
    await asyncio.sleep(40)
    await texts.write("1002")
    await asyncio.sleep(1)
    assert stage.waker.reasons == ["message"] * 3
    phone.wake()
    await stage.settle()


@virtual
async def test_a_text_that_a_dead_connection_swallows_wakes_its_reader() -> None:
    stage, _caller, phone = await asleep(ANDROID, expired=False)
    texts, inbox = Texts(stage), Inbox(phone)
    stage.connected = True
    woken_by_pushes(stage, phone)
    assert (await texts.write("1002")).status == 202
    await asyncio.sleep(10)
    assert stage.waker.reasons == ["message"]
    assert len(inbox.texts) == 1
    await stage.settle()


@virtual
async def test_a_phone_that_can_only_ring_is_not_woken_for_texts() -> None:
    stage, _caller, phone = await asleep(IPHONE)
    texts, inbox = Texts(stage), Inbox(phone)
    assert (await texts.write("1002")).status == 202
    await asyncio.sleep(5)
    assert not stage.waker.pushes
    phone.wake()
    await asyncio.sleep(5)
    assert len(inbox.texts) == 1
    await stage.settle()


class Lamp:
    """A phone's door for NOTIFYs."""

    methods = frozenset({"NOTIFY"})

    def __init__(self, phone: SleepyPhone) -> None:
        self.bodies: list[bytes] = []
        phone.endpoint.set_doors([phone, self])

    def claim(self, incoming: Any, _flow: Any) -> bool:
        self.bodies.append(incoming.request.body)
        incoming.respond(200)
        return True


@virtual
async def test_waiting_messages_wake_a_phone_that_is_then_told() -> None:
    stage, _caller, phone = await asleep(LINPHONE, expired=False)
    lamp, mailboxes = Lamp(phone), TableOfMailboxes()

    class Unwatched:
        def watchers(self, *_: str) -> int:
            return 0

    unsolicited = Unsolicited(
        stage.context,
        stage.directory,
        mailboxes,
        Unwatched(),  # type: ignore[arg-type]
        stage.reaching.targets,
    )
    stage.desk.on_registered = lambda _record, binding: unsolicited.woken(binding)

    def changed(tenant: str, number: str) -> None:
        unsolicited.changed(tenant, number)
        stage.quiet.wake(tenant, number, WakeReason.MESSAGE_WAITING)

    mailboxes.on_change = changed
    woken_by_pushes(stage, phone)
    mailboxes.put("t1", "1002", Waiting(2, 1))
    await asyncio.sleep(0.1)
    assert not lamp.bodies
    await asyncio.sleep(5)
    assert stage.waker.reasons == ["message_waiting"]
    assert len(lamp.bodies) == 1
    assert b"Voice-Message: 2/1" in lamp.bodies[0]
    await stage.settle()


# Before a binding expires


async def refreshing(push: str = LINPHONE, params: str = "", **policy: Any) -> tuple[SleepStage, SleepyPhone]:
    stage = SleepStage(WakingPolicy(**policy))
    phone = stage.phone("1002", "10.0.0.2", push)
    phone.params = params
    await phone.register()
    phone.sleep()
    return stage, phone


@pytest.mark.rfc("8599", "5.5")
@virtual
async def test_a_phone_is_woken_before_its_binding_expires_and_stays_registered() -> None:
    stage, phone = await refreshing()
    woken_by_pushes(stage, phone)
    stage.waker.on_push = _sleeps_again(stage, phone, stage.waker.on_push)
    await asyncio.sleep(3 * 3600)
    assert stage.location.of("t1", "1002", stage.wall())
    assert stage.waker.reasons == ["refresh"] * 3
    await stage.settle()


def _sleeps_again(
    stage: SleepStage, phone: SleepyPhone, before: Callable[[Any, Any], None]
) -> Callable[[Any, Any], None]:
    def on_push(record: Any, wake: Any) -> None:
        before(record, wake)
        stage.loop.call_later(2.0, phone.sleep)

    return on_push


@pytest.mark.rfc("8599", "5.5")
@virtual
async def test_refresh_pushes_are_repeated_a_few_times_and_end_with_the_binding() -> None:
    stage, _phone = await refreshing()
    pushed = [await _until(stage, count + 1) for count in range(3)]
    left = [3600 - at for at in pushed]
    assert 300 <= left[0] <= 375
    assert left[1] == pytest.approx(left[0] / 2, abs=2)
    assert left[2] == pytest.approx(left[0] / 4, abs=2)
    await asyncio.sleep(2 * 3600)
    assert stage.waker.reasons == ["refresh"] * 3
    assert not stage.location.of("t1", "1002", stage.wall())
    await stage.settle()


@virtual
async def test_phones_that_never_come_back_are_not_kept_for_ever() -> None:
    stage, _phone = await refreshing()
    for count in range(3):
        await _until(stage, count + 1)
    assert stage.refreshes.watched == 1
    await asyncio.sleep(refresh_pushes.DAY_S + 3600)
    assert stage.refreshes.watched == 0
    await stage.settle()


async def _until(stage: SleepStage, count: int) -> float:
    """Seconds since the start until so many pushes had gone out."""
    while len(stage.waker.pushes) < count:  # noqa: ASYNC110  (the network tells no event)
        await asyncio.sleep(0.5)
    return stage.loop.time() - 1000.0


@virtual
async def test_apple_gets_so_many_a_day_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh_pushes, "DAY_S", 20_000.0)
    stage, phone = await refreshing(refreshes_a_day=2)
    for _ in range(5):
        await asyncio.sleep(3500)
        phone.wake()
        await asyncio.sleep(1)
        phone.sleep()
    assert stage.waker.reasons == ["refresh"] * 2
    await asyncio.sleep(20_000)
    phone.wake()
    await asyncio.sleep(3500)
    assert len(stage.waker.reasons) > 2
    await stage.settle()


@pytest.mark.rfc("8599", "8.5")
@pytest.mark.parametrize(
    ("push", "params", "policy"),
    [
        (LINPHONE, ";+sip.pnsreg", {}),
        (IPHONE, "", {}),  # a token that each push must ring by
        (LINPHONE, "", {"refresh": False}),
    ],
)
@virtual
async def test_who_wakes_itself_or_can_only_ring_is_let_sleep(
    push: str, params: str, policy: dict[str, Any]
) -> None:
    stage, _phone = await refreshing(push, params, **policy)
    await asyncio.sleep(2 * 3600)
    assert not stage.waker.pushes
    await stage.settle()


@virtual
async def test_bindings_that_were_restored_are_refreshed_too() -> None:
    stage, _phone = await refreshing()
    stage.refreshes.stop()
    stage.refreshes.restore(stage.location)
    await _until(stage, 1)
    await stage.settle(4000)


# Whom calls are handed on to


@virtual
async def test_a_call_that_is_handed_on_wakes_who_is_to_have_it() -> None:
    stage, caller, phone = await asleep()
    third = stage.party()  # 1002 is taken: it gets its number from where it stands among the parties
    woken_by_pushes(stage, phone)
    stage.dial(caller, "1003")
    await third.until("acknowledged")
    await refer(third, f"sip:1002@{HOST}")
    await phone.until("acknowledged")
    await asyncio.sleep(1)
    assert stage.waker.pushes[0][1].caller_uri.startswith("1001@")
    phone.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("5627", "6.1")
@virtual
async def test_an_address_for_one_phone_wakes_that_one() -> None:
    stage = SleepStage(WakingPolicy(refresh=False))
    caller = stage.party()
    phone, other = (
        stage.phone("1002", f"10.0.0.{3 + index}", ANDROID.replace("a-token", f"{index}"))
        for index in range(2)
    )
    for index, one in enumerate((phone, other)):
        one.params = f';+sip.instance="<urn:uuid:{index}>"'
        await one.register()
        one.sleep()
    await asyncio.sleep(3700)
    woken_by_pushes(stage, phone, other)
    caller.session = caller.endpoint.invite(
        f"sip:1002@{HOST};gr=urn:uuid:0",
        caller.node.flow_to("UDP", HOST, 5060),
        caller,
        from_=Identity("1001", "pbx.test").name_addr,
        to=f"<sip:1002@{HOST}>",
        body=caller.body,
        authorizer=caller.authorizer(),
    )
    await caller.until("answered")
    assert (len(phone.invites), len(other.invites)) == (1, 0)
    assert len(stage.waker.pushes) == 1
    caller.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_clock_that_is_set_back_does_not_keep_a_phone_asleep() -> None:
    stage, _caller, _phone = await asleep(ANDROID)
    assert stage.quiet.wake("t1", "1002", WakeReason.MESSAGE_WAITING) == 1
    assert stage.quiet.wake("t1", "1002", WakeReason.MESSAGE_WAITING) == 0
    wall = stage.desk.wall
    stage.desk.wall = lambda: wall() - 3600
    assert stage.quiet.wake("t1", "1002", WakeReason.MESSAGE_WAITING) == 1
    assert stage.quiet.wake("t1", "1002", WakeReason.MESSAGE_WAITING) == 0
    stage.desk.wall = wall
    await stage.settle()
