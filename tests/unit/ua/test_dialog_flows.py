"""Which flow requests within a dialog take, when the server of the INVITE was looked up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from trunkline.base.errors import TransportError
from trunkline.proto.sip.dialog import Dialog
from trunkline.ua.dialog_flows import flow_along

pytestmark = [pytest.mark.rule("T-15"), pytest.mark.rfc("3261", "12.2.1.1")]


class Network:
    """It makes any flow, but none to 198.51.100.13."""

    def flow_to(self, transport: str, host: str, port: int, _prefer: object = None) -> Any:
        if host == "198.51.100.13":
            raise TransportError("unreachable")
        return SimpleNamespace(remote=(host, port), reliable=transport != "UDP", listener=None)


def taken(target: str, route: str = "", remote: str = "198.51.100.1", *, reliable: bool = False) -> str:
    """The host and port of the flow that is taken, or "same"."""
    flow: Any = SimpleNamespace(remote=(remote, 5060), reliable=reliable, listener=None)
    dialog = Dialog("c", "l", "r", "<sip:a>", "<sip:b>", target, route, "", 1, None, early=False)
    network: Any = Network()
    chosen = flow_along(network, flow, dialog)
    return "same" if chosen is flow else f"{chosen.remote[0]}:{chosen.remote[1]}"


@pytest.mark.parametrize(
    ("target", "where"),
    [
        ("sip:x@198.51.100.1", "same"),
        ("sip:x@198.51.100.2", "198.51.100.2:5060"),
        ("sip:x@198.51.100.1:5070", "198.51.100.1:5070"),
        ("sip:x@gateway.example", "same"),
        ("sip:x@198.51.100.2;transport=tcp", "same"),
        ("sips:x@198.51.100.2", "same"),
        ("sip:x@198.51.100.13", "same"),
        ("tel:+4930", "same"),
    ],
)
def test_the_contact_is_followed_to_an_address(target: str, where: str) -> None:
    assert taken(target) == where


def test_a_private_address_is_followed_only_from_another_one() -> None:
    assert taken("sip:x@10.1.1.7", remote="8.8.8.8") == "same"
    assert taken("sip:x@10.1.1.7", remote="10.1.1.1") == "10.1.1.7:5060"


def test_a_route_set_goes_before_the_contact() -> None:
    assert taken("sip:x@198.51.100.2", "Route: <sip:198.51.100.3:5080;lr>\r\n") == "198.51.100.3:5080"
    assert taken("sip:x@198.51.100.2", "Route: <sip:198.51.100.1;lr>\r\n") == "same"


def test_a_connection_is_kept() -> None:
    assert taken("sip:x@198.51.100.2", reliable=True) == "same"
