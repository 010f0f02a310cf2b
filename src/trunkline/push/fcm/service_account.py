"""A service account's key: the JSON file of the Firebase console, read, checked and used to sign."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from trunkline.base.errors import ConfigError

SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
GOOGLE_TOKENS: Final = "https://oauth2.googleapis.com/token"
GRANT_S: Final = 3600  # the longest that Google takes
_MAX_FILE: Final = 65536
_SETTINGS: Final = "settings"
_EXPECTED: Final = 'the JSON file of a service account\'s key ("type": "service_account")'
_HINT: Final = "Firebase console: Project settings, Service accounts, Generate new private key"
_LOCAL: Final = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """Who we are for Google. ``tokens_url`` is where access tokens come from."""

    email: str
    key_id: str
    project_id: str
    tokens_url: str
    key: rsa.RSAPrivateKey = field(repr=False)

    def grant(self, now: float) -> str:
        """A JWT that is changed for an access token (RFC 7523 §2.1, RS256), valid for an hour from ``now``."""
        header = {"alg": "RS256", "typ": "JWT", "kid": self.key_id}
        claims = {
            "iss": self.email,
            "scope": SCOPE,
            "aud": self.tokens_url,
            "iat": int(now),
            "exp": int(now) + GRANT_S,
        }
        signed = f"{_part(header)}.{_part(claims)}"
        signature = self.key.sign(signed.encode("ascii"), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_encoded(signature)}"


def read_account(path: Path, key: str = "push.fcm.service_account_path") -> ServiceAccount:
    """Raises ConfigError that says what is wrong with the file."""
    try:
        with path.expanduser().open("rb") as file:
            data = file.read(_MAX_FILE + 1)
    except OSError as error:
        seen = f"{path}, which cannot be read: {error.strerror}"
        raise ConfigError(_SETTINGS, key, seen, _EXPECTED, _HINT) from None
    return parse_account(data, key, str(path))


def parse_account(
    data: bytes | str, key: str = "push.fcm.service_account_env", name: str = "a text"
) -> ServiceAccount:
    """Raises ConfigError; nothing of the key is in it."""
    fields = _fields(data, key, name)
    kind = fields.get("type")
    if kind != "service_account":
        raise ConfigError(_SETTINGS, key, _other_file(fields, name), _EXPECTED, _HINT)
    texts = [_text(fields, one, key, name) for one in ("client_email", "private_key_id", "project_id")]
    tokens_url = _tokens_url(fields.get("token_uri", GOOGLE_TOKENS), key, name)
    return ServiceAccount(texts[0], texts[1], texts[2], tokens_url, _private_key(fields, key, name))


def stamp_of(path: Path) -> tuple[int, int, int] | None:
    """What changes when the file is written or replaced; None when it is not there."""
    try:
        status = os.stat(path.expanduser())  # noqa: PTH116  (one call for all three)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _fields(data: bytes | str, key: str, name: str) -> Mapping[str, Any]:
    if len(data) > _MAX_FILE:
        raise ConfigError(_SETTINGS, key, f"{name}, which has more than {_MAX_FILE} bytes", _EXPECTED, _HINT)
    try:
        fields = json.loads(data)
    except ValueError:  # of UTF-8, too
        raise ConfigError(_SETTINGS, key, f"{name}, which is no JSON", _EXPECTED, _HINT) from None
    if not isinstance(fields, dict):
        raise ConfigError(_SETTINGS, key, f"{name}, which is no JSON object", _EXPECTED, _HINT)
    return fields


def _other_file(fields: Mapping[str, Any], name: str) -> str:
    if "project_info" in fields:
        return f"{name}, which is the app's google-services.json"
    kind = fields.get("type")
    return f"{name}, which has the type {kind!a:.40}" if kind else f"{name}, which has no type"


def _text(fields: Mapping[str, Any], field_name: str, key: str, name: str) -> str:
    value = fields.get(field_name)
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ConfigError(_SETTINGS, key, f"{name} without {field_name}", _EXPECTED, _HINT)
    return value


def _tokens_url(url: Any, key: str, name: str) -> str:
    try:
        parts = urlsplit(url)
    except (ValueError, AttributeError):
        parts = urlsplit("")
    if not parts.hostname or not (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL)
    ):
        raise ConfigError(_SETTINGS, key, f"{name}, whose token_uri is no https URL", _EXPECTED, _HINT)
    return str(url)


def _private_key(fields: Mapping[str, Any], key: str, name: str) -> rsa.RSAPrivateKey:
    try:
        found = serialization.load_pem_private_key(str(fields.get("private_key")).encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        found = None
    if not isinstance(found, rsa.RSAPrivateKey):
        raise ConfigError(_SETTINGS, key, f"{name}, whose private_key is no RSA key in PEM", _EXPECTED, _HINT)
    return found


def _part(value: Mapping[str, Any]) -> str:
    return _encoded(json.dumps(value, separators=(",", ":")).encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
