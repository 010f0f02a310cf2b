"""A phone whose connection died with the exchange is reached by what it registered."""

from __future__ import annotations

from typing import cast

import pytest

from tests.unit.store.samples import a_binding
from trunkline.app import earlier_flows
from trunkline.app.earlier_flows import EarlierFlows
from trunkline.base.errors import TransportError
from trunkline.net import Net
from trunkline.registrar.policy import RegistrarPolicy

OLD = "0000|tcp|192.0.2.1:5060|192.0.2.7:40000|serial.1"
NEW = "0000|tcp|192.0.2.1:5060|192.0.2.7:40001|serial.2"
OTHER = "0000|tcp|192.0.2.1:5060|192.0.2.8:40002|serial.3"


class FakeFlow:
    """A flow is its token here."""

    def __init__(self, token: str) -> None:
        self.token = token


class FakeNet:
    """Knows the flows that live, and where connections can be made to."""

    def __init__(self, *tokens: str, reachable: bool = True) -> None:
        self.tokens = tokens
        self.reachable = reachable

    def flow_from_token(self, token: str) -> FakeFlow | None:
        return FakeFlow(token) if token in self.tokens else None

    def flow_to(self, transport: str, host: str, port: int) -> FakeFlow:
        if not self.reachable:
            raise TransportError("nobody there")
        return FakeFlow(f"{transport} {host} {port}")


def way(net: FakeNet, contact: str = "sip:1001@192.0.2.7:5062;transport=tcp", now: str = OLD) -> str | None:
    """The token of another way, after the phone of the old one has registered by ``now``."""
    flows = EarlierFlows(cast("Net", net), RegistrarPolicy())
    binding = a_binding("t1", flow=OLD, contact=contact, path="")
    flows.remember([binding])
    binding.flow = now
    found = flows.another_way(OLD)
    return found.token if found is not None else None


def test_the_connection_that_it_has_made_since_is_used() -> None:
    assert way(FakeNet(NEW), now=NEW) == NEW


def test_without_one_we_connect_to_its_contact() -> None:
    assert way(FakeNet()) == "TCP 192.0.2.7 5062"


def test_who_cannot_be_connected_to_has_no_other_way() -> None:
    assert way(FakeNet(reachable=False)) is None


def test_a_way_that_was_found_has_another_way_in_turn() -> None:
    net = FakeNet(NEW)
    flows = EarlierFlows(cast("Net", net), RegistrarPolicy())
    binding = a_binding("t1", flow=OLD, contact="sip:1001@192.0.2.7:5062;transport=tcp", path="")
    flows.remember([binding])
    binding.flow = NEW
    assert flows.another_way(OLD) is not None
    net.tokens = ()
    found = flows.another_way(NEW)
    assert found is not None
    assert found.token == "TCP 192.0.2.7 5062"


def test_nobody_else_has_one() -> None:
    flows = EarlierFlows(cast("Net", FakeNet(NEW)), RegistrarPolicy())
    flows.remember([a_binding("t1", flow="0000|udp|192.0.2.1:5060|192.0.2.7:5060")])
    assert flows.another_way("0000|udp|192.0.2.1:5060|192.0.2.7:5060") is None
    assert flows.another_way(OLD) is None


@pytest.mark.rule("T-27")
@pytest.mark.rfc("5626", "5.3")
def test_a_phone_that_has_moved_is_reached_by_its_new_connection() -> None:
    flows = EarlierFlows(cast("Net", FakeNet(NEW)), RegistrarPolicy())
    binding = a_binding("t1", flow=NEW, path="")
    flows.moved(OLD, binding)
    found = flows.another_way(OLD)
    assert found is not None
    assert found.token == NEW


def test_the_flow_of_long_ago_is_forgotten_for_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier_flows, "MAX_WAYS", 2)
    flows = EarlierFlows(cast("Net", FakeNet(NEW)), RegistrarPolicy())
    for serial in range(3):
        flows.moved(f"0000|tcp|a|b|{serial}", a_binding("t1", flow=NEW, path=""))
    flows.moved("0000|udp|a|b", a_binding("t1", flow=NEW, path=""))
    assert [flows.another_way(f"0000|tcp|a|b|{serial}") is not None for serial in range(3)] == [
        False,
        True,
        True,
    ]
    assert flows.another_way("0000|udp|a|b") is None


@pytest.mark.rule("T-30")
@pytest.mark.rfc("3327", "5.3")
def test_a_proxy_that_is_gone_has_no_other_way_but_the_route() -> None:
    flows = EarlierFlows(cast("Net", FakeNet(NEW)), RegistrarPolicy())
    flows.remember([a_binding("t1", flow=OLD, path="<sip:proxy.test;lr>")])
    assert flows.another_way(OLD) is None
    behind = a_binding("t1", flow="0000|tcp|a|b|gone", contact="sip:1@192.0.2.7", path="<sip:proxy.test;lr>")
    flows.moved(OLD, behind)
    assert flows.another_way(OLD) is None, "only the proxy reaches it there"


@pytest.mark.rule("T-27")
def test_a_connection_of_two_users_who_went_different_ways_leads_to_neither() -> None:
    flows = EarlierFlows(cast("Net", FakeNet(NEW, OTHER)), RegistrarPolicy())
    flows.moved(OLD, a_binding("t1", "1001", flow=NEW, path=""))
    flows.moved(OLD, a_binding("t1", "1002", flow=OTHER, path=""))
    assert flows.another_way(OLD) is None
    flows.moved(OLD, a_binding("t1", "1001", flow=NEW, path=""))
    assert flows.another_way(OLD) is None


@pytest.mark.rule("T-27")
def test_a_phone_with_two_users_that_comes_back_is_reached_by_its_new_connection() -> None:
    flows = EarlierFlows(cast("Net", FakeNet(NEW)), RegistrarPolicy())
    bindings = [a_binding("t1", user, flow=OLD, path="") for user in ("1001", "1002")]
    flows.remember(bindings)
    for binding in bindings:
        binding.flow = NEW
        flows.moved(OLD, binding)
    found = flows.another_way(OLD)
    assert found is not None
    assert found.token == NEW
