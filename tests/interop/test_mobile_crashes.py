"""kill -9 at every step of a call to a sleeping app: it goes on or ends for both, one push, one contact.

One gateway for each transport lives, dies and lives again through all of these; the PBX in front of it is a script
(``tests.peers.scripted_pbx``) that can stop at any message.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.interop.test_mobile_gateway import ALERT, API_KEY, SECRET, TOKEN, USER, settings
from tests.peers.exchange import ExchangeProcess
from tests.peers.mobile_app import MobileApp
from tests.peers.scripted_pbx import HOST, SDP, Dialogue, ScriptedPbx
from trunkline.push.doubles.apns import FakeApns, FakePush

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.scenario(11)]
ANSWER = SDP.replace("40000", "41000")
HELD = SDP.replace("o=- 1 1", "o=- 1 2") + "a=sendonly\r\n"


@dataclass(frozen=True)
class Scene:
    """The gateway, the PBX that it registers at, the app, and Apple."""

    gateway: ExchangeProcess
    pbx: ScriptedPbx
    apns: FakeApns
    app: MobileApp

    async def push(self, call: Dialogue) -> str:
        """The token by which the app was woken for this call."""
        async with asyncio.timeout(20):
            while True:
                push = await self.apns.next_push()
                if push.payload.get("callId") == call.call_id:  # else it tells that an earlier call is over
                    assert push.topic.endswith(".voip")
                    return str(push.payload["callToken"])

    async def restart(self) -> None:
        """kill -9, and up again; the Contact is registered anew, in the place of what was there."""
        before = len(self.pbx.registered)
        await self.gateway.crash_and_restart()
        await self.pbx.until(lambda: len(self.pbx.registered) > before)

    async def is_over(self, call: Dialogue, token: str, *reasons: str) -> None:
        """For the caller, for the app, and in the gateway; it was pushed once, and nothing is left behind."""
        await self.pbx.until(lambda: call.over)
        row = await self.app.becomes(token, "ended")
        assert not reasons or row["reason"] in reasons
        assert (await self.app.ask("GET", f"/v1/calls/{token}"))[0] == 410
        assert (await self.app.accept(token, answer=ANSWER))[0] == 410
        await self.gateway.no_calls()
        self.was_pushed_once(call)
        self.has_one_contact()

    def was_pushed_once(self, call: Dialogue) -> None:
        assert len(self.rung(call)) == 1

    def rung(self, call: Dialogue) -> list[FakePush]:
        """The pushes that rang for a call."""
        mine = [one for one in self.apns.pushes if one.payload.get("callId") == call.call_id]
        return [one for one in mine if one.topic.endswith(".voip")]

    def has_one_contact(self) -> None:
        assert len(self.pbx.contacts) == 1
        ids, numbers, contacts = zip(*self.pbx.registered, strict=True)
        assert len(set(ids)) == len(set(contacts)) == 1
        assert list(numbers) == sorted(set(numbers)), "each CSeq is higher than the one before"

    async def can_be_taken(self, call: Dialogue, token: str) -> None:
        """The app takes it, they talk, the app hangs up."""
        status, body = await self.app.accept(token, answer=ANSWER)
        assert status == 200, body
        await self.pbx.until(lambda: call.up)
        await self.app.becomes(token, "active")
        assert call.finals[-1].body == ANSWER
        assert len({(one.start, one.tag("to"), one.body) for one in call.finals}) == 1, "always the same 200"
        await self.app.hang_up(token)
        await self.is_over(call, token, "hangup")

    async def talk(self) -> tuple[Dialogue, str]:
        """A call that is up."""
        call = self.pbx.call()
        token = await self.push(call)
        assert (await self.app.accept(token, answer=ANSWER))[0] == 200
        await self.pbx.until(lambda: call.up)
        await self.app.becomes(token, "active")
        assert (await self.app.accept(token, answer=ANSWER))[0] == 200, (
            "which waits for the disk, as the first did"
        )
        return call, token


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["udp", "tcp"])
async def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp(request.param)
    apns = FakeApns(token_changes=1000)  # a process that begins has a provider token of its own
    await apns.start()
    gateway = ExchangeProcess(folder, [], listen=("udp", "tcp"))
    api = gateway.sip_port + 7
    gateway._more = settings(folder, apns, api, HOST)
    try:
        async with (
            ScriptedPbx(gateway.sip_port, request.param) as pbx,
            gateway,
            MobileApp(f"http://{HOST}:{api}") as app,
        ):
            await app.get_token("anna", API_KEY)
            await app.register(
                USER, SECRET, HOST, TOKEN, sip_port=pbx.port, sip_transport=pbx.transport, alert_token=ALERT
            )
            await app.is_registered()
            yield Scene(gateway, pbx, apns, app)
    finally:
        await apns.stop()


# Before the app has the call


async def test_an_invite_that_nobody_read(scene: Scene) -> None:
    if scene.pbx.transport == "tcp":
        return  # it went down with the connection, as its caller can tell
    scene.gateway.freeze()
    call = scene.pbx.call()
    await scene.restart()
    await scene.can_be_taken(call, await scene.push(call))


async def test_an_invite_that_was_answered_100_a_moment_ago(scene: Scene) -> None:
    call = scene.pbx.call()
    await scene.pbx.until(lambda: call.has("INVITE", 100))
    await scene.restart()
    call.cancel()
    await scene.pbx.until(lambda: call.has("CANCEL"))
    assert call.has("CANCEL", 481) or call.has("INVITE", 487)
    await scene.gateway.no_calls()
    assert len(scene.rung(call)) <= 1


async def sent(scene: Scene, call: Dialogue) -> str:
    token = await scene.push(call)
    await scene.pbx.until(lambda: call.has("INVITE", 180))
    return token


async def fetched(scene: Scene, call: Dialogue) -> str:
    token = await scene.push(call)
    assert await scene.app.offer(token) == SDP
    return token


async def ringing(scene: Scene, call: Dialogue) -> str:
    token = await scene.push(call)
    assert (await scene.app.ask("POST", f"/v1/calls/{token}/ringing"))[0] in {200, 204}
    return token


async def accepted(scene: Scene, call: Dialogue) -> str:
    """The app's word is in, the caller has heard nothing of it."""
    token = await scene.push(call)
    call.mute = True
    assert (await scene.app.accept(token, answer=ANSWER))[0] == 200
    return token


