"""Requests within a call, and what of the caller's INVITE reaches the callee."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from tests.link.phones import Party
from tests.link.stage import DOMAIN, HOST, Stage
from tests.link.talking import both_sides, talking, who
from tests.link.virtual_time import virtual
from trunkline.call.target import Target
from trunkline.proto.sip.dialog import Dialog
from trunkline.proto.sip.message import Request
from trunkline.ua.sessions.session_timer import TimerPolicy


@both_sides
@pytest.mark.rule("T-40")
@virtual
async def test_info_passes_with_its_body_and_its_answer(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    sent = b"Signal=5\r\nDuration=160\r\n"
    response = await one.dialogue.request("INFO", body=sent, content_type="application/dtmf-relay")
    assert response.status == 200
    assert other.requests[-1].body == sent
    assert other.requests[-1].headers["Content-Type"] == "application/dtmf-relay"
    other.answer_with = 415
    response = await one.dialogue.request("INFO", body=sent, content_type="application/dtmf-relay")
    assert response.status == 415
    one.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_an_info_package_keeps_its_name() -> None:
    stage = Stage()
    alice, bob = await talking(stage)
    await alice.dialogue.request("INFO", extra="Info-Package: foo\r\n", body=b"x", content_type="text/plain")
    assert bob.requests[-1].headers["Info-Package"] == "foo"
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_info_that_nobody_answers_ends_with_the_call() -> None:
    stage = Stage()
    alice, bob = await talking(stage)
    stage.network.drop = lambda data, _src, dst: dst[0] == bob.host and data.startswith(b"INFO")
    response = await alice.dialogue.request("INFO", body=b"x", content_type="text/plain")
    assert response.status in {408, 500}
    await stage.settle()
    assert stage.outcome("in") == [(200, "call.lost", "exchange")]


@pytest.mark.rule("T-40")
@pytest.mark.parametrize(
    ("method", "status"), [("OPTIONS", 200), ("UPDATE", 200), ("NOSUCH", 501), ("REGISTER", 405)]
)
@both_sides
@virtual
async def test_other_requests_within_a_call_are_answered_here(side: str, method: str, status: int) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    stage.endpoint.methods |= {"REGISTER"}  # as with a registrar's door
    response = await one.dialogue.request(method)
    assert response.status == status
    assert "INVITE" in response.headers["Allow"]
    assert not other.requests
    one.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3261", "11.2")
@pytest.mark.rule("T-40")
@both_sides
@virtual
async def test_options_within_a_call_tells_what_is_taken_and_changes_nothing(side: str) -> None:
    stage = Stage()
    stage.endpoint.set_session_timers(TimerPolicy("always"))
    await talking(stage)
    one, other = who(stage, side)
    response = await one.dialogue.request("OPTIONS", extra="Accept: application/sdp\r\n")
    assert response.headers["Accept"] == "application/sdp"
    assert "INVITE" in response.headers["Allow"]
    assert "timer" in response.headers["Supported"]
    assert not other.requests
    one.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-40")
@pytest.mark.rfc("6086", "3")
@virtual
async def test_info_before_the_answer_is_answered_and_the_call_goes_on() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party(rings_s=2.0)
    stage.dial(alice, "1002")
    await alice.until("180")
    # Key presses into early media; no dialog with one callee is certain yet, so nobody across is told.
    response = await alice.dialogue.request("INFO", body=b"Signal=1", content_type="application/dtmf-relay")
    assert response.status == 200
    await alice.until("answered")
    await bob.until("acknowledged")
    assert (await bob.dialogue.request("INFO", body=b"x", content_type="text/plain")).status == 200
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3261", "8.2.2.3")
@pytest.mark.rule("T-40")
@both_sides
@virtual
async def test_a_request_that_requires_what_we_lack_gets_420(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    response = await one.dialogue.request("INFO", extra="Require: timer, outbound, 100rel\r\n")
    assert (response.status, response.headers["Unsupported"]) == (420, "timer, outbound")
    assert not other.requests
    one.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_request_in_a_call_that_nobody_knows_gets_481() -> None:
    stage = Stage()
    alice, _bob = await talking(stage)
    assert alice.dialogue.dialog is not None
    other = Dialog.restore(alice.dialogue.dialog.snapshot() | {"remote": "<sip:1002@pbx.test>;tag=other"})
    response = await alice.endpoint.request(other.request("INFO"), alice.dialogue.flow)
    assert response.status == 481
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3261", "12.2.2")
@virtual
async def test_a_request_with_an_old_number_gets_500() -> None:
    stage = Stage()
    alice, _bob = await talking(stage)
    dialog = alice.dialogue.dialog
    assert dialog is not None
    assert (await alice.dialogue.request("INFO")).status == 200
    dialog.local_seq -= 2
    assert (await alice.dialogue.request("INFO")).status == 500
    dialog.local_seq += 2
    alice.dialogue.hang_up()
    await stage.settle()


# What crosses


async def invited(stage: Stage, **rest: Any) -> tuple[Party, Request]:
    """The callee's INVITE of a call by 1001 to 1002, which is refused then."""
    alice, bob = stage.party(), stage.party()
    bob.refuse_with = 486
    stage.dial(alice, "1002", **rest)
    await alice.until("failed 486")
    return alice, bob.invites[0]


