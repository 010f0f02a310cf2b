"""What an endpoint writes into Via and Contact on each transport, and where answers go."""

from __future__ import annotations

from typing import Any

import pytest

from trunkline.base.ids import NodeIds
from trunkline.net.listener import Listener
from trunkline.proto.sip.message import Request, parse_message
from trunkline.ua.endpoint import Endpoint


class Clock:
    """The part of a loop that an endpoint needs before anything happens."""

    def time(self) -> float:
        return 0.0


class Way:
    """A flow to 192.0.2.7:40000."""

    closed = False
    remote = ("192.0.2.7", 40000)

    def __init__(self, transport: str, role: str = "phones") -> None:
        url = f"{transport.lower()}:192.0.2.1"
        self.listener = Listener(url, role=role)
        self.transport = transport
        self.reliable = transport != "UDP"
        self.token = f"0000|{transport.lower()}|192.0.2.1|192.0.2.7:40000"


def way_by(transport: str, role: str = "phones") -> Any:
    return Way(transport, role)


class Wide:
    """A network that makes any flow."""

    def flow_to(self, transport: str, host: str, port: int, prefer: Listener | None = None) -> Any:
        return transport, host, port


def endpoint() -> Endpoint:
    network: Any = Wide()
    loop: Any = Clock()
    return Endpoint(network, NodeIds(0), loop, tag_key=b"k" * 32)


@pytest.mark.rfc("3261", "8.1.1.8")
@pytest.mark.rule("T-28")
@pytest.mark.parametrize(
    ("transport", "sip", "sips"),
    [
        ("UDP", "<sip:{}@192.0.2.1:5060>", ""),
        ("TCP", "<sip:{}@192.0.2.1:5060;transport=tcp>", ""),
        ("TLS", "<sip:{}@192.0.2.1:5061;transport=tls>", "<sips:{}@192.0.2.1:5061>"),
        ("WS", "<sip:{}@192.0.2.1:5066;transport=ws>", ""),
        ("WSS", "<sip:{}@192.0.2.1:5067;transport=wss>", "<sips:{}@192.0.2.1:5067;transport=ws>"),
    ],
)
def test_a_contact_names_the_transport_and_has_the_scheme_of_its_dialog(
    transport: str, sip: str, sips: str
) -> None:
    one, way = endpoint(), way_by(transport)
    assert one.contact(way) == sip.format(one.ids.prefix)
    if sips:
        assert one.contact(way, sips=True) == sips.format(one.ids.prefix)


@pytest.mark.rfc("7118", "5.2")
@pytest.mark.parametrize(("transport", "port"), [("TLS", 5061), ("WS", 5066), ("WSS", 5067)])
def test_a_via_names_the_transport_and_the_listener(transport: str, port: int) -> None:
    assert (
        endpoint().via(way_by(transport)).startswith(f"SIP/2.0/{transport} 192.0.2.1:{port};branch=z9hG4bK")
    )


@pytest.mark.rfc("3261", "18.2.2")
@pytest.mark.parametrize("transport", ["TCP", "TLS", "WS", "WSS"])
def test_an_answer_goes_back_down_the_connection_whatever_the_via_says(transport: str) -> None:
    request = parse_message(
        f"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/{transport} h.invalid:7;branch=z9hG4bK1\r\n".encode()
        + b"From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"
    )
    assert isinstance(request, Request)
    way = way_by(transport, "trunk")
    assert endpoint().reply_wire(request, way) is way
    elsewhere: Any = endpoint().reply_wire(request, way_by("UDP", "trunk"))
    assert elsewhere == ("UDP", "192.0.2.7", 7)
