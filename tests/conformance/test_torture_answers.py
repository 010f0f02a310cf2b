"""What the endpoint and the exchange answer to the torture messages that nobody below them can judge."""

from __future__ import annotations

import asyncio

import pytest

from tests.conformance.torture import TORTURE
from tests.unit.proto.sip.transaction.kit import FakeWire, World
from trunkline.base.ids import NodeIds
from trunkline.call.refusals import refusal_of
from trunkline.net.flow import Flow
from trunkline.net.listener import Listener
from trunkline.proto.sip.message import Request, Response, parse_message
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.ua.endpoint import Endpoint


class FakeFlow(FakeWire):
    """A wire with what an endpoint asks of a flow besides."""

    transport = "TCP"
    listener = Listener("tcp:192.0.2.1:5060")
    closed = False
    token = "flow"


class NoNetwork:
    """Nothing is sent anywhere but back."""

    def flow_to(self, transport: str, host: str, port: int, prefer: Listener | None = None) -> Flow:
        raise AssertionError("an answer goes back down its flow")

    def flow_from_token(self, token: str) -> Flow | None:
        raise AssertionError("an answer goes back down its flow")


class OpenDoor:
    """Takes every call; what the exchange's own door refuses is tested with it."""

    methods = frozenset({"INVITE"})

    def claim(self, incoming: Incoming, flow: Flow) -> bool:
        incoming.respond(200)
        return True


async def answer_to(name: str) -> Response:
    endpoint = Endpoint(NoNetwork(), NodeIds(), asyncio.get_running_loop(), tag_key=b"k" * 32)
    endpoint.set_doors([OpenDoor()])
    flow = FakeFlow(World(), reliable=True)
    try:
        endpoint.receive(TORTURE[name].data, flow)  # type: ignore[arg-type]  # all that is used of a flow
    finally:
        endpoint.close()
    (message,) = flow.messages
    assert isinstance(message, Response)
    return message


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("wsinv", 481),
        ("intmeth", 501),
        ("esc02", 501),
        ("esc01", 200),
        ("lwsdisp", 200),
        ("longreq", 200),
        ("semiuri", 200),
        ("transports", 200),
        ("baddate", 200),
        ("badbranch", 200),
        ("inv2543", 200),
        ("via-received-param-with-delim", 481),
        ("mult-ip-in-header", 481),
        ("zeromf", 200),
        ("unkscm", 416),
        ("novelsc", 416),
        ("bext01", 420),
    ],
)
@pytest.mark.rule("T-40")
async def test_the_endpoint_answers_as_the_rfc_says(name: str, status: int) -> None:
    assert (await answer_to(name)).status == status


@pytest.mark.rfc(3261, "20.1")
@pytest.mark.rule("T-40")
def test_an_invite_whose_sender_takes_no_session_description_is_refused() -> None:
    invite = parse_message(TORTURE["sdp01"].data)
    assert isinstance(invite, Request)
    assert refusal_of(invite) == (406, "Accept: application/sdp\r\n")


@pytest.mark.rfc(3261, "8.2.1")
async def test_a_method_that_is_not_known_is_told_those_that_are() -> None:
    assert "OPTIONS" in (await answer_to("intmeth")).headers["Allow"]
