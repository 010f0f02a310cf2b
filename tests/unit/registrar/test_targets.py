"""From bindings to targets of a call."""

from __future__ import annotations

import pytest

from tests.unit.registrar.office import FakeFlow
from trunkline.model.binding import Binding
from trunkline.net.listener import Listener
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.registrar.targets import target_of, targets_of


def binding(path: str = "") -> Binding:
    return Binding(
        "a", "301", "b", "sip:301@10.0.0.7", "token", "198.51.100.7:5062", "c", 1, 0.0, 9.0, path=path
    )


def test_a_phone_is_reached_down_the_flow_it_registered_over() -> None:
    flow = FakeFlow()
    target = target_of(binding(), lambda token: flow if token == "token" else None, RegistrarPolicy())
    assert (target.uri, target.flow, target.route) == ("sip:301@10.0.0.7", flow, "")
    assert target.label == "301 at 198.51.100.7:5062"


def test_a_flow_that_is_gone_leaves_the_contact_to_be_tried() -> None:
    assert target_of(binding(), lambda _token: None, RegistrarPolicy()).flow is None


def test_without_nat_the_contact_is_where_the_phone_is() -> None:
    assert target_of(binding(), lambda _token: FakeFlow(), RegistrarPolicy(nat=False)).flow is None


@pytest.mark.rfc("3327", "5.3")
@pytest.mark.rule("T-30")
@pytest.mark.parametrize("nat", [True, False])
def test_a_phone_behind_a_proxy_is_reached_through_its_path(nat: bool) -> None:
    flow = FakeFlow()
    target = target_of(binding("<sip:edge;lr>\n<sip:core;lr>"), lambda _token: flow, RegistrarPolicy(nat=nat))
    assert target.route == "Route: <sip:edge;lr>\r\nRoute: <sip:core;lr>\r\n"
    assert target.flow is flow


@pytest.mark.rfc("7118", "5.2.3")
@pytest.mark.parametrize("transport", ["ws", "wss"])
def test_a_web_client_is_reached_down_its_flow_alone(transport: str) -> None:
    flow = FakeFlow(reliable=True)
    bound = binding()
    bound.flow = f"0000|{transport}|127.0.0.1:5066|198.51.100.7:5062|1.2"
    assert target_of(bound, lambda _token: flow, RegistrarPolicy(nat=False)).flow is flow
    assert bound.by_websocket
    assert not binding().by_websocket


@pytest.mark.rfc("3261", "26.2.2")
@pytest.mark.rule("T-28")
@pytest.mark.parametrize(
    ("url", "used"), [("tls:127.0.0.1", True), ("wss:127.0.0.1", True), ("tcp:127.0.0.1", False)]
)
def test_a_sips_contact_is_reached_within_tls_alone(url: str, used: bool) -> None:
    flow = FakeFlow(reliable=True)
    flow.listener = Listener(url)
    bound = binding()
    bound.contact = "sips:301@10.0.0.7"
    found = target_of(bound, lambda _token: flow, RegistrarPolicy()).flow
    assert (found is flow) is used


def of_phone(flow: str, reg_id: int, instance: str | None = "<urn:uuid:1>") -> Binding:
    made = binding()
    made.flow, made.reg_id, made.instance, made.contact = flow, reg_id, instance, f"sip:301@{flow}"
    return made


@pytest.mark.rule("T-30")
@pytest.mark.rfc("5626", "7")
def test_the_flows_of_one_phone_are_one_target_and_those_that_live_come_first() -> None:
    known = {"b": FakeFlow(), "c": FakeFlow(), "d": FakeFlow(), "e": FakeFlow()}
    bindings = [
        of_phone("a", 1),
        of_phone("b", 2),
        of_phone("c", 3),
        of_phone("d", 1, "<urn:uuid:2>"),
        of_phone("e", 0, None),
    ]
    first, second, third = targets_of(bindings, known.get, RegistrarPolicy())
    assert [first.uri, *(one.uri for one in first.others)] == ["sip:301@b", "sip:301@c", "sip:301@a"]
    assert (second.uri, second.others) == ("sip:301@d", ())
    assert (third.uri, third.others) == ("sip:301@e", ())


@pytest.mark.rfc("5626", "5.3")
def test_a_phone_with_flows_is_reached_by_them_even_without_nat() -> None:
    flow = FakeFlow()
    assert target_of(of_phone("a", 1), lambda _token: flow, RegistrarPolicy(nat=False)).flow is flow


@pytest.mark.rfc("8599", "5.6.2")
def test_only_a_proxy_that_wakes_the_phone_is_told_how() -> None:
    push = ";pn-provider=apns;pn-param=T.b;pn-prid=abc"
    plain, by_proxy = binding(), binding("<sip:edge.test;lr>")
    plain.contact = by_proxy.contact = f"sip:301@10.0.0.7;ob{push}"
    uris = [target_of(one, lambda _token: None, RegistrarPolicy()).uri for one in (plain, by_proxy)]
    assert uris == ["sip:301@10.0.0.7;ob", f"sip:301@10.0.0.7;ob{push}"]
