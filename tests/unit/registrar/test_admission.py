"""Who may register, and what others are told (RFC 3261 §22, rules T-32 and T-33)."""

from __future__ import annotations

import re

import pytest

from tests.unit.registrar.office import PASSWORD, FakeFlow, Office, Phone
from trunkline.proto.sip.challenge import parse_challenges
from trunkline.proto.sip.message import Response

PLACE = FakeFlow().remote[0]


def answer_alike(response: Response) -> str:
    """An answer without what is different each time."""
    text = f"{response.status} {response.reason} {sorted(response.headers.items())}"
    return re.sub(r'nonce="[0-9a-f]+"|tag=[0-9a-f]{16}|branch=\w+', "", text)


async def test_a_phone_may_answer_with_either_algorithm(office: Office) -> None:
    for user, algorithm in (("301", "SHA-256"), ("302", "MD5")):
        phone = Phone(office, user)
        phone.algorithm = algorithm
        assert (await phone.register()).status == 200


async def test_who_answers_with_md5_is_offered_it_alone_from_then_on(office: Office, phone: Phone) -> None:
    first = parse_challenges(phone.challenged().headers["WWW-Authenticate"])
    assert [one.algorithm for one in first] == ["SHA-256", "MD5"]
    await phone.register()
    later = parse_challenges(phone.challenged().headers["WWW-Authenticate"])
    assert [one.algorithm for one in later] == ["MD5"]


@pytest.mark.rule("T-32")
async def test_an_unknown_user_and_a_wrong_password_get_one_and_the_same_answer(office: Office) -> None:
    wrong, nobody = Phone(office, password="guess"), Phone(office, "999")
    answers = [await phone.register("<sip:x@h>") for phone in (wrong, nobody)]
    assert [response.status for response in answers] == [401, 401]
    assert answer_alike(answers[0]).replace("301", "N") == answer_alike(answers[1]).replace("999", "N")
    assert "stale" not in answers[0].headers["WWW-Authenticate"]
    assert office.contacts() == []


async def test_the_operator_learns_what_was_wrong_and_who_it_was(office: Office) -> None:
    await Phone(office, password="guess").register()
    await Phone(office, "999").register()
    assert [(user, story.steps[0].data) for user, story in office.stories] == [
        ("301", {"verdict": "wrong", "source": PLACE}),
        ("999", {"verdict": "unknown user", "source": PLACE}),
    ]
    assert all("guess" not in str(story.as_list()) for _, story in office.stories)


@pytest.mark.rule("T-32")
async def test_an_expired_nonce_is_stale_to_who_knows_the_password_alone(office: Office) -> None:
    right, wrong = Phone(office), Phone(office, password="guess")
    messages = [phone.answered(phone.contact()) for phone in (right, wrong)]
    office.now += 301
    answers = [phone.send(data) for phone, data in zip((right, wrong), messages, strict=True)]
    stale = ["stale=true" in response.headers["WWW-Authenticate"] for response in answers if response]
    assert stale == [True, False]
    assert office.contacts() == []


@pytest.mark.rfc("3261", "10.3")
async def test_nobody_registers_for_another(office: Office, phone: Phone) -> None:
    phone.to = "<sip:302@a.test>"
    response = await phone.register()
    assert response.status == 403
    assert office.contacts("302") == office.contacts("301") == []


@pytest.mark.parametrize(
    "to", ['"Front" <sip:301@a.test>', "sip:301@a.test", "<sip:%3301@A.TEST:5060>", "<sip:301@alias.test>"]
)
async def test_the_own_address_may_be_written_in_any_way(office: Office, phone: Phone, to: str) -> None:
    phone.to = to
    assert (await phone.register()).status == 200
    assert len(office.contacts()) == 1


@pytest.mark.parametrize("to", ["<sip:301@b.test>", "<sip:301@nowhere.test>", "<tel:301>"])
async def test_an_address_of_another_domain_is_another(office: Office, phone: Phone, to: str) -> None:
    phone.to = to
    assert (await phone.register()).status == 403
    assert office.contacts() == office.contacts("301", "b") == []


async def test_a_domain_that_nobody_owns_is_404(office: Office, phone: Phone) -> None:
    phone.uri = "sip:nowhere.test"
    response = phone.send(phone.message(phone.contact()))
    assert response is not None
    assert response.status == 404
    assert [step.code for step in office.stories[0][1].steps] == [
        "register.unknown_domain",
        "register.refused",
    ]


@pytest.mark.parametrize(("uri", "status"), [("tel:301", 416), ("mailto:a@a.test", 416), ("sip:@", 400)])
async def test_a_request_uri_that_is_no_domain_is_refused(
    office: Office, phone: Phone, uri: str, status: int
) -> None:
    phone.uri = uri
    response = phone.send(phone.message(phone.contact()))
    assert response is not None
    assert response.status == status


async def test_the_domain_picks_the_tenant_and_its_realm(office: Office) -> None:
    for domain, realm in (("a.test", "a.test"), ("ALIAS.test", "a.test"), ("b.test", "b.test")):
        (*_, challenge) = parse_challenges(
            Phone(office, domain=domain).challenged().headers["WWW-Authenticate"]
        )
        assert challenge.realm == realm


