"""A leg's security: what the party says made plain, and our keys in what it is told."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.media.commands import SetDtls, SetIce, SetKeys, SetPlain
from trunkline.media.identity import LocalPort
from trunkline.media.leg_security import Encryption, LegSecurity
from trunkline.media.offer_answer import streams_of
from trunkline.media.peer_security import plain_of

pytestmark = [pytest.mark.rule("T-24")]

KEY = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
CRYPTO = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n"
PRINT = "sha-256 " + ":".join(["0B"] * 32)
HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
OURS = "s=-\r\nc=IN IP4 198.51.100.9\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
LOCAL = [LocalPort("198.51.100.9", 20_000)]


def security(encryption: Encryption = "off") -> LegSecurity:
    counter = itertools.count(1)
    return LegSecurity(encryption, entropy=lambda count: bytes([next(counter)]) * count)


def body(protocol: str, more: str = "") -> bytes:
    return f"{HEAD}m=audio 4000 {protocol} 0\r\n{more}".encode()


@pytest.mark.rfc("4568", "6.1")
def test_an_mki_of_an_offer_is_in_our_answer_and_both_directions() -> None:
    leg = security()
    named = CRYPTO.replace(KEY, f"{KEY}|2^31|7:2")
    assert leg.read(body("RTP/SAVP", named), answer=False) == body("RTP/AVP")
    (command,) = leg.commands("p", 0)
    assert isinstance(command, SetKeys)
    assert (command.receive_key, command.send_mki, command.receive_mki) == (KEY, "0007", "0007")
    told = leg.dress(OURS, LOCAL, offer=False)
    assert told.endswith(f" inline:{command.send_key}|7:2\r\n")
    assert leg.dress(OURS, LOCAL, offer=True) == told, "and so it stays when we offer"


@pytest.mark.rfc("4568", "6.1")
def test_an_mki_of_an_answer_is_in_what_the_party_sends_alone() -> None:
    leg = security("required")
    assert "|" not in leg.dress(OURS, LOCAL, offer=True)
    leg.read(body("RTP/SAVP", CRYPTO.replace(KEY, f"{KEY}|1:4")), answer=True)
    (command,) = leg.commands("p", 0)
    assert isinstance(command, SetKeys)
    assert (command.send_mki, command.receive_mki) == ("", "00000001")


def test_another_mki_has_another_key_of_ours() -> None:
    """Under one key a number is sealed once, whatever the packets name it by."""
    leg = security()
    sent: dict[str, str] = {}
    for mki in ("", "|1:1", "|1:2", "|2:1"):
        leg.read(body("RTP/SAVP", CRYPTO.replace(KEY, KEY + mki)), answer=False)
        (command,) = leg.commands("p", 0)
        assert isinstance(command, SetKeys)
        sent[command.send_mki] = command.send_key
    assert len(set(sent.values())) == 4
    leg.read(body("RTP/SAVP", CRYPTO.replace(KEY, f"{KEY}|1:1")), answer=False)
    leg.take_back()
    assert leg.commands("p", 0) == []


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


@pytest.mark.parametrize(
    "line", ["m=audio 4000 rtp/avp 0", "m=audio 4000  RTP/AVP 0", "m=Audio  4000 Rtp/Avpf 0"]
)
@pytest.mark.parametrize("encryption", ["required", "dtls"])
@pytest.mark.parametrize("answer", [True, False])
def test_no_spelling_of_plain_rtp_gets_past(line: str, encryption: Encryption, answer: bool) -> None:
    leg = security(encryption)
    leg.fingerprint = "sha-256 AA"
    leg.dress(OURS, LOCAL, offer=True)
    plain = leg.read(f"{HEAD}{line}\r\n".encode(), answer=answer)
    if answer or encryption == "required":
        assert not streams_of(plain)[0].relayable
        assert leg.complaints


@pytest.mark.rfc("4568", "5.1.3")
@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (CRYPTO.replace(":1 ", ":2 "), "not offered under that tag"),
        (CRYPTO.replace(":1 ", ":9 "), "not offered under that tag"),
        (CRYPTO.replace("_80", "_32"), "not offered under that tag"),
        (CRYPTO + CRYPTO, "2 rows"),
        (CRYPTO + CRYPTO.replace(":1 ", ":2 "), "2 rows"),
        (CRYPTO.replace(KEY, KEY[4:]), "27 octets, expected 30"),
        (CRYPTO.replace(KEY, f"{KEY[:-1]}!"), "no base64"),
        (CRYPTO.replace(KEY, f"{KEY}|1:0"), "an MKI and its length"),
        (CRYPTO.replace("\r", " UNENCRYPTED_SRTP\r"), "UNENCRYPTED_SRTP"),
        (CRYPTO.replace("AES_CM", "F8"), "'F8_128_HMAC_SHA1_80'"),
        ("a=crypto:1\r\n", "malformed"),
        ("", "no a=crypto"),
    ],
)
@pytest.mark.parametrize("encryption", ["required", "preferred"])
def test_an_answer_has_one_row_of_those_that_were_offered(
    encryption: Encryption, rows: str, why: str
) -> None:
    leg = security(encryption)
    leg.dress(OURS, LOCAL, offer=True)
    plain = leg.read(body("RTP/SAVP", rows), answer=True)
    assert not streams_of(plain)[0].relayable
    (said,) = leg.complaints
    assert said.startswith("SDP answer, media line 1: ")
    assert why in said
    assert KEY[4:-1] not in said


@pytest.mark.parametrize("encryption", ["off", "preferred", "required"])
@pytest.mark.parametrize("protocol", ["UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF", "RTP/SAVPF"])
def test_dtls_is_no_answer_to_who_has_not_offered_it(encryption: Encryption, protocol: str) -> None:
    leg = security(encryption)
    leg.dress(OURS, LOCAL, offer=True)
    answer = body(protocol, f"a=fingerprint:{PRINT}\r\na=setup:active\r\n")
    assert not streams_of(leg.read(answer, answer=True))[0].relayable
    assert leg.complaints == [f"SDP answer, media line 1: {protocol}, which was not offered"]


def test_keys_are_no_answer_to_an_offer_without() -> None:
    leg = security()
    leg.dress(OURS, LOCAL, offer=True)
    assert not streams_of(leg.read(body("RTP/SAVP", CRYPTO), answer=True))[0].relayable
    assert leg.complaints == ["SDP answer, media line 1: RTP/SAVP with keys, which were not offered"]


@pytest.mark.rfc("5763", "5")
@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ("a=setup:active\r\n", "no a=fingerprint"),
        ("a=fingerprint:sha-1 AA:BB\r\na=setup:active\r\n", "no a=fingerprint"),
        (f"a=fingerprint:{'sha-256 AB'}\r\na=setup:active\r\n", "no a=fingerprint"),
        ("a=fingerprint:sha-256 " + ":".join(["ZZ"] * 32) + "\r\na=setup:active\r\n", "no a=fingerprint"),
        ("PRINTa=setup:holdconn\r\n", "'holdconn'"),
        ("PRINTa=setup:active\r\na=ice-ufrag:abcd\r\n", "a=ice-pwd"),
        (f"PRINTa=setup:active\r\na=ice-pwd:{'x' * 22}\r\n", "a=ice-pwd"),
        (f"PRINTa=setup:active\r\na=ice-ufrag:abcd\r\na=ice-pwd:{'x' * 21}\r\n", "a=ice-pwd"),
    ],
)
@pytest.mark.parametrize("answer", [True, False])
def test_dtls_that_could_not_be_checked_is_not_taken(answer: bool, rows: str, why: str) -> None:
    leg = security("dtls")
    leg.fingerprint = "sha-256 AA"
    leg.dress(OURS, LOCAL, offer=True)
    said = body("UDP/TLS/RTP/SAVPF", rows.replace("PRINT", f"a=fingerprint:{PRINT}\r\n"))
    assert not streams_of(leg.read(said, answer=answer))[0].relayable
    assert why in leg.complaints[0]


@pytest.mark.rfc("8842", "5.3")
@pytest.mark.parametrize("setup", ["active", "actpass", ""])
def test_who_leaves_the_roles_open_in_an_answer_is_waited_for(setup: str) -> None:
    leg = security("dtls")
    leg.fingerprint = "sha-256 AA"
    leg.dress(OURS, LOCAL, offer=True)
    role = f"a=setup:{setup}\r\n" if setup else ""
    leg.read(body("UDP/TLS/RTP/SAVPF", f"a=fingerprint:{PRINT}\r\n{role}"), answer=True)
    (command,) = leg.commands("p", 0)
    assert isinstance(command, SetDtls)
    assert (command.setup, command.fingerprint) == ("passive", PRINT)


@pytest.mark.rfc("8122", "5")
def test_what_stands_for_the_session_counts_for_its_streams() -> None:
    leg = security()
    paths = f"a=ice-ufrag:abcd\r\na=ice-pwd:{'x' * 22}\r\na=setup:active\r\na=fingerprint:{PRINT.lower()}\r\n"
    leg.read(f"{HEAD}{paths}m=audio 4000 UDP/TLS/RTP/SAVPF 0\r\n".encode(), answer=False)
    path, keys = leg.commands("p", 0)
    assert isinstance(path, SetIce)
    assert isinstance(keys, SetDtls)
    assert (path.remote_ufrag, keys.fingerprint) == ("abcd", PRINT)
    assert leg.mux(0) is False
    assert "rtcp-mux" not in leg.dress(OURS, LOCAL, offer=False)


def test_two_who_answer_one_offer_are_each_held_against_it() -> None:
    leg = security("preferred")
    leg.dress(OURS, LOCAL, offer=True)
    leg.read(body("RTP/AVP"), answer=True)
    assert leg.commands("p", 0) == [SetPlain("p")]
    leg.read(body("RTP/AVP", CRYPTO), answer=True)
    assert not leg.complaints
    (command,) = leg.commands("p", 0)
    assert isinstance(command, SetKeys)


@pytest.mark.rule("T-23")
@pytest.mark.parametrize("fax_by_us", [True, False])
def test_after_a_fax_the_sound_is_encrypted_again_with_a_new_key(fax_by_us: bool) -> None:
    image = "m=image 20000 udptl t38\r\n"
    leg = security("required")
    leg.dress(OURS, LOCAL, offer=True)
    leg.read(body("RTP/SAVP", CRYPTO), answer=True)
    (before,) = leg.commands("p", 0)
    if fax_by_us:
        assert leg.dress(f"s=-\r\n{image}", LOCAL, offer=True) == f"s=-\r\n{image}"
    leg.read(f"{HEAD}{image}".encode(), answer=fax_by_us)
    assert leg.commands("p", 0) == [SetPlain("p")]
    assert leg.keyed
    offer = leg.dress(OURS, LOCAL, offer=True)
    assert "m=audio 20000 RTP/SAVP 0" in offer
    assert not streams_of(leg.read(body("RTP/AVP"), answer=True))[0].relayable
    leg.read(body("RTP/SAVP", CRYPTO), answer=True)
    (after,) = leg.commands("p", 0)
    assert isinstance(before, SetKeys)
    assert isinstance(after, SetKeys)
    assert after.send_key in offer
    assert after.send_key != before.send_key


@pytest.mark.rule("T-23")
def test_a_refused_fax_keeps_the_keys() -> None:
    leg = security()
    leg.read(body("RTP/SAVP", CRYPTO), answer=False)
    leg.commands("p", 0)
    told = leg.dress(OURS, LOCAL, offer=False)
    leg.read(f"{HEAD}m=image 4000 udptl t38\r\n".encode(), answer=False)
    leg.take_back()
    assert leg.commands("p", 0) == []
    assert leg.dress(OURS, LOCAL, offer=False) == told


@pytest.mark.parametrize("answer", [True, False])
def test_what_was_agreed_is_not_taken_back_by_a_later_refusal(answer: bool) -> None:
    leg = security("required")
    if answer:
        leg.dress(OURS, LOCAL, offer=True)
    leg.read(body("RTP/SAVP", CRYPTO), answer=answer)
    (keys,) = leg.commands("p", 0)
    leg.take_back()  # of an offer without a description
    assert isinstance(keys, SetKeys)
    assert f" AES_CM_128_HMAC_SHA1_80 inline:{keys.send_key}" in leg.dress(OURS, LOCAL, offer=True)
    assert leg.commands("p", 0) == []


def test_a_browser_is_offered_no_video() -> None:
    leg = security("dtls")
    leg.fingerprint = "sha-256 AA"
    video = "m=video 20002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
    offer = leg.dress(OURS + video, [*LOCAL, LocalPort("198.51.100.9", 20_002)], offer=True)
    assert "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n" in offer
    assert "VP8" not in offer
    assert "a=group:BUNDLE 0\r\n" in offer


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
        leg = security(encryption)
        leg.fingerprint = "sha-256 AA"
        leg.read("\r\n".join(rows).encode(), answer=answer)
        leg.dress(OURS, LOCAL, offer=not answer)
        leg.commands("p", 0)


def test_no_key_is_shown() -> None:
    _, keyed = plain_of(body("RTP/SAVP", CRYPTO).decode())
    assert KEY not in repr(keyed)
