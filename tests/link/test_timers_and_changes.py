"""Session timers (RFC 4028) that meet what else goes on: short intervals, challenges, crashes, transfers."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.crash import Keeping
from tests.link.phones import describe
from tests.link.stage import HOST, Stage
from tests.link.test_session_timers import end, header, speaks, timed_stage
from tests.link.transferring import refer, until_told
from tests.link.virtual_time import virtual
from trunkline.call.target import Target
from trunkline.proto.sip.digest_client import Account, DigestClient
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.ua.challenges import Authorizer
from trunkline.ua.sessions.session_timer import TimerPolicy

pytestmark = [pytest.mark.rule("T-16")]


def authorizer_of(stage: Stage) -> Authorizer:
    """Credentials of ours for a peer that challenges us."""
    return Authorizer(DigestClient(Account("us", "secret")), lambda: stage.endpoint.ids.pool.token(16))


@pytest.mark.rfc("4028", "9")
@pytest.mark.parametrize(
    ("asks", "gets"),
    [
        ("Supported: timer\r\nMin-SE: 3600\r\n", "3600;refresher=uac"),
        ("Supported: timer\r\nSession-Expires: 4294967295\r\n", "1800;refresher=uac"),
        ("Supported: timer\r\nSession-Expires: 4294967295\r\nMin-SE: 4294967295\r\n", ""),
        ("Supported: timer\r\nMin-SE: 100000\r\n", ""),
    ],
)
@virtual
async def test_no_interval_is_shorter_than_the_caller_bears(asks: str, gets: str) -> None:
    stage = timed_stage()
    alice, _bob = stage.party(), stage.party()
    session = alice.call(HOST, "1002", extra=asks)
    await alice.until("answered")
    answer = stage.sent(HOST, "SIP/2.0 200", alice.host)[-1]
    assert header(answer, "Session-Expires") == gets
    session.hang_up()
    await stage.settle()


@pytest.mark.rfc("3261", "22.2")
@pytest.mark.parametrize("update", [True, False])
@virtual
async def test_a_refresh_that_is_challenged_is_sent_again_with_credentials(*, update: bool) -> None:
    stage = timed_stage(TimerPolicy("always", 200, 90))
    alice, bob = stage.party(), speaks(stage.party(), update=update)
    stage.contacts["1002"] = [
        Target(f"sip:1002@{bob.host}", label=bob.host, authorizer=lambda: authorizer_of(stage))
    ]
    await stage.connect(alice, bob)
    receive = bob.endpoint.on_request
    challenged: list[str] = []

    def challenge(incoming: Incoming) -> None:
        request = incoming.request
        if request.method in {"UPDATE", "INVITE"} and "Proxy-Authorization" not in request.headers:
            challenged.append(request.method)
            incoming.respond(
                407, extra='Proxy-Authenticate: Digest realm="carrier", nonce="n", qop="auth"\r\n'
            )
        else:
            receive(incoming)

    bob.endpoint.on_request = challenge  # type: ignore[method-assign]
    await asyncio.sleep(1000)
    assert challenged
    assert set(challenged) == {"UPDATE" if update else "INVITE"}
    assert not bob.dialogue.ended
    assert not alice.dialogue.ended
    await end(stage)


@virtual
async def test_who_may_not_be_refreshed_is_not_after_a_crash_either() -> None:
    stage = timed_stage(TimerPolicy("always", 200, 90))
    alice, bob = stage.party(), stage.party()
    stage.contacts["1002"] = [Target(f"sip:1002@{bob.host}", label=bob.host, may_refresh=False)]
    await stage.connect(alice, bob)
    keeping = Keeping(stage)
    await keeping.after(5)
    keeping = await keeping.crash()
    keeping.stage.endpoint.set_session_timers(TimerPolicy("always", 200, 90))
    sent = len(keeping.stage.sent(HOST, "", bob.host))
    status, _ = await bob.reoffer(describe(bob.host, version=3))
    assert status == 200
    await asyncio.sleep(400)
    refreshes = [
        data
        for data in keeping.stage.sent(HOST, "", bob.host)[sent:]
        if data.startswith((b"INVITE", b"UPDATE"))
    ]
    assert not refreshes
    alice.dialogue.hang_up()
    await keeping.stage.settle()


@pytest.mark.parametrize("side", ["caller", "callee"])
@pytest.mark.rule("T-37")
@virtual
async def test_all_who_talk_after_a_transfer_are_still_refreshed(side: str) -> None:
    stage = timed_stage(TimerPolicy("always", 200, 90))
    alice, bob = stage.party(), stage.party()
    await stage.connect(alice, bob)
    carol = stage.party()
    one, other = (alice, bob) if side == "caller" else (bob, alice)
    await refer(one, "1003")
    await until_told(one, "200 terminated")
    await asyncio.sleep(2000)
    for party in (other, carol):
        assert not party.dialogue.ended
        refreshes = stage.sent(HOST, "UPDATE", party.host) + stage.sent(HOST, "INVITE", party.host)
        assert len(refreshes) >= 20, "each 100 s"
    assert not stage.sent(HOST, "UPDATE", one.host)[5:], "who is out is not"
    other.dialogue.hang_up()
    await stage.settle()
