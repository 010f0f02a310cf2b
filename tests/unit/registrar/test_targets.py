"""From bindings to targets of a call."""

from __future__ import annotations

import pytest

from tests.unit.registrar.office import FakeFlow
from trunkline.model.binding import Binding
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.registrar.targets import target_of


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
