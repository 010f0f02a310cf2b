"""RFC 8599 parameters of a contact: kept, compared, covered."""

from __future__ import annotations

import pytest

from tests.unit.registrar.office import Office, Phone
from trunkline.app.trace.covering import covered
from trunkline.registrar.push_parameters import shown, without_push

PUSH = ";pn-provider=apns;pn-prid=00fc13adff78512e;pn-param=DEF123.com.example.voip"
pytestmark = [pytest.mark.rule("T-30"), pytest.mark.rfc("8599", "4.1")]


async def test_they_stay_with_the_binding_as_they_came(office: Office, phone: Phone) -> None:
    await phone.register(f"<sip:301@10.0.0.7{PUSH}>")
    assert office.contacts() == [f"sip:301@10.0.0.7{PUSH}"]


async def test_they_name_the_phone_wherever_it_is(office: Office, phone: Phone) -> None:
    await phone.register(f"<sip:301@10.0.0.7:5062{PUSH}>")
    phone.call_id = "woken"
    await phone.register(f"<sip:301@192.168.1.9:40000{PUSH}>")
    assert office.contacts() == [f"sip:301@192.168.1.9:40000{PUSH}"]


async def test_another_token_is_another_phone(office: Office, phone: Phone) -> None:
    await phone.register(f"<sip:301@10.0.0.7{PUSH}>")
    await phone.register(f"<sip:301@10.0.0.7{PUSH.replace('00fc', '11fc')}>")
    await phone.register("<sip:301@10.0.0.8>")
    assert len(office.contacts()) == 3


async def test_the_token_stands_in_no_story(office: Office, phone: Phone) -> None:
    await phone.register(f"<sip:301@10.0.0.7{PUSH}>")
    await phone.register(f"<sip:301@10.0.0.7{PUSH}>", "Expires: 0\r\n")
    told = " ".join(step.text for _, story in office.stories for step in story.steps)
    assert "10.0.0.7;pn-provider=apns;pn-prid=(hidden);pn-param" in told
    assert "00fc13" not in told


@pytest.mark.parametrize(
    ("told", "left"),
    [
        (f"sip:a@b{PUSH}", "sip:a@b"),
        (f"sip:a@b;x=1{PUSH};ob", "sip:a@b;x=1;ob"),
        ("sip:a@b;Pn-Provider=apns;Pn-Prid=00fc;y", "sip:a@b;y"),
        ("sip:a@b;pn-call1=x;pn-v2.0=y;app-id=z", "sip:a@b"),
        ("sip:spn-x@b;y", "sip:spn-x@b;y"),
    ],
)
def test_others_are_told_nothing_of_it(told: str, left: str) -> None:
    assert without_push(told) == left


def test_the_token_is_covered_wherever_it_is_shown() -> None:
    assert shown("sip:a@b;PN-Prid=x") == "sip:a@b;PN-Prid=(hidden)"
    assert shown("sip:a@b") == "sip:a@b"
    message = f"REGISTER sip:a SIP/2.0\r\nContact: <sip:301@h{PUSH}>;expires=1\r\n\r\n".encode()
    hidden = covered(message)
    assert b"00fc13adff78512e" not in hidden
    assert len(hidden) == len(message)
    assert b";pn-param=DEF123.com.example.voip>;expires=1" in hidden