@pytest.mark.rule("T-33")
async def test_a_user_of_another_tenant_cannot_register_here(office: Office) -> None:
    stranger = Phone(office, "401", domain="a.test")
    assert (await stranger.register()).status == 401
    # 301 is a user of both, with a password of its own in each.
    assert (await Phone(office, "301", PASSWORD, "b.test").register()).status == 401
    assert (await Phone(office, "301", "another-password", "b.test").register()).status == 200
    assert office.contacts("301", "a") == []
    assert len(office.contacts("301", "b")) == 1


@pytest.mark.rule("T-33")
async def test_credentials_for_the_realm_of_one_tenant_are_worth_nothing_at_another(office: Office) -> None:
    phone = Phone(office, "301", "another-password", "b.test")
    authorization = phone.credentials(phone.challenged())
    phone.domain, phone.uri = "a.test", "sip:a.test"
    response = phone.send(phone.message(phone.contact(), authorization))
    assert response is not None
    assert response.status == 401


@pytest.mark.rule("T-32")
async def test_a_user_may_name_its_realm(office: Office, phone: Phone) -> None:
    phone.username = "301@a.test"
    assert (await phone.register()).status == 200
    assert len(office.contacts("301")) == 1


@pytest.mark.parametrize("username", ["301@b.test", "301@", "@a.test", "301@a.test@a.test"])
async def test_a_user_of_another_realm_is_nobody(office: Office, phone: Phone, username: str) -> None:
    phone.username = username
    assert (await phone.register()).status == 401


@pytest.mark.rule("T-32")
async def test_a_retransmission_of_a_refresh_is_answered_again_and_changes_nothing(
    office: Office, phone: Phone
) -> None:
    await phone.register()
    data = phone.answered(phone.contact())
    first, again = phone.send(data), phone.send(data)
    assert first is not None
    assert again is not None
    assert (first.status, again.status) == (200, 200)
    assert first.headers == again.headers
    assert office.door.counters.refreshed == 1


@pytest.mark.rule("T-32")
@pytest.mark.rule("T-32")
async def test_credentials_that_were_overheard_bind_nobody_else(office: Office, phone: Phone) -> None:
    await phone.register()
    heard = phone.answered(phone.contact(), "Expires: 3600\r\n")
    phone.send(heard)
    # From behind the same NAT: over another source's nonce no digest is even looked at.
    thief, stranger = (Phone(office, flow=FakeFlow(host, 6666)) for host in (PLACE, "203.0.113.66"))
    bound, listed = b"Contact: <sip:301@10.0.0.7:5062>", b"Contact: <sip:301@10.0.0.7:5062>;expires=60"
    for forged, status in (
        (heard.replace(b"10.0.0.7:5062>", b"203.0.113.66>"), 401),
        (heard.replace(bound, bound + b", <sip:x@h>"), 401),
        (re.sub(rb"CSeq: \d+", b"CSeq: 99", heard), 401),
        (heard.replace(b"Call-ID: c1", b"Call-ID: c2"), 401),
        (heard.replace(b"To: <sip:301@", b"To: <sip:302@"), 401),
        # The same Call-ID and CSeq: these would change nothing if they were new.
        (heard.replace(bound, listed), 200),
        (heard.replace(bound, b"Contact: *").replace(b"Expires: 3600", b"Expires: 0"), 200),
    ):
        assert forged != heard
        response = thief.send(re.sub(rb"branch=[^;]+", b"branch=z9hG4bKthief", forged))
        assert response is not None
        assert response.status == status, forged
        elsewhere = stranger.send(re.sub(rb"branch=[^;]+", b"branch=z9hG4bKstranger", forged))
        assert elsewhere is not None
        assert elsewhere.status == 401
        assert office.contacts() == ["sip:301@10.0.0.7:5062"]
        assert office.location.all_of("a", "301")[0].flow == phone.flow.token
    assert office.door.counters.refreshed == 1


async def test_two_phones_of_one_user_with_one_cnonce_both_register(office: Office) -> None:
    """Some clients use the same cnonce for ever; each challenge has a nonce of its own."""
    here, there = Phone(office), Phone(office, flow=FakeFlow("203.0.113.9"))
    there.call_id = "c2"
    messages = [here.answered("<sip:here@h>"), there.answered("<sip:there@h>")]
    for phone, data in zip((here, there), messages, strict=True):
        phone.send(data)
        await office.settle()
        assert phone.flow.last.status == 200
    assert sorted(office.contacts()) == ["sip:here@h", "sip:there@h"]


@pytest.mark.parametrize(
    "authorization",
    ["Digest", "Digest username=", "Digest realm=a.test", 'Digest username="301", username="301"'],
)
async def test_malformed_credentials_are_400(phone: Phone, authorization: str) -> None:
    response = phone.send(phone.message(phone.contact(), f"Authorization: {authorization}\r\n"))
    assert response is not None
    assert response.status == 400


async def test_credentials_of_another_scheme_are_challenged(phone: Phone) -> None:
    phone.challenged(extra="Authorization: Bearer abc\r\n")


async def test_a_refusal_is_counted(office: Office, phone: Phone) -> None:
    phone.to = "<sip:302@a.test>"
    await phone.register()
    counters = office.door.counters
    assert (counters.refused, counters.challenged, counters.registered) == (1, 1, 0)
