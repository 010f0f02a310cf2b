"""Several flows of one phone (RFC 5626)."""

from __future__ import annotations

import pytest

from tests.unit.registrar.office import FakeFlow, Office, Phone
from trunkline.proto.sip.grammar import render_parameters
from trunkline.proto.sip.message import Response
from trunkline.registrar import contacts as registrar_contacts

INSTANCE = '+sip.instance="<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"'
OUTBOUND = "Supported: path, outbound\r\n"
EDGE = "Path: <sip:edge.test;lr;ob>\r\n"


def contact(reg_id: int, host: str = "10.0.0.7:5062", *, expires: int = 600) -> str:
    return f"<sip:301@{host};ob>;reg-id={reg_id};{INSTANCE};expires={expires}"


async def register(phone: Phone, value: str, extra: str = OUTBOUND, vias: str = "") -> Response:
    phone.extra = vias + extra
    return await phone.register(value, "")


@pytest.mark.rule("T-30")
@pytest.mark.rfc("5626", "6")
async def test_a_phone_has_a_binding_for_each_of_its_flows(office: Office, phone: Phone) -> None:
    await register(phone, contact(1))
    phone.flow = FakeFlow(port=5099)
    phone.call_id = "c2"
    response = await register(phone, contact(2))
    assert [(one.reg_id, one.flow) for one in office.location.all_of("a", "301")] == [
        (1, "UDP|198.51.100.7:5062"),
        (2, "UDP|198.51.100.7:5099"),
    ]
    assert len(response.values("Contact")) == 2


@pytest.mark.rule("T-30")
@pytest.mark.rfc("5626", "6")
async def test_the_same_instance_and_reg_id_replace_the_older_binding(office: Office, phone: Phone) -> None:
    await register(phone, contact(1))
    phone.flow, phone.call_id = FakeFlow("203.0.113.9", 7000), "c2"
    await register(phone, contact(1, "10.9.9.9:7000"))
    assert office.contacts() == ["sip:301@10.9.9.9:7000;ob"]


@pytest.mark.rule("T-30")
@pytest.mark.rfc("5626", "6")
@pytest.mark.parametrize(("reliable", "seconds"), [(False, "25"), (True, "120")])
async def test_who_has_a_flow_is_told_so_and_when_to_keep_it_alive(
    phone: Phone, reliable: bool, seconds: str
) -> None:
    phone.flow = FakeFlow(reliable=reliable)
    response = await register(phone, contact(1))
    assert response.status == 200
    assert (response.headers["Require"], response.headers["Flow-Timer"]) == ("outbound", seconds)


@pytest.mark.rule("T-30")
@pytest.mark.rfc("5626", "6")
@pytest.mark.parametrize(
    ("value", "extra"),
    [
        (contact(1), "Supported: path\r\n"),
        (f"<sip:301@10.0.0.7>;{INSTANCE}", OUTBOUND),
        ("<sip:301@10.0.0.7>;reg-id=1", OUTBOUND),
    ],
)
async def test_who_does_not_ask_for_a_flow_is_promised_none(phone: Phone, value: str, extra: str) -> None:
    response = await register(phone, value, extra)
    assert response.status == 200
    assert "Require" not in response.headers
    assert "Flow-Timer" not in response.headers


@pytest.mark.rule("T-30")
@pytest.mark.rfc("5626", "6")
@pytest.mark.parametrize(
    ("extra", "status"),
    [
        (OUTBOUND, 439),
        (OUTBOUND + "Path: <sip:edge.test;lr>\r\n", 439),
        (OUTBOUND + "Path: <sip:core.test;lr;ob>, <sip:edge.test;lr>\r\n", 439),
        (OUTBOUND + EDGE, 200),
        (OUTBOUND + "Path: <sip:core.test;lr>, <sip:edge.test;lr;ob>\r\n", 200),
        ("Supported: path\r\n", 200),
    ],
)
async def test_a_first_hop_that_keeps_no_flows_is_439(
    office: Office, phone: Phone, extra: str, status: int
) -> None:
    response = await register(phone, contact(1), extra, "Via: SIP/2.0/UDP 10.7.7.7;branch=z9hG4bKphone\r\n")
    assert response.status == status
    assert len(office.contacts()) == (status == 200)


