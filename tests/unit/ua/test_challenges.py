"""Answering 401 and 407."""

from __future__ import annotations

import pytest

from trunkline.proto.sip.digest_client import Account, DigestClient
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Response
from trunkline.ua.challenges import Authorizer

CHALLENGE = 'Digest realm="pbx.test", nonce="abc", qop="auth", algorithm=MD5'


def authorizer() -> Authorizer:
    return Authorizer(DigestClient(Account("1001", "correct horse")), lambda: "c0ffee")


def draft(extra: str = "") -> Draft:
    return Draft(
        "INVITE", "sip:1002@pbx.test", "<sip:1001@pbx.test>", "<sip:1002@pbx.test>", "id", 1, extra=extra
    )


def refusal(status: int, header: str, value: str = CHALLENGE) -> Response:
    return Response(status, "", {header: value})


@pytest.mark.rfc("3261", "22.2")
@pytest.mark.parametrize(
    ("status", "asked", "answered"),
    [
        (401, "WWW-Authenticate", "Authorization"),
        (407, "Proxy-Authenticate", "Proxy-Authorization"),
    ],
)
def test_a_challenge_is_answered_in_the_header_it_asks_for(status: int, asked: str, answered: str) -> None:
    again = authorizer().answer(draft("Subject: lunch\r\n"), refusal(status, asked))
    assert again is not None
    assert again.cseq == 2
    assert again.extra.startswith("Subject: lunch\r\n")
    assert f'\r\n{answered}: Digest username="1001"' in again.extra


def test_a_second_challenge_replaces_the_first_answer() -> None:
    one = authorizer()
    again = one.answer(draft(), refusal(401, "WWW-Authenticate"))
    assert again is not None
    stale = CHALLENGE.replace('"abc"', '"def"') + ", stale=true"
    third = one.answer(again, refusal(401, "WWW-Authenticate", stale))
    assert third is not None
    assert third.cseq == 3
    assert third.extra.count("Authorization: ") == 1
    assert 'nonce="def"' in third.extra


def test_credentials_for_another_hop_are_kept() -> None:
    one = authorizer()
    again = one.answer(draft(), refusal(407, "Proxy-Authenticate"))
    assert again is not None
    third = one.answer(again, refusal(401, "WWW-Authenticate", CHALLENGE.replace("pbx.test", "other.test")))
    assert third is not None
    lines = Authorizer.lines_of(third)
    assert lines.startswith("Proxy-Authorization: ")
    assert "\r\nAuthorization: " in lines


def test_a_wrong_password_is_not_tried_for_ever() -> None:
    one = authorizer()
    again: Draft | None = draft()
    tries = 0
    while again is not None and tries < 10:
        again = one.answer(again, refusal(401, "WWW-Authenticate"))
        tries += 1
    assert tries == 3


@pytest.mark.parametrize(
    "response",
    [
        refusal(403, "WWW-Authenticate"),
        refusal(401, "Date"),
        refusal(401, "WWW-Authenticate", "Digest realm=broken,,, nonce"),
        refusal(401, "WWW-Authenticate", 'Basic realm="x"'),
    ],
    ids=["another status", "no challenge", "garbage", "another scheme"],
)
def test_what_cannot_be_answered_is_not(response: Response) -> None:
    assert authorizer().answer(draft(), response) is None


def test_a_request_without_credentials_has_no_lines_for_its_ack() -> None:
    assert Authorizer.lines_of(draft("Subject: lunch\r\n")) == ""
