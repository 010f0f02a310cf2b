"""GRUUs given to phones, and what they mean (RFC 5627)."""

from __future__ import annotations

import re

import pytest

from tests.unit.registrar.office import Office, Phone
from trunkline.proto.sip.message import Response
from trunkline.proto.sip.uri import SipUri, parse_uri
from trunkline.registrar.gruu import Gruus, Instance

URN = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
CONTACT = f'<sip:301@10.0.0.7>;+sip.instance="<{URN}>"'
KEY = bytes(range(32))
pytestmark = pytest.mark.rule("T-30")


@pytest.fixture
def office(office: Office) -> Office:
    office.door._gruus = Gruus(KEY)
    office.door.adjust(office.door.policy)
    return office


@pytest.fixture
def phone(office: Office) -> Phone:
    made = Phone(office)
    made.extra = "Supported: gruu\r\n"
    return made


def given(response: Response, kind: str) -> str:
    match = re.search(rf'{kind}-gruu="([^"]*)"', response.headers["Contact"])
    assert match is not None, response.headers["Contact"]
    return match[1]


def meant(office: Office, text: str, tenant: str = "a") -> Instance | None:
    # As after a restart: nothing is kept but the key and the bindings.
    return Gruus(KEY).find(parse_uri(text), tenant, office.location, office.now)


def contacts(found: Instance | None) -> list[str]:
    assert found is not None
    assert found.user == "301"
    return [one.contact for one in found.bindings]


@pytest.mark.rfc("5627", "5.3")
async def test_a_phone_that_asks_gets_both_kinds(office: Office, phone: Phone) -> None:
    response = await phone.register(CONTACT)
    assert given(response, "pub") == f"sip:301@a.test;gr={URN}"
    temporary = parse_uri(given(response, "temp"))
    assert temporary.host == "a.test"
    assert "gr" in temporary.params
    assert temporary.params["gr"] is None
    assert "301" not in temporary.user


@pytest.mark.rfc("5627", "5.3")
@pytest.mark.parametrize(("contact", "extra"), [("<sip:301@h>", "Supported: gruu\r\n"), (CONTACT, "")])
async def test_nobody_else_gets_any(phone: Phone, contact: str, extra: str) -> None:
    phone.extra = extra
    assert "gruu" not in (await phone.register(contact)).headers["Contact"]


@pytest.mark.rfc("5627", "6.1")
async def test_a_public_one_means_the_one_phone_whatever_its_contact(office: Office, phone: Phone) -> None:
    public = given(await phone.register(CONTACT), "pub")
    await phone.register("<sip:301@another>")
    assert contacts(meant(office, public)) == ["sip:301@10.0.0.7"]
    assert contacts(meant(office, public.replace("f81d", "F81D"))) == ["sip:301@10.0.0.7"]
    await phone.register(CONTACT, "Expires: 0\r\n")
    assert contacts(meant(office, public)) == []


@pytest.mark.rfc("5627", "3.1.2")
async def test_each_refresh_brings_another_temporary_one_and_all_are_good(
    office: Office, phone: Phone
) -> None:
    made = [given(await phone.register(CONTACT), "temp") for _ in range(3)]
    assert len(set(made)) == 3
    for text in made:
        assert contacts(meant(office, text)) == ["sip:301@10.0.0.7"]


@pytest.mark.rfc("5627", "3.1.2")
async def test_a_phone_that_begins_anew_ends_its_temporary_ones(office: Office, phone: Phone) -> None:
    old = given(await phone.register(CONTACT), "temp")
    phone.call_id = "after a restart"
    new = given(await phone.register(CONTACT), "temp")
    assert meant(office, old) is None
    assert contacts(meant(office, new)) == ["sip:301@10.0.0.7"]


@pytest.mark.rfc("5627", "3.1.2")
async def test_a_phone_that_leaves_ends_its_temporary_ones(office: Office, phone: Phone) -> None:
    old = given(await phone.register(CONTACT), "temp")
    await phone.register(CONTACT, "Expires: 0\r\n")
    await phone.register(CONTACT)
    assert meant(office, old) is None


@pytest.mark.rfc("5627", "3.1.2")
async def test_another_flow_of_the_phone_shares_them_and_a_new_beginning_ends_all(
    office: Office, phone: Phone
) -> None:
    first = given(await phone.register(f"{CONTACT};reg-id=1"), "temp")
    phone.call_id = "flow 2"
    await phone.register(f"{CONTACT.replace('0.7', '0.8')};reg-id=2")
    assert len(contacts(meant(office, first))) == 2
    phone.call_id = "after a restart"
    await phone.register(f"{CONTACT};reg-id=1")
    assert meant(office, first) is None
    assert len({one.epoch for one in office.location.all_of("a", "301")}) == 1


@pytest.mark.rfc("5627", "6.1")
async def test_what_is_made_up_or_of_another_tenant_means_nothing(office: Office, phone: Phone) -> None:
    good = given(await phone.register(CONTACT), "temp")
    assert meant(office, good, "b") is None
    user, _, rest = good.partition("@")
    forged = user[:20] + ("A" if user[20] != "A" else "B") + user[21:]
    for bad in (forged, f"{user}x", "sip:tgruu.", "sip:tgruu.%C3%A4", "sip:301"):
        assert meant(office, f"{bad}@{rest}") is None, bad


def test_any_instance_fits_into_a_uri() -> None:
    from trunkline.model.binding import Binding

    odd = Binding(
        "a", "30 1", "b", "sips:x@h", "f", "h:1", "c", 1, 0, 9, instance='<a;b="c">', epoch="00" * 8
    )
    text = Gruus(KEY).params(odd, "a.test")
    public = re.search(r'pub-gruu="([^"]*)"', text)
    assert public is not None
    uri: SipUri = parse_uri(public[1])
    assert (uri.scheme, uri.user, uri.params["gr"]) == ("sips", "30 1", 'a;b="c"')
