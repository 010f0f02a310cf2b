"""Authorization values."""

from __future__ import annotations

import pytest

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.auth_params import parse_auth_params
from trunkline.proto.sip.credentials import find_credentials, parse_credentials

WHOLE = (
    'Digest username="bob", realm="biloxi.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
    'uri="sip:bob@biloxi.com", qop=auth, nc=0000000a, cnonce="0a4f113b", '
    'response="6629FAE49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41", '
    "algorithm=sha-256"
)
SHORT = 'Digest username="a",realm="r",nonce="n",uri="sip:r",response="00"'


def test_all_parameters_are_read() -> None:
    credentials = parse_credentials(WHOLE)
    assert credentials is not None
    assert credentials.username == "bob"
    assert credentials.realm == "biloxi.com"
    assert credentials.nonce == "dcd98b7102dd2f0e8b11d0f600bfb0c093"
    assert credentials.uri == "sip:bob@biloxi.com"
    assert credentials.response == "6629fae49393a05397450978507c4ef1"
    assert (credentials.qop, credentials.cnonce) == ("auth", "0a4f113b")
    assert (credentials.nc, credentials.count) == ("0000000a", 10)
    assert credentials.opaque == "5ccc069c403ebaf9f0171e9517f40e41"
    assert credentials.algorithm == "SHA-256"
    assert not credentials.userhash


@pytest.mark.parametrize(
    "value",
    [
        SHORT,
        'digest  realm="r" , USERNAME = "a",\turi=sip:r,nonce="n",response=00',
        'DIGEST nonce="n",uri="sip:r",response="00",realm="r",username="a",',
        'Digest username="\\a",realm="r",nonce="n",uri="sip:r",response="00"',
    ],
)
def test_order_spaces_quotes_escapes_and_case_do_not_matter(value: str) -> None:
    credentials = parse_credentials(value)
    assert credentials is not None
    read = (credentials.username, credentials.realm, credentials.nonce, credentials.uri, credentials.response)
    assert read == ("a", "r", "n", "sip:r", "00")
    assert (credentials.algorithm, credentials.qop, credentials.count) == ("MD5", "", 0)


@pytest.mark.rfc("7616", "3.4")
def test_a_user_name_may_be_an_extended_value_or_a_hash() -> None:
    extended = SHORT.replace('username="a"', "username*=UTF-8''J%C3%A4s%C3%B8n%20Doe")
    credentials = parse_credentials(extended)
    assert credentials is not None
    assert credentials.username == "Jäsøn Doe"
    hashed = parse_credentials(SHORT + ",userhash=true")
    assert hashed is not None
    assert hashed.userhash


def test_a_quoted_value_may_hold_what_looks_like_parameters() -> None:
    credentials = parse_credentials(SHORT.replace('username="a"', 'username="x, response=1"'))
    assert credentials is not None
    assert credentials.username == "x, response=1"
    assert credentials.response == "00"


@pytest.mark.rfc("4475", "3.3.7")
@pytest.mark.parametrize("value", ["NoOneKnowsThisScheme opaque-data=here", "Basic YTpi", "Bearer", "", "  "])
def test_other_schemes_are_no_credentials(value: str) -> None:
    assert parse_credentials(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "Digest",
        "Digest ",
        SHORT.replace('realm="r",', ""),
        SHORT.replace('username="a",', ""),
        SHORT.replace('response="00"', 'response="é0"'),
        SHORT + ',response="01"',
        SHORT + ",algorithm=MD5,algorithm=SHA-256",
        SHORT + ',open="x',
        SHORT + ",opaque=",
        SHORT + ',"x"',
        SHORT + ",garbage",
        SHORT + ", a b=c",
        SHORT + ',qop=auth,cnonce="x"',
        SHORT + ",qop=auth,nc=00000001",
        SHORT + ',qop=auth,nc=000000001,cnonce="x"',
        SHORT + ',qop=auth,nc=+1,cnonce="x"',
        SHORT.replace('username="a"', "username*=UTF-8'J%C3"),
        SHORT.replace('username="a"', "username*=latin1''J"),
        SHORT.replace('username="a"', "username*=UTF-8''%zz"),
        SHORT + "".join(f',p{n}="x"' for n in range(100)),
        SHORT + "".join(f',p{n}="\\x"' for n in range(100)),
        SHORT + ',x="\\y',
        SHORT + ',x="\\y",x=2',
    ],
)
def test_malformed_credentials_are_an_error_that_repeats_none_of_them(value: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_credentials(value)
    assert caught.value.status == 400
    assert "sip:r" not in caught.value.reason


def test_credentials_for_the_realm_are_found_among_several() -> None:
    other = SHORT.replace('"r"', '"other"')
    for value in (f"{other}\n{SHORT}", f"Basic x\n{SHORT}\n{other}"):
        found = find_credentials(value, "r")
        assert found is not None
        assert found.realm == "r"
    foreign = find_credentials(other, "r")
    assert foreign is not None
    assert foreign.realm == "other"
    assert find_credentials("Basic x\nBearer y", "r") is None
    assert find_credentials(None, "r") is None


def test_a_response_is_never_shown() -> None:
    credentials = parse_credentials(WHOLE)
    assert "6629" not in repr(credentials)


def test_escaped_and_plain_lists_read_the_same() -> None:
    plain = 'a="1", b=2 , c="x,y=z",d="",E=5'
    assert parse_auth_params(plain) == {"a": "1", "b": "2", "c": "x,y=z", "d": "", "e": "5"}
    assert parse_auth_params(plain + ',f="\\\\"') == {**parse_auth_params(plain), "f": "\\"}
    assert parse_auth_params("") == {}
