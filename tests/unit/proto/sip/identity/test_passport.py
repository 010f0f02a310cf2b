"""PASSporTs and the Identity header."""

from __future__ import annotations

import json

import pytest

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.identity.passport import DIV, SHAKEN, Passport, from_base64, parse_token, to_base64
from trunkline.proto.sip.identity.signed import Identity, parse_identities

URL = "https://cert.example.org/passport.cer"
SIGNATURE = to_base64(bytes(64))
HEADER = {"alg": "ES256", "typ": "passport", "x5u": URL}
CLAIMS = {"dest": {"uri": ["sip:alice@example.com"]}, "iat": 1443208345, "orig": {"tn": "12155551212"}}


def token(header: object, claims: object) -> str:
    parts = [to_base64(json.dumps(part).encode()) for part in (header, claims)]
    return f"{parts[0]}.{parts[1]}.{SIGNATURE}"


@pytest.mark.rfc("8225", "9")
@pytest.mark.rule("T-35")
def test_a_passport_is_written_in_the_one_form_that_is_signed() -> None:
    made = Passport(("tn", "12155551212"), {"uri": ["sip:alice@example.com"]}, 1443208345, URL, "")
    assert from_base64(made.header()).decode() == (
        '{"alg":"ES256","typ":"passport","x5u":"https://cert.example.org/passport.cer"}'
    )
    assert from_base64(made.payload()).decode() == (
        '{"dest":{"uri":["sip:alice@example.com"]},"iat":1443208345,"orig":{"tn":"12155551212"}}'
    )


@pytest.mark.rfc("8588", "4")
@pytest.mark.rule("T-35")
def test_a_shaken_passport_says_how_sure_its_signer_is() -> None:
    made = Passport(("tn", "1"), {"tn": ["2"]}, 7, URL, SHAKEN, attest="A", origid="123e4567")
    read, _ = parse_token(f"{made.header()}.{made.payload()}.{SIGNATURE}")
    assert read == made
    assert read is not None
    assert (read.attest, read.origid, read.signing_input()) == ("A", "123e4567", made.signing_input())


@pytest.mark.rfc("8946", "3")
@pytest.mark.rule("T-35")
def test_a_div_passport_says_whom_the_call_was_for() -> None:
    made = Passport(("tn", "1"), {"tn": ["3"]}, 7, URL, DIV, div=("tn", "2"))
    read, _ = parse_token(f"{made.header()}.{made.payload()}.{SIGNATURE}")
    assert read == made


def test_a_passport_that_came_is_checked_as_it_came_whatever_its_order() -> None:
    text = token(dict(reversed(HEADER.items())), dict(reversed(CLAIMS.items())))
    read, _ = parse_token(text)
    assert read is not None
    assert read.signing_input().decode() == text.rpartition(".")[0]


@pytest.mark.rfc("8225", "7")
@pytest.mark.rule("T-35")
def test_the_compact_form_is_a_signature_alone() -> None:
    assert parse_token(f"..{SIGNATURE}") == (None, bytes(64))


@pytest.mark.rfc("8224", "6.2.2")
@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 438),
        ("a.b", 438),
        (f"..{SIGNATURE}.", 438),
        ("..AAAA", 438),
        (f"%.%.{SIGNATURE}", 438),
        (f"{to_base64(b'[]')}.{to_base64(b'{}')}.{SIGNATURE}", 438),
        (f"{to_base64(b'x')}.{to_base64(b'{}')}.{SIGNATURE}", 438),
        (f"{to_base64(b'[' * 2000)}.{to_base64(b'{}')}.{SIGNATURE}", 438),
        ("a" * 5000, 438),
        (token(HEADER | {"typ": "JWT"}, CLAIMS), 438),
        (token(HEADER | {"alg": "none"}, CLAIMS), 437),
        (token(HEADER | {"x5u": 1}, CLAIMS), 438),
        (token(HEADER, CLAIMS | {"iat": "1443208345"}), 438),
        (token(HEADER, CLAIMS | {"iat": True}), 438),
        (token(HEADER, CLAIMS | {"orig": {}}), 438),
        (token(HEADER, CLAIMS | {"orig": {"tn": 1}}), 438),
        (token(HEADER, CLAIMS | {"dest": []}), 438),
        (token(HEADER, CLAIMS | {"dest": {"tn": [1]}}), 438),
        (token(HEADER, CLAIMS | {"dest": {"tn": {}}}), 438),
        (token(HEADER | {"ppt": "shaken"}, CLAIMS | {"attest": "D"}), 438),
        (token(HEADER | {"ppt": "div"}, CLAIMS), 438),
    ],
)
def test_what_is_no_passport_is_told_with_its_status(text: str, status: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_token(text)
    assert caught.value.status == status


@pytest.mark.rfc("7515", "4.1.11")
@pytest.mark.rule("T-35")
def test_a_passport_that_two_may_read_differently_is_none() -> None:
    payload = to_base64(json.dumps(CLAIMS).encode())
    with pytest.raises(RemoteProtocolError, match="rules that we do not know"):
        parse_token(token({**HEADER, "crit": ["b64"], "b64": False}, CLAIMS))
    claims = json.dumps(CLAIMS)[:-1] + ',"orig":{"tn":"12155550000"}}'
    doubled = f"{to_base64(json.dumps(HEADER).encode())}.{to_base64(claims.encode())}.{SIGNATURE}"
    with pytest.raises(RemoteProtocolError, match="no JSON"):
        parse_token(doubled)
    assert parse_token(doubled.replace(to_base64(claims.encode()), payload))[0] is not None


@pytest.mark.rfc("8224", "4")
@pytest.mark.rule("T-35")
def test_several_identities_are_read_from_one_line_or_from_many() -> None:
    first, second = Identity("a.b.c", URL, ppt="shaken"), Identity("..d", f"{URL}?x=1,2")
    for between in ("\n", ", "):
        assert parse_identities(f"{first}{between}{second}") == [first, second]
    spaced = f"a.b.c ; INFO = <{URL}> ; alg=ES256;ppt=shaken"
    assert parse_identities(spaced) == [first]


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("a.b.c", 436),
        ("a.b.c;info=", 436),
        ("a.b.c;info=<>", 436),
        (f"a.b.c;info=<{'x' * 2000}>", 436),
        (f"a.b.c;info=<{URL}", 436),
        (f'a.b.c;info=<{URL}>;alg="', 438),
        (", ".join([f"a;info=<{URL}>"] * 9), 438),
    ],
)
def test_a_malformed_identity_is_told_with_its_status(value: str, status: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_identities(value)
    assert caught.value.status == status
