"""Messages that only their reader reads: the example of RFC 8291, and everything that is no such message."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from trunkline.base.errors import LocalProtocolError, RemoteProtocolError
from trunkline.push.webpush.base64url import decoded, encoded
from trunkline.push.webpush.encryption import MOST_TEXT, RECORD, Subscription, decrypt, encrypt

# RFC 8291 appendix A.
TEXT = b"When I grow up, I want to be a watermelon"
SERVER_KEY = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
CLIENT_KEY = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
P256DH = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
SALT = "DGv6ra1nlYgDCS1FRnbzlw"
MESSAGE = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_"
    "yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def private(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(decoded(text), "big"), ec.SECP256R1())


@pytest.mark.rfc("8291", "A")
@pytest.mark.rfc("8188", "2")
def test_the_example_of_the_rfc_comes_out_byte_for_byte() -> None:
    body = encrypt(
        TEXT, Subscription.of(P256DH, AUTH), padded_to=0, salt=decoded(SALT), key=private(SERVER_KEY)
    )
    assert encoded(body) == MESSAGE


@pytest.mark.rfc("8291", "A")
def test_the_example_of_the_rfc_is_read() -> None:
    assert decrypt(decoded(MESSAGE), private(CLIENT_KEY), decoded(AUTH)) == TEXT


@pytest.mark.rfc("8291", "4")
@given(st.binary(max_size=MOST_TEXT), st.sampled_from([0, 1, 512, 10_000]))
def test_every_text_comes_back_and_shows_its_length_roughly(text: bytes, padded_to: int) -> None:
    body = encrypt(text, Subscription.of(P256DH, AUTH), padded_to=padded_to)
    assert decrypt(body, private(CLIENT_KEY), decoded(AUTH)) == text
    assert len(body) <= RECORD
    if padded_to == 512:
        assert len(body) in {103 + min(MOST_TEXT, 512 * count) for count in range(9)}


def test_no_two_messages_look_alike() -> None:
    to = Subscription.of(P256DH, AUTH)
    assert encrypt(TEXT, to) != encrypt(TEXT, to)


def test_what_is_too_long_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError, match="3994 bytes"):
        encrypt(bytes(MOST_TEXT + 1), Subscription.of(P256DH, AUTH))


@pytest.mark.parametrize(
    ("p256dh", "auth", "wrong"),
    [
        ("", AUTH, "p256dh"),
        (P256DH[:-4], AUTH, "p256dh"),
        (encoded(b"\x04" + bytes(64)), AUTH, "p256dh"),
        (P256DH + "!", AUTH, "p256dh"),
        (P256DH, "", "auth"),
        (P256DH, AUTH[:-2], "auth"),
        (P256DH, "no base64 at all", "auth"),
    ],
)
def test_wrong_keys_are_told(p256dh: str, auth: str, wrong: str) -> None:
    with pytest.raises(LocalProtocolError, match=wrong) as caught:
        Subscription.of(p256dh, auth)
    assert not auth or auth not in str(caught.value)


def test_padding_of_base64_is_forgiven() -> None:
    assert Subscription.of(P256DH + "=", AUTH + "==").auth == decoded(AUTH)


@pytest.mark.parametrize("at", [0, 20, 21, 60, 90, -1])
def test_a_changed_byte_makes_it_nobodys(at: int) -> None:
    body = bytearray(decoded(MESSAGE))
    body[at] ^= 0xFF
    with pytest.raises(RemoteProtocolError):
        decrypt(bytes(body), private(CLIENT_KEY), decoded(AUTH))


@pytest.mark.rfc("8188", "2")
@pytest.mark.parametrize("size", [0, 17, 57])
def test_there_is_one_record_and_it_is_not_longer_than_said(size: int) -> None:
    body = decoded(MESSAGE)
    with pytest.raises(RemoteProtocolError, match="more than one record"):
        decrypt(body[:16] + size.to_bytes(4, "big") + body[20:], private(CLIENT_KEY), decoded(AUTH))


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decrypt(data, private(CLIENT_KEY), decoded(AUTH))


def test_the_text_is_for_its_reader_alone() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(RemoteProtocolError, match="somebody else"):
        decrypt(decoded(MESSAGE), other, decoded(AUTH))
    assert len(other.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)) == 65