async def answered(scene: Scene, call: Dialogue) -> str:
    """The caller has its 200, and its ACK is lost."""
    token = await scene.push(call)
    call.acks = False
    assert (await scene.app.accept(token, answer=ANSWER))[0] == 200
    await scene.pbx.until(lambda: call.has("INVITE", 200))
    return token


STEPS = [sent, fetched, ringing, accepted, answered]
Step = Callable[[Scene, Dialogue], Awaitable[str]]


@pytest.mark.parametrize("step", STEPS)
async def test_the_call_goes_on(scene: Scene, step: Step) -> None:
    call = scene.pbx.call()
    token = await step(scene, call)
    await scene.gateway.crash()
    call.mute, call.acks = False, True
    before = len(scene.pbx.registered)
    await scene.gateway.restart()
    await scene.pbx.until(lambda: len(scene.pbx.registered) > before)
    await scene.can_be_taken(call, token)


async def test_a_push_that_no_service_has_confirmed(scene: Scene) -> None:
    scene.apns.script.add("hang")
    call = scene.pbx.call()
    token = await scene.push(call)
    await scene.restart()
    await scene.can_be_taken(call, token)


@pytest.mark.parametrize("step", STEPS[:3])
async def test_a_caller_gives_up_and_nobody_reads_it(scene: Scene, step: Step) -> None:
    call = scene.pbx.call()
    token = await step(scene, call)
    if scene.pbx.transport == "udp":
        scene.gateway.freeze()
        call.cancel()
        await scene.restart()
    else:
        await scene.restart()
        call.cancel()
    await scene.pbx.until(lambda: call.has("CANCEL", 200) and call.has("INVITE", 487))
    await scene.is_over(call, token, "cancelled")


async def test_a_caller_gave_up_a_moment_ago(scene: Scene) -> None:
    call = scene.pbx.call()
    token = await sent(scene, call)
    call.cancel()
    await scene.pbx.until(lambda: call.has("INVITE", 487))
    await scene.restart()
    assert (await scene.app.status(token))["status"] in {"pending", "ended"}
    await scene.app.ask("POST", f"/v1/calls/{token}/reject")
    await scene.is_over(call, token)


# While they talk


async def test_a_call_that_is_up_is_ended_by_the_app(scene: Scene) -> None:
    call, token = await scene.talk()
    await scene.restart()
    assert (await scene.app.status(token))["status"] == "active"
    assert (await scene.app.accept(token, answer=ANSWER))[0] == 200, "once more is no harm"
    await scene.app.hang_up(token)
    await scene.is_over(call, token, "hangup")


async def test_a_call_that_is_up_is_ended_by_the_caller(scene: Scene) -> None:
    call, token = await scene.talk()
    if scene.pbx.transport == "udp":
        scene.gateway.freeze()
        call.bye()
        await scene.restart()
    else:
        await scene.restart()
        call.bye()
    await scene.pbx.until(lambda: call.has("BYE", 200))
    await scene.is_over(call, token, "bye_from_remote")


async def test_a_caller_who_hung_up_while_nobody_was_there_is_found_out(scene: Scene) -> None:
    call, token = await scene.talk()
    await scene.gateway.crash()
    call.over = True  # its BYEs went nowhere, and it is tired of them
    await scene.gateway.restart()
    await scene.is_over(call, token)


async def test_a_caller_who_hung_up_a_moment_ago(scene: Scene) -> None:
    call, token = await scene.talk()
    call.bye()
    await scene.pbx.until(lambda: call.has("BYE", 200))
    await scene.restart()
    await scene.is_over(call, token)


