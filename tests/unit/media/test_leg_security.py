"""A leg's security: what the party says made plain, and our keys in what it is told."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.media.commands import SetKeys, SetPlain
from trunkline.media.identity import LocalPort
from trunkline.media.leg_security import Encryption, LegSecurity
from trunkline.media.peer_security import plain_of

pytestmark = [pytest.mark.rule("T-24")]

KEY = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
CRYPTO = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n"
HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
OURS = "s=-\r\nc=IN IP4 198.51.100.9\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
LOCAL = [LocalPort("198.51.100.9", 20_000)]


def security(encryption: Encryption = "off") -> LegSecurity:
    counter = itertools.count(1)
    return LegSecurity(encryption, entropy=lambda count: bytes([next(counter)]) * count)


def body(protocol: str, more: str = "") -> bytes:
    return f"{HEAD}m=audio 4000 {protocol} 0\r\n{more}".encode()


@pytest.mark.rfc("4568", "5.1.2")
def test_an_answer_has_the_tag_and_suite_of_the_offer_and_a_key_of_ours() -> None:
    leg = security()
    assert leg.read(body("RTP/SAVP", CRYPTO), answer=False) == body("RTP/AVP")
    (command,) = leg.commands("p", 0)
    assert isinstance(command, SetKeys)
    assert command.receive_key == KEY
    told = leg.dress(OURS, LOCAL, offer=False)
    assert "m=audio 20000 RTP/SAVP 0\r\n" in told
    assert told.endswith(f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{command.send_key}\r\n")
    assert leg.dress(OURS, LOCAL, offer=False) == told
    assert leg.commands("p", 0) == []


def test_keys_beside_plain_rtp_answered_without_keys_are_given_up() -> None:
    leg = security("preferred")
    offer = leg.dress(OURS, LOCAL, offer=True)
    assert "RTP/AVP 0" in offer
    assert offer.count("a=crypto:") == 3
    assert leg.read(body("RTP/AVP"), answer=True) == body("RTP/AVP")
    assert leg.commands("p", 0) == [SetPlain("p")]
    assert leg.dress(OURS, LOCAL, offer=True) == OURS


def test_keys_beside_plain_rtp_are_taken_when_the_answer_takes_them() -> None:
    leg = security("preferred")
    leg.dress(OURS, LOCAL, offer=True)
    assert leg.read(body("RTP/AVP", CRYPTO), answer=True) == body("RTP/AVP")
    (command,) = leg.commands("p", 0)
    assert isinstance(command, SetKeys)
    again = leg.dress(OURS, LOCAL, offer=True)
    assert "RTP/AVP 0" in again
    assert f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{command.send_key}" in again


@pytest.mark.parametrize(
    ("encryption", "answer"),
    [
        ("required", body("RTP/AVP")),
        ("required", body("RTP/SAVP")),
        ("dtls", body("RTP/AVP")),
        ("required", body("RTP/SAVP", CRYPTO.replace("HMAC_SHA1_80", "HMAC_SHA1_32"))),
    ],
)
def test_an_answer_that_is_none_to_what_was_offered_is_carried_by_nothing(
    encryption: Encryption, answer: bytes
) -> None:
    leg = security(encryption)
    leg.fingerprint = "sha-256 AA"
    leg.dress(OURS, LOCAL, offer=True)
    assert b" RTP/SAVP 0" in leg.read(answer, answer=True)


def test_an_offer_that_is_refused_leaves_the_keys_as_they_were() -> None:
    leg = security()
    leg.read(body("RTP/SAVP", CRYPTO), answer=False)
    leg.commands("p", 0)
    leg.read(body("RTP/SAVP", CRYPTO.replace("WVN", "AAA")), answer=False)
    leg.take_back()
    assert leg.commands("p", 0) == []


@given(st.lists(st.sampled_from([
    "m=audio 4000 RTP/SAVP 0", "m=audio 9 UDP/TLS/RTP/SAVPF 0", "m=video 4 RTP/SAVPF 96", "m=x", "m=", "a=crypto:1 X",
    CRYPTO.strip(), "a=fingerprint:sha-256 AB", "a=fingerprint:", "a=ice-ufrag:x", "a=setup:actpass", "c=IN IP4 x y",
    "c=IN IP4 0.0.0.0", "a=mid:0", "a=group:BUNDLE 0", "", "\r", "v=0",
])), st.booleans())  # fmt: skip
def test_no_description_breaks_it(rows: list[str], answer: bool) -> None:
    for encryption in ("off", "preferred", "required", "dtls"):
        leg = security(encryption)  # type: ignore[arg-type]
        leg.fingerprint = "sha-256 AA"
        leg.read("\r\n".join(rows).encode(), answer=answer)
        leg.dress(OURS, LOCAL, offer=not answer)
        leg.commands("p", 0)


def test_no_key_is_shown() -> None:
    _, keyed = plain_of(body("RTP/SAVP", CRYPTO).decode())
    assert KEY not in repr(keyed)
