"""Session timers (RFC 4028): one for each leg, refreshed, refused, expired; the other leg hears nothing of it."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from tests.link.crash import Keeping
from tests.link.memory_network import MemoryNetwork
from tests.link.phones import Party, describe
from tests.link.stage import HOST, Stage
from tests.link.talking import both_sides, talking, version_of, who
from tests.link.virtual_time import virtual
from trunkline.call.target import Target
from trunkline.ua.sessions.session_timer import SOON_S, TimerPolicy

TIMED = TimerPolicy("always", 1800, 90)
pytestmark = [pytest.mark.rule("T-16")]


def timed_stage(policy: TimerPolicy = TIMED) -> Stage:
    stage = Stage()
    stage.endpoint.set_session_timers(policy)
    return stage


def speaks(party: Party, policy: TimerPolicy = TIMED, *, update: bool = True) -> Party:
    """The party knows timers itself, and UPDATE or not."""
    party.endpoint.set_session_timers(policy)
    if not update:
        party.network.mangle = lambda data: data.replace(b", UPDATE", b"")
    return party


def header(message: bytes, name: str) -> str:
    """The value of the header in a message, "" when it has none."""
    for line in message.decode().split("\r\n"):
        if line.lower().startswith(f"{name.lower()}: "):
            return line.partition(": ")[2]
    return ""


async def end(stage: Stage) -> None:
    stage.parties[0].dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("4028", "9")
@pytest.mark.parametrize(
    ("asks", "gets", "require"),
    [
        ("Supported: timer\r\nSession-Expires: 600\r\n", "600;refresher=uac", "timer"),
        ("Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n", "600;refresher=uac", "timer"),
        ("Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n", "600;refresher=uas", ""),
        ("k: timer\r\nx: 600\r\n", "600;refresher=uac", "timer"),
        ("Supported: timer\r\n", "1800;refresher=uac", "timer"),
        ("Supported: timer\r\nSession-Expires: 7200\r\n", "1800;refresher=uac", "timer"),
        ("Supported: timer\r\nSession-Expires: 7200\r\nMin-SE: 3600\r\n", "3600;refresher=uac", "timer"),
        ("Session-Expires: 600\r\n", "600;refresher=uas", ""),
        ("", "1800;refresher=uas", ""),
    ],
)
@virtual
async def test_who_refreshes_is_as_the_caller_asks_and_else_who_can(
    asks: str, gets: str, require: str
) -> None:
    stage = timed_stage()
    alice, _bob = stage.party(), stage.party()
    alice.call(HOST, "1002", extra=asks)
    await alice.until("answered")
    answer = stage.sent(HOST, "SIP/2.0 200", alice.host)[-1]
    assert header(answer, "Session-Expires") == gets
    assert header(answer, "Require") == require
    await end(stage)


@pytest.mark.rfc("4028", "7.1")
@virtual
async def test_callees_are_asked_for_a_timer_and_may_refresh_themselves() -> None:
    stage = timed_stage()
    await stage.connect(stage.party(), speaks(stage.party(), TimerPolicy("asked", 300)))
    invite = stage.sent(HOST, "INVITE")[-1]
    assert header(invite, "Session-Expires") == "1800"
    assert "timer" in header(invite, "Supported")
    answer = stage.sent("10.0.0.2", "SIP/2.0 200", HOST)[-1]
    assert header(answer, "Session-Expires") == "300;refresher=uac"
    await asyncio.sleep(1000)
    assert len(stage.sent(HOST, "UPDATE", "10.0.0.2")) == 6, "each 150 s"
    await end(stage)


@virtual
async def test_a_caller_may_require_timers_of_us() -> None:
    stage = timed_stage()
    alice, bob = stage.party(), stage.party()
    alice.call(HOST, "1002", extra="Require: timer\r\nSession-Expires: 600\r\n")
    await bob.until("acknowledged")
    await alice.until("answered")
    assert header(stage.sent(HOST, "SIP/2.0 200", alice.host)[-1], "Session-Expires") == "600;refresher=uac"
    await end(stage)


@both_sides
@pytest.mark.rfc("4028", "10")
@virtual
async def test_a_peer_without_timers_is_refreshed_at_half_the_interval(side: str) -> None:
    stage = timed_stage()
    stage.network.mangle = lambda data: data.replace(b", UPDATE", b"").replace(b"PRACK, ", b"")
    await talking(stage)
    one, other = who(stage, side)
    one.offer_answer = one.body
    other.offer_answer = other.body
    before, links = len(one.heard), dict(stage.engine.links)
    await asyncio.sleep(3700)
    refreshes = one.heard[before:]
    assert len(refreshes) == 4, "each 900 s"
    assert {version_of(body) for body in refreshes} == {version_of(one.heard[before - 1])}
    assert set(refreshes) == {one.heard[before - 1]}, "o= line and all as they were"
    assert stage.engine.links == links
    assert not one.dialogue.ended
    await end(stage)


@pytest.mark.rfc("4028", "7.4")
@virtual
async def test_a_peer_that_takes_update_is_refreshed_by_it_without_a_description() -> None:
    stage = timed_stage()
    await talking(stage)
    await asyncio.sleep(1000)
    updates = stage.sent(HOST, "UPDATE")
    assert len(updates) == 2, "one for each leg"
    assert all(update.endswith(b"Content-Length: 0\r\n\r\n") for update in updates)
    assert all(header(update, "Session-Expires") == "1800;refresher=uac" for update in updates)
    assert not stage.sent(HOST, "INVITE", "10.0.0.1")
    await end(stage)


@both_sides
@pytest.mark.rfc("4028", "7.4")
@virtual
async def test_a_refresh_of_one_party_is_answered_and_the_other_is_not_asked(side: str) -> None:
    stage = timed_stage()
    await talking(stage)
    one, other = who(stage, side)
    told = one.heard[-1]
    for _ in range(3):
        assert await one.reoffer(one.body) == (200, told)
    assert "offered" not in other.said
    assert (await one.reoffer(describe(one.host, "a=sendonly", version=2)))[0] == 200
    assert other.said.count("offered") == 1, "a hold is no refresh"
    assert stage.is_held()
    await end(stage)


@pytest.mark.rfc("4028", "7.4")
@virtual
async def test_after_a_change_that_was_refused_the_refresh_says_what_stands() -> None:
    stage = timed_stage()
    stage.network.mangle = lambda data: data.replace(b", UPDATE", b"")
    alice, bob = await talking(stage)
    stands = bob.heard[-1].split(b"\r\n", 2)[2]
    bob.offer_answer = 488
    assert (await alice.reoffer(describe(alice.host, "a=sendonly", version=2)))[0] == 488
    bob.offer_answer = bob.body
    await asyncio.sleep(1000)
    assert bob.heard[-1].split(b"\r\n", 2)[2] == stands
    await end(stage)


@pytest.mark.rfc("4028", "10")
@virtual
async def test_a_party_whose_refreshes_stay_away_is_ended_in_time() -> None:
    stage = timed_stage()
    alice, bob = stage.party(), stage.party()
    alice.call(HOST, "1002", extra="Supported: timer\r\nSession-Expires: 300;refresher=uac\r\n")
    await bob.until("acknowledged")
    begun = stage.loop.time()
    await alice.until("ended bye")
    assert 300 - 32 - 2 <= stage.loop.time() - begun <= 300 - 32 + 1
    await bob.until("ended bye")
    await stage.settle()
    assert stage.outcome("in")[0][1] == "call.timer_expired"


@pytest.mark.rfc("4028", "10")
@pytest.mark.rfc("3261", "12.2.1.2")
@pytest.mark.parametrize("status", [481, 0])
@virtual
async def test_a_party_that_is_gone_is_found_out_by_its_refresh(status: int) -> None:
    stage = timed_stage()
    stage.network.mangle = lambda data: data.replace(b", UPDATE", b"")
    alice, bob = await talking(stage)
    if status:
        bob.offer_answer = status
    else:
        bob.node.silent_since = stage.loop.time()
    await alice.until("ended bye", 1000)
    bob.node.silent_since = float("inf")
    await stage.settle()
    assert stage.outcome("in")[0][1] == "call.lost"


@pytest.mark.rfc("3261", "14.1")
@pytest.mark.rule("T-08")
@virtual
async def test_a_refresh_that_meets_a_change_is_tried_again_soon() -> None:
    stage = timed_stage()
    stage.network.mangle = lambda data: data.replace(b", UPDATE", b"")
    _alice, bob = await talking(stage)
    bob.offer_answer = 491
    await asyncio.sleep(905)
    tries = [
        at
        for at, source, to, data in stage.network.log
        if source == HOST and to == bob.host and data.startswith(b"INVITE") and at > 1800
    ]
    bob.offer_answer = bob.body
    assert len(tries) >= 2
    # We own the Call-ID of the callee's leg (§14.1): 2.1 to 4.0 s, and a round trip.
    assert all(2.1 <= b - a <= 4.1 for a, b in pairwise(tries))
    await asyncio.sleep(20)
    assert stage.calls.active
    await end(stage)


@pytest.mark.rfc("3261", "14.1")
@pytest.mark.rule("T-08")
@virtual
async def test_the_wait_after_a_491_is_shorter_for_who_does_not_own_the_call_id() -> None:
    network = MemoryNetwork(asyncio.get_running_loop())
    alice, bob = Party(network, "10.0.0.1"), Party(network, "10.0.0.2")
    alice.call(bob.host)
    await bob.until("acknowledged")
    owner = [alice.dialogue.reoffer.glare_pause_s() for _ in range(2000)]
    other = [bob.dialogue.reoffer.glare_pause_s() for _ in range(2000)]
    assert (min(owner), max(owner)) == (2.1, 4.0)
    assert (min(other), max(other)) == (0.0, 2.0)
    assert all(round(wait * 100) == pytest.approx(wait * 100) for wait in owner + other)
    alice.dialogue.hang_up()


@pytest.mark.rfc("4028", "6")
@pytest.mark.rfc("4028", "9")
@virtual
async def test_an_interval_that_is_too_short_is_refused_with_the_shortest() -> None:
    stage = timed_stage(TimerPolicy("always", 1800, 120))
    alice, bob = stage.party(), stage.party()
    session = alice.call(HOST, "1002", extra="Supported: timer\r\nSession-Expires: 100\r\n")
    await bob.until("acknowledged")
    refusal = stage.sent(HOST, "SIP/2.0 422", alice.host)[0]
    assert header(refusal, "Min-SE") == "120"
    invites = stage.sent(alice.host, "INVITE")
    assert len({header(invite, "Call-ID") for invite in invites}) == 1
    assert [header(invite, "Session-Expires") for invite in invites[:2]] == ["100", "120"]
    assert header(invites[1], "CSeq") == "2 INVITE"
    assert session.timer is None, "alice herself keeps none"
    await end(stage)


@pytest.mark.rfc("4028", "9")
@virtual
async def test_too_short_an_interval_of_a_caller_without_timers_is_no_reason_to_refuse() -> None:
    stage = timed_stage()
    alice, _bob = stage.party(), stage.party()
    alice.call(HOST, "1002", extra="Session-Expires: 30\r\n")
    await alice.until("answered")
    answer = stage.sent(HOST, "SIP/2.0 200", alice.host)[-1]
    assert header(answer, "Session-Expires") == "90;refresher=uas"
    await end(stage)


@pytest.mark.rfc("4028", "7.1")
@virtual
async def test_a_callee_that_wants_longer_intervals_is_asked_once_more_with_its_own() -> None:
    stage = timed_stage()
    alice, bob = stage.party(), speaks(stage.party(), TimerPolicy("always", 7200, 3600))
    await stage.connect(alice, bob)
    invites = stage.sent(HOST, "INVITE", bob.host)
    assert [header(one, "Session-Expires") for one in invites] == ["1800", "3600"]
    assert [header(one, "CSeq") for one in invites] == ["1 INVITE", "2 INVITE"]
    assert len({header(one, "Call-ID") for one in invites}) == 1
    assert header(invites[1], "Min-SE") == "3600"
    await end(stage)


@pytest.mark.rfc("4028", "7.1")
@virtual
async def test_a_callee_that_finds_every_interval_too_short_is_not_asked_for_ever() -> None:
    stage = timed_stage()
    alice, bob = stage.party(), stage.party()
    bob.on_invite = lambda session: session.refuse(422, "", f"Min-SE: {2000 + 1000 * len(bob.invites)}\r\n")
    stage.dial(alice, "1002")
    await alice.until("failed 500")
    assert len(bob.invites) == 2
    await stage.settle()


@virtual
async def test_a_refresh_that_is_too_short_for_the_peer_is_sent_again_with_a_longer_interval() -> None:
    stage = timed_stage()
    _alice, bob = await talking(stage)
    sent = len(stage.sent(HOST, "UPDATE", bob.host))
    bob.endpoint.set_session_timers(TimerPolicy("always", 7200, 3600))
    await asyncio.sleep(1000)
    asked = [header(one, "Session-Expires") for one in stage.sent(HOST, "UPDATE", bob.host)[sent:]]
    assert asked == ["1800;refresher=uac", "3600;refresher=uac"]
    await end(stage)


@pytest.mark.rfc("4028", "7.2")
@virtual
async def test_a_leg_that_must_not_be_refreshed_is_left_alone() -> None:
    stage = timed_stage()
    alice, bob = stage.party(), stage.party()
    stage.contacts["1002"] = [Target(f"sip:1002@{bob.host}", may_refresh=False)]
    await stage.connect(alice, bob)
    assert header(stage.sent(HOST, "INVITE", bob.host)[0], "Session-Expires") == "1800;refresher=uas"
    await asyncio.sleep(5000)
    assert not stage.sent(HOST, "UPDATE", bob.host)
    assert bob.said.count("offered") == 0
    assert stage.calls.active
    await end(stage)


@virtual
async def test_without_timers_nobody_is_asked_nor_refreshed() -> None:
    stage = timed_stage(TimerPolicy("off"))
    alice, bob = stage.party(), stage.party()
    alice.call(HOST, "1002", extra="Supported: timer\r\nSession-Expires: 600\r\n")
    await bob.until("acknowledged")
    await alice.until("answered")
    assert not [data for _, by, _, data in stage.network.log if by == HOST and b"Session-Expires" in data]
    assert [leg.session.timer for leg in stage.calls.all[-1].legs] == [None, None]  # type: ignore[attr-defined]
    await end(stage)


@pytest.mark.parametrize("value", ["soon", "", "-5", "9" * 30 + "x", "1800\r\nSession-Expires: 90"])
@virtual
async def test_a_malformed_interval_is_a_bad_request(value: str) -> None:
    stage = timed_stage()
    alice, _bob = stage.party(), stage.party()
    alice.call(HOST, "1002", extra=f"Supported: timer\r\nSession-Expires: {value}\r\n")
    await alice.until("failed 400")
    await stage.settle()


@virtual
async def test_a_service_leg_is_refreshed_too() -> None:
    stage = timed_stage()
    stage.network.mangle = lambda data: data.replace(b", UPDATE", b"")
    alice = stage.party()
    stage.dial(alice, "9196")
    await alice.until("answered")
    alice.offer_answer = alice.body
    told = alice.heard[-1]
    await asyncio.sleep(1000)
    assert alice.heard[-1] == told
    assert alice.said.count("offered") == 1
    assert await alice.reoffer(alice.body) == (200, told)
    await end(stage)


@both_sides
@virtual
async def test_after_a_crash_the_parties_are_refreshed_soon_and_so_is_the_call(side: str) -> None:
    stage = timed_stage()
    keeping = Keeping(stage)
    await talking(stage)
    await keeping.after(4)
    stage = (await keeping.crash()).stage
    stage.endpoint.set_session_timers(TIMED)
    one, _other = who(stage, side)
    sent = len(stage.sent(HOST, "UPDATE", one.host))
    await asyncio.sleep(5 + SOON_S)
    assert len(stage.sent(HOST, "UPDATE", one.host)) == sent + 1
    await asyncio.sleep(2000)
    assert len(stage.sent(HOST, "UPDATE", one.host)) == sent + 3, "each half of the interval from then on"
    await end(stage)


@virtual
async def test_after_a_crash_a_party_that_refreshes_itself_has_its_whole_time() -> None:
    stage = timed_stage()
    keeping = Keeping(stage)
    alice, bob = stage.party(), stage.party()
    alice.call(HOST, "1002", extra="Supported: timer\r\nSession-Expires: 300;refresher=uac\r\n")
    await bob.until("acknowledged")
    await keeping.after(4)
    stage = (await keeping.crash()).stage
    await asyncio.sleep(260)
    assert stage.calls.active
    await alice.until("ended bye")
    await stage.settle()
    assert stage.outcome("in")[0][1] == "call.timer_expired"


@virtual
async def test_a_call_that_was_agreed_on_is_refreshed_though_timers_are_switched_off() -> None:
    stage = timed_stage()
    speaks(stage.party())
    speaks(stage.party())
    alice, bob = stage.parties
    await stage.connect(alice, bob)
    stage.endpoint.set_session_timers(TimerPolicy("off"))
    await asyncio.sleep(5000)
    assert not bob.dialogue.ended
    assert not alice.dialogue.ended
    await end(stage)