async def test_the_app_holds_and_nobody_answers(scene: Scene) -> None:
    call, token = await scene.talk()
    call.answers = False
    holding = asyncio.create_task(scene.app.ask("POST", f"/v1/calls/{token}/hold", {"held": True}))
    await scene.pbx.until(lambda: "INVITE" in call.asked)
    await scene.gateway.crash()
    await asyncio.wait([holding])
    assert holding.exception() is not None
    await scene.gateway.restart()
    assert (await scene.app.status(token))["status"] == "active"
    await scene.app.hang_up(token)
    await scene.is_over(call, token, "hangup")


async def test_the_caller_holds_and_nobody_reads_it(scene: Scene) -> None:
    call, token = await scene.talk()
    if scene.pbx.transport == "udp":
        scene.gateway.freeze()
        call.invite_again(HELD)
        await scene.restart()
    else:
        await scene.restart()
        call.invite_again(HELD)
    await scene.pbx.until(lambda: call.finals[-1].branch == call.branch)
    assert call.finals[-1].status == 488, "an app that is not there cannot answer it"
    call.bye()
    await scene.is_over(call, token, "bye_from_remote")


async def test_a_hang_up_of_the_app_is_lost_on_its_way(scene: Scene) -> None:
    call, token = await scene.talk()
    call.mute = True
    await scene.app.hang_up(token)
    await scene.gateway.crash()
    call.mute = False
    await scene.gateway.restart()
    await scene.is_over(call, token, "hangup")


async def test_what_was_over_before_stays_over(scene: Scene) -> None:
    call = scene.pbx.call()
    token = await sent(scene, call)
    assert (await scene.app.ask("POST", f"/v1/calls/{token}/reject"))[0] == 200
    await scene.pbx.until(lambda: call.has("INVITE", 603))
    await scene.restart()
    await scene.is_over(call, token, "rejected")


# Calls that the app places


async def test_a_placed_call_that_rings_goes_on(scene: Scene) -> None:
    call, token = await placed(scene)
    call.ring()
    await scene.app.becomes(token, "pending")
    await scene.restart()
    call.answer()
    await scene.app.becomes(token, "active")
    await scene.app.hang_up(token)
    await is_over(scene, call, token)


async def test_a_placed_call_whose_ack_was_lost_goes_on(scene: Scene) -> None:
    call, token = await placed(scene)
    call.ring()
    if scene.pbx.transport == "udp":
        scene.gateway.freeze()
        call.answer()
        await scene.restart()
    else:
        await scene.restart()
        call.answer()
    await scene.app.becomes(token, "active")
    await scene.pbx.until(lambda: call.up)
    await scene.restart()
    call.bye()
    await is_over(scene, call, token)


async def test_a_placed_call_that_was_answered_a_moment_ago_goes_on(scene: Scene) -> None:
    call, token = await placed(scene)
    call.ring()
    call.answer()
    await scene.pbx.until(lambda: call.up)
    await scene.restart()
    assert (await scene.app.status(token))["status"] == "active"
    await scene.app.hang_up(token)
    await is_over(scene, call, token)


async def placed(scene: Scene) -> tuple[Dialogue, str]:
    """A call of the app's that rings, and is on disk."""
    await scene.gateway.has_kept_calls(0)
    asked = {"destination_uri": "555", "sdp_offer": ANSWER, "device_id": scene.app.device, "async": True}
    calling = asyncio.create_task(scene.pbx.called())
    status, body = await scene.app.ask("POST", "/v1/calls", asked)
    assert status == 202, body
    await scene.gateway.has_kept_calls(1)
    return await calling, str(body["call_token"])


async def is_over(scene: Scene, call: Dialogue, token: str) -> None:
    await scene.pbx.until(lambda: call.over)
    await scene.app.becomes(token, "ended")
    await scene.gateway.no_calls()


# Registrations


async def test_a_crash_between_the_challenge_and_its_answer_leaves_one_contact(scene: Scene) -> None:
    before, refused = len(scene.pbx.registered), scene.pbx.refused
    await scene.gateway.crash()
    scene.pbx.on_challenge = scene.gateway.freeze
    starting = asyncio.create_task(scene.gateway.restart())
    await scene.pbx.until(lambda: scene.pbx.refused > refused)
    starting.cancel()
    scene.pbx.on_challenge = lambda: None
    await scene.gateway.crash()
    assert len(scene.pbx.registered) == before
    await scene.gateway.restart()
    await scene.pbx.until(lambda: len(scene.pbx.registered) > before)
    scene.has_one_contact()


async def test_an_orderly_stop_ends_calls_and_takes_the_contact_off(scene: Scene) -> None:
    talks, token = await scene.talk()
    rings = scene.pbx.call()
    await sent(scene, rings)
    await scene.gateway.stop()
    await scene.pbx.until(lambda: talks.over and rings.over)
    assert rings.finals[-1].status == 480
    assert not scene.pbx.contacts
    await scene.gateway.restart()
    await scene.pbx.until(lambda: bool(scene.pbx.contacts))
    scene.has_one_contact()
    assert (await scene.app.ask("GET", f"/v1/calls/{token}"))[0] == 410