@pytest.mark.rfc("5626", "6")
async def test_two_contacts_on_one_flow_are_400(office: Office, phone: Phone) -> None:
    response = await register(phone, f"{contact(1)}, <sip:302@10.0.0.8>")
    assert response.status == 400
    assert office.contacts() == []


@pytest.mark.rule("T-30")
@pytest.mark.rfc("5626", "4.2.2")
async def test_another_phone_has_the_same_reg_id_for_itself(office: Office, phone: Phone) -> None:
    await register(phone, contact(1))
    other = Phone(office, flow=FakeFlow("203.0.113.9"))
    other.call_id = "other"
    await register(other, contact(1, "10.0.0.8").replace("f81d4fae", "aaaaaaaa"))
    assert len(office.contacts()) == 2


@pytest.mark.rule("T-30")
async def test_what_a_phone_was_reached_by_leads_to_its_new_flow(office: Office, phone: Phone) -> None:
    moved: list[tuple[str, str]] = []
    office.door._on_moved = lambda token, binding: moved.append((token, binding.flow))
    await register(phone, contact(1))
    phone.flow = FakeFlow(port=5100)
    await register(phone, contact(1))
    phone.flow = FakeFlow(port=5200)
    await register(phone, contact(1, "10.9.9.9"))
    flows = [f"UDP|198.51.100.7:{port}" for port in (5062, 5100, 5200)]
    assert moved == [(flows[0], flows[1]), (flows[1], flows[2])]


@pytest.mark.rule("T-30")
async def test_the_connection_of_a_proxy_leads_to_no_single_phone(office: Office, phone: Phone) -> None:
    moved: list[str] = []
    office.door._on_moved = lambda token, _binding: moved.append(token)
    await register(phone, contact(1), OUTBOUND + EDGE)
    phone.flow = FakeFlow(port=5100)
    await register(phone, contact(1), OUTBOUND + EDGE)
    phone.flow = FakeFlow(port=5200)
    await register(phone, contact(1, "10.9.9.9"))
    assert len(office.contacts()) == 1
    assert moved == []


@pytest.mark.rule("T-30")
@pytest.mark.rfc("3327", "5.3")
@pytest.mark.parametrize(("strict", "status"), [(True, 420), (False, 200)])
async def test_a_path_that_the_phone_does_not_know_of_is_refused_or_not(strict: bool, status: int) -> None:
    from trunkline.registrar.policy import RegistrarPolicy

    office = Office(RegistrarPolicy(strict_path=strict))
    response = await Phone(office).register("<sip:301@h>", EDGE)
    assert response.status == status
    await office.close()


@pytest.mark.rfc("3608", "6")
async def test_phones_are_told_by_which_way_to_send() -> None:
    from trunkline.registrar.policy import RegistrarPolicy

    office = Office(RegistrarPolicy(service_route="<sip:edge.test;lr>"))
    phone = Phone(office)
    for _ in range(2):
        response = await phone.register()
        assert response.headers["Service-Route"] == "<sip:edge.test;lr>"
    office.door.adjust(RegistrarPolicy())
    assert "Service-Route" not in (await phone.register()).headers
    await office.close()


@pytest.mark.rule("T-30")
@pytest.mark.rfc("3840", "9")
async def test_what_a_phone_says_that_it_can_is_kept(office: Office, phone: Phone) -> None:
    await phone.register(f'<sip:301@h>;+sip.ice;methods="INVITE, BYE";{INSTANCE};q=0.5;expires=600', "")
    (binding,) = office.location.all_of("a", "301")
    assert binding.params == ';+sip.ice;methods="INVITE, BYE"'
    await phone.register(f"<sip:301@h>;video;{INSTANCE}")
    assert binding.params == ";video"
    await phone.register(f"<sip:301@h>;{INSTANCE};{';'.join(f'x{n}={n:0>40}' for n in range(40))}")
    assert 400 < len(binding.params) <= 512


async def test_contacts_of_thousands_of_parameters_are_read_once(
    office: Office, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[int] = []

    def count(parameters: dict[str, str | None]) -> str:
        rendered.append(len(parameters))
        assert sum(rendered) <= 3000, "each of them once"
        return render_parameters(parameters)

    monkeypatch.setattr(registrar_contacts, "render_parameters", count)
    await phone.register("<sip:301@h>" + "".join(f";p{number}" for number in range(3000)))
    (binding,) = office.location.all_of("a", "301")
    assert binding.params.startswith(";p0;p1;")
    assert 500 < len(binding.params) <= 512
