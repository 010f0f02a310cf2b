"""Who we are for push services."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jwt
from joserfc.jwk import ECKey

from trunkline.base.errors import ConfigError
from trunkline.push.webpush.base64url import decoded
from trunkline.push.webpush.vapid import LASTS_S, MOST_ORIGINS, VapidKey, keep_vapid_key, load_vapid_key

NOW = 1_700_000_000.0
SUBJECT = "mailto:voice@example.com"
PEM = serialization.Encoding.PEM


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@pytest.mark.rfc("8292", "2")
@pytest.mark.rfc("8292", "3")
def test_the_token_names_the_origin_its_end_and_us(key: ec.EllipticCurvePrivateKey) -> None:
    vapid = VapidKey(key, SUBJECT)
    words = vapid.authorization("https://push.example.net", NOW)
    scheme, _, rest = words.partition(" ")
    token, public = (part.strip().partition("=")[2] for part in rest.split(","))
    assert (scheme, public) == ("vapid", vapid.public)
    assert len(decoded(vapid.public)) == 65
    read = jwt.decode(token, ECKey.import_key(pem(key)), algorithms=["ES256"])
    assert read.header == {"typ": "JWT", "alg": "ES256"}
    assert read.claims == {"aud": "https://push.example.net", "exp": int(NOW) + LASTS_S, "sub": SUBJECT}


def test_a_token_serves_for_hours_and_for_one_origin(key: ec.EllipticCurvePrivateKey) -> None:
    vapid = VapidKey(key, SUBJECT)
    first = vapid.authorization("https://a.test", NOW)
    assert vapid.authorization("https://a.test", NOW + LASTS_S - 3601) == first
    assert vapid.authorization("https://b.test", NOW) != first
    assert vapid.signed == 2
    assert vapid.authorization("https://a.test", NOW + LASTS_S - 3599) != first
    assert vapid.authorization("https://b.test", NOW - 60) != vapid.authorization("https://b.test", NOW - 9e4)
    for number in range(MOST_ORIGINS + 50):
        vapid.authorization(f"https://{number}.test", NOW)
    before = vapid.signed
    vapid.authorization(f"https://{MOST_ORIGINS}.test", NOW)
    assert vapid.signed == before
    vapid.authorization("https://a.test", NOW)
    assert vapid.signed == before + 1, "what was long not used is forgotten"


def test_the_key_is_made_once_and_kept_to_ourselves(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "vapid.pem"
    made = keep_vapid_key(file, SUBJECT)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert keep_vapid_key(file, SUBJECT).public == made.public
    assert load_vapid_key(file, SUBJECT).public == made.public
    assert [one.name for one in file.parent.iterdir()] == ["vapid.pem"]


@pytest.mark.parametrize("text", [b"", b"-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_told(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "vapid.pem"
    file.write_bytes(text)
    for load in (keep_vapid_key, load_vapid_key):
        with pytest.raises(ConfigError, match="no plain PEM private key") as caught:
            load(file, SUBJECT)
        assert "secret" not in str(caught.value)
    assert file.read_bytes() == text, "what an operator wrote is not overwritten"


def test_a_key_of_another_kind_is_told(tmp_path: Path) -> None:
    file = tmp_path / "vapid.pem"
    for other in (ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)):
        file.write_bytes(pem(other))
        with pytest.raises(ConfigError, match="not of P-256"):
            load_vapid_key(file, SUBJECT)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_vapid_key(tmp_path / "none.pem", SUBJECT)
    with pytest.raises(ConfigError, match="read and write"):
        keep_vapid_key(tmp_path, SUBJECT)
