"""kill -9 at every step of a call to a sleeping app: it goes on or ends for both, one push, one contact.

One gateway for each transport lives, dies and lives again through all of these; the PBX in front of it is a script
(``tests.peers.scripted_pbx``) that can stop at any message.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
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
# What ends a call here is what somebody says; a machine with much to do may take half a minute for a restart.
PATIENT = "[mobile]\ncontact_timeout_s = 120\nanswer_timeout_s = 120\n"
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
        try:
            async with asyncio.timeout(60):
                while not self.rung(call):
                    await self.apns.next_push()
        except TimeoutError:
            heard = [one.start for one in call.heard]
            raise AssertionError(f"no push rang for {call.call_id}; its caller heard {heard}") from None
        return str(self.rung(call)[0].payload["callToken"])

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
    gateway._more = settings(folder, apns, api, HOST).replace("[mobile]\n", PATIENT)
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


# The states that a call may be in


async def queued(scene: Scene, call: Dialogue) -> str:
    """The push is out, and no service has said that it took it."""
    return await scene.push(call)


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


STEPS = [sent, fetched, ringing, accepted, answered, queued]  # a push that hangs is tried again before long


async def placed(scene: Scene, kept: int) -> tuple[Dialogue, str]:
    """A call of the app's that rings, and is on disk as one of so many."""
    asked = {"destination_uri": "555", "sdp_offer": ANSWER, "device_id": scene.app.device, "async": True}
    calling = asyncio.create_task(scene.pbx.called())
    status, body = await scene.app.ask("POST", "/v1/calls", asked)
    assert status == 202, body
    call = await calling
    call.ring()
    await scene.gateway.has_kept_calls(kept)
    return call, str(body["call_token"])


async def test_calls_on_their_way_to_the_app_go_on(scene: Scene) -> None:
    calls = []
    for step in STEPS:
        if step is queued:
            scene.apns.script.add("hang")
        call = scene.pbx.call()
        calls.append((call, await step(scene, call)))
    unheard = scene.pbx.call()
    await scene.pbx.until(lambda: unheard.has("INVITE", 100))
    await scene.gateway.has_kept_calls(len(calls) + 1)  # a disk that takes more than 150 ms is not waited for
    await scene.gateway.crash()
    for call, _ in calls:
        call.mute, call.acks = False, True
    await scene.restart()
    for call, token in calls:
        await scene.can_be_taken(call, token)
    unheard.cancel()
    # Who has heard 100 sends its INVITE no more: so the call was on disk by then.
    await scene.pbx.until(lambda: unheard.has("CANCEL", 200) and unheard.has("INVITE", 487))
    assert len(scene.rung(unheard)) <= 1
    await scene.gateway.no_calls()


async def test_what_a_caller_says_to_nobody_counts_afterwards(scene: Scene) -> None:
    given_up = []
    for step in (sent, fetched, ringing):
        call = scene.pbx.call()
        given_up.append((call, await step(scene, call)))
    left, held = await scene.talk(), await scene.talk()
    if scene.pbx.transport == "udp":
        scene.gateway.freeze()  # all is sent again until somebody reads it
    else:
        await scene.restart()
    for call, _ in given_up:
        call.cancel()
    left[0].bye()
    held[0].invite_again(HELD)
    new = scene.pbx.call() if scene.pbx.transport == "udp" else None
    if new is not None:
        await scene.restart()
    for call, token in given_up:
        await scene.pbx.until(lambda call=call: call.has("CANCEL", 200) and call.has("INVITE", 487))  # type: ignore[misc]
        await scene.is_over(call, token, "cancelled")
    await scene.pbx.until(
        lambda: left[0].has("BYE", 200, 481)
    )  # 481 when it was asked before it came through
    await scene.is_over(*left)
    await scene.pbx.until(lambda: held[0].finals[-1].branch == held[0].branch)
    assert held[0].finals[-1].status == 488, "an app that is not there cannot answer it"
    held[0].bye()
    await scene.is_over(*held, "bye_from_remote")
    if new is not None:
        await scene.can_be_taken(new, await scene.push(new))
    await scene.gateway.no_calls()


async def test_what_ended_a_moment_before_stays_over(scene: Scene) -> None:
    gone, left, lost = await scene.talk(), await scene.talk(), await scene.talk()
    given_up, refused = scene.pbx.call(), scene.pbx.call()
    refused_as, given_up_as = await sent(scene, refused), await sent_too(scene, given_up)
    assert (await scene.app.ask("POST", f"/v1/calls/{refused_as}/reject"))[0] == 200
    given_up.cancel()
    lost[0].mute = True
    await scene.app.hang_up(lost[1])
    left[0].bye()
    await scene.pbx.until(lambda: given_up.has("INVITE", 487) and left[0].has("BYE", 200))
    await scene.gateway.crash()
    gone[0].over = True  # its BYEs find nobody, and it is tired of them
    lost[0].mute = False
    await scene.restart()
    await scene.is_over(*gone)
    await scene.is_over(*left)
    await scene.is_over(*lost, "hangup")
    await scene.is_over(refused, refused_as, "rejected")
    await scene.app.ask("POST", f"/v1/calls/{given_up_as}/reject")  # unless its end was on disk
    await scene.is_over(given_up, given_up_as)
    await scene.gateway.no_calls()


async def sent_too(scene: Scene, call: Dialogue) -> str:
    """As ``sent``; its push may have come with another's."""
    await scene.pbx.until(lambda: call.has("INVITE", 180))
    return str(scene.rung(call)[0].payload["callToken"])


async def test_calls_that_are_up_and_those_that_the_app_placed_go_on(scene: Scene) -> None:
    await scene.gateway.has_kept_calls(0)
    rings, up = await placed(scene, 1), await placed(scene, 2)
    up[0].answer()
    await scene.app.becomes(up[1], "active")
    await scene.pbx.until(lambda: up[0].up)
    talks, holds = await scene.talk(), await scene.talk()
    holds[0].answers = False
    holding = asyncio.create_task(scene.app.ask("POST", f"/v1/calls/{holds[1]}/hold", {"held": True}))
    await scene.pbx.until(lambda: "INVITE" in holds[0].asked)
    if scene.pbx.transport == "udp":
        scene.gateway.freeze()
        rings[0].answer()
    await scene.restart()
    await asyncio.wait([holding])
    assert holding.exception() is not None
    if scene.pbx.transport == "tcp":
        rings[0].answer()
    await scene.app.becomes(rings[1], "active")
    await scene.pbx.until(lambda: rings[0].up)
    assert (await scene.app.accept(talks[1], answer=ANSWER))[0] == 200, "once more is no harm"
    for call, token in (rings, up, talks, holds):
        assert (await scene.app.status(token))["status"] == "active"
        await scene.app.hang_up(token)
        await scene.pbx.until(lambda call=call: call.over)  # type: ignore[misc]
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