@pytest.mark.rule("T-33")
@virtual
async def test_credentials_of_the_caller_never_reach_the_callee() -> None:
    stage = Stage()
    alice, bob = await talking(stage)
    alice.dialogue.hang_up()
    await stage.settle()
    assert any(b"\r\nAuthorization: " in data for data in stage.sent(alice.host, "INVITE"))
    assert not any(b"uthorization" in data for data in stage.sent(HOST, "", bob.host))


@virtual
async def test_only_what_describes_the_call_crosses() -> None:
    stage = Stage()
    extra = "".join(
        f"{name}: {value}\r\n"
        for name, value in (
            ("Subject", "lunch"),
            ("Priority", "urgent"),
            ("Accept-Language", "cs, en"),
            ("P-Asserted-Identity", "<sip:boss@pbx.test>"),
            ("Remote-Party-ID", "<sip:boss@pbx.test>"),
            ("Route", f"<sip:{HOST};lr>"),
            ("Alert-Info", "<http://10.0.0.1/ring.wav>"),
            ("X-Secret", "7"),
        )
    )
    _alice, invite = await invited(stage, extra=extra)
    assert invite.headers["Subject"] == "lunch"
    assert invite.headers["Priority"] == "urgent"
    assert invite.headers["Accept-Language"] == "cs, en"
    assert not {"P-Asserted-Identity", "Remote-Party-ID", "Route", "Alert-Info", "X-Secret"} & set(
        invite.headers
    )
    await stage.settle()


@virtual
async def test_the_callee_sees_who_was_authenticated_not_what_the_caller_wrote() -> None:
    stage = Stage()
    alice, invite = await invited(stage, from_='"The Boss" <sip:boss@bank.example>')
    assert invite.headers["From"].startswith(f'"Number 1001" <sip:1001@{DOMAIN}>;tag=')
    assert "boss" not in str(invite.headers)
    assert not re.search(rf"{alice.host}\b", f"{invite.headers}{invite.body!r}"), (
        "the caller's address is ours to know"
    )
    await stage.settle()


@pytest.mark.rfc("3261", "16.6")
@virtual
async def test_each_call_through_us_costs_a_hop() -> None:
    stage = Stage()
    _alice, invite = await invited(stage, max_forwards=17)
    assert invite.headers["Max-Forwards"] == "16"
    await stage.settle()


@pytest.mark.rfc("3261", "16.3")
@virtual
async def test_an_invite_that_may_go_no_further_gets_483() -> None:
    stage = Stage()
    alice = stage.party()
    stage.dial(alice, "1002", max_forwards=0)
    await alice.until("failed 483")
    await stage.settle()
    assert not stage.records


@virtual
async def test_a_loop_through_the_exchange_comes_to_its_end() -> None:
    stage = Stage()
    alice, loop = stage.party(), stage.party()
    # A phone that forwards each call to itself through us, hop by hop.
    calls = 0

    def forward(session: object) -> None:
        nonlocal calls
        calls += 1
        hops = int(loop.invites[-1].headers["Max-Forwards"])
        loop.endpoint.loop.call_soon(lambda: stage.dial(loop, "1002", max_forwards=hops - 1))

    loop.on_invite = forward
    stage.dial(alice, "1002", max_forwards=7)
    await asyncio.sleep(5)
    assert calls == 3
    await alice.until("failed 480")
    await stage.settle()


@virtual
async def test_a_callees_own_route_is_followed() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    bob.refuse_with = 486
    flow = stage.network.nodes[HOST, 5060].flow_to("UDP", bob.host, 5060)
    route = f"Route: <sip:{bob.host};lr>\r\n"
    stage.contacts["1002"] = [Target("sip:1002@192.0.2.55", flow, label="behind a proxy", route=route)]
    stage.dial(alice, "1002")
    await alice.until("failed 486")
    assert bob.invites[0].headers["Route"] == f"<sip:{bob.host};lr>"
    assert bob.invites[0].uri == "sip:1002@192.0.2.55"
    await stage.settle()


@virtual
async def test_a_dialled_number_is_escaped_where_the_callee_reads_it() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    bob.refuse_with = 486
    alice.call(HOST, "10%2002")
    await alice.until("failed 486")
    assert bob.invites[0].headers["To"] == f"<sip:10%2002@{DOMAIN}>"
    await stage.settle()
