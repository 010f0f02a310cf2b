"""Keys of service accounts: right ones sign, wrong ones are told what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import RSAKey

from trunkline.base.errors import ConfigError
from trunkline.push.doubles.fcm import FakeFcm
from trunkline.push.fcm.service_account import SCOPE, parse_account, read_account

NOW = 1_700_000_000.0


@pytest.fixture(scope="module")
def account() -> dict[str, Any]:
    """A key as the console gives it."""
    fields: dict[str, Any] = json.loads(FakeFcm(tls=False).service_account)
    return {**fields, "token_uri": "https://oauth2.googleapis.com/token"}


@pytest.mark.rfc("7523", "3")
def test_the_grant_is_a_signed_jwt(account: dict[str, Any]) -> None:
    read = parse_account(json.dumps(account))
    token = jwt.decode(read.grant(NOW), RSAKey.import_key(account["private_key"]), algorithms=["RS256"])
    assert token.header == {"alg": "RS256", "typ": "JWT", "kid": account["private_key_id"]}
    assert token.claims == {
        "iss": account["client_email"],
        "scope": SCOPE,
        "aud": account["token_uri"],
        "iat": int(NOW),
        "exp": int(NOW) + 3600,
    }
    assert "PRIVATE" not in repr(read)


def _ec() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    return key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"type": "authorized_user"}, "has the type 'authorized_user'"),
        ({"type": None}, "has no type"),
        ({"type": None, "project_info": {}}, "is the app's google-services.json"),
        ({"client_email": ""}, "without client_email"),
        ({"project_id": None}, "without project_id"),
        ({"private_key": "-----BEGIN PRIVATE KEY-----\nsecret\n"}, "whose private_key is no RSA key"),
        ({"private_key": _ec()}, "whose private_key is no RSA key"),
        ({"private_key": None}, "whose private_key is no RSA key"),
        ({"token_uri": "http://oauth2.example.com/token"}, "whose token_uri is no https URL"),
        ({"token_uri": 5}, "whose token_uri is no https URL"),
    ],
)
def test_a_wrong_account_is_told_what_it_is(
    account: dict[str, Any], change: dict[str, Any], seen: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_account(json.dumps({**account, **change}))
    assert seen in str(caught.value)
    assert "push.fcm.service_account_env" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (b"no json", "is no JSON"),
        (b"\xff", "is no JSON"),
        (b"[]", "is no JSON object"),
        (b"x" * 70_000, "more than"),
    ],
)
def test_what_is_no_account_is_told(tmp_path: Path, text: bytes, seen: str) -> None:
    file = tmp_path / "account.json"
    file.write_bytes(text)
    with pytest.raises(ConfigError, match=seen) as caught:
        read_account(file)
    assert str(file) in str(caught.value)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_account(tmp_path / "none.json")
