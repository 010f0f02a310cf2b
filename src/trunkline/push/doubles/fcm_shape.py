"""Whether a request is what FCM documents: projects.messages.send, and the grant of a service account (RFC 7523)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

MOST_BYTES: Final = 4096
_LONGEST_S: Final = 2_419_200
_SCOPES: Final = {
    "https://www.googleapis.com/auth/firebase.messaging",
    "https://www.googleapis.com/auth/cloud-platform",
}
_TARGETS: Final = ("token", "fid", "topic", "condition")
_MESSAGE: Final = {"name", "data", "notification", "android", "webpush", "apns", "fcm_options", *_TARGETS}
_ANDROID: Final = {
    "collapse_key": str,
    "priority": str,
    "ttl": str,
    "restricted_package_name": str,
    "data": dict,
    "notification": dict,
    "fcm_options": dict,
    "direct_boot_ok": bool,
    "bandwidth_constrained_ok": bool,
    "restricted_satellite_ok": bool,
}
_is_reserved = re.compile(r"from\Z|message_type\Z|gcm|google").match
_duration = re.compile(r"([0-9]{1,12})(?:\.[0-9]{1,9})?s\Z").match


class WrongShapeError(ValueError):
    """``field`` is the path of what is wrong, as google.rpc.BadRequest has it."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(why)
        self.path = path


def check_send(body: bytes) -> tuple[str, str, dict[str, Any]]:
    """Kind of target, target, message. Raises WrongShapeError."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise WrongShapeError("", "Invalid JSON payload received.") from None
    _known(request, {"message", "validate_only"}, "")
    message = request.get("message")
    _known(message, _MESSAGE, "message")
    targets = [name for name in _TARGETS if name in message]
    if len(targets) != 1:
        raise WrongShapeError("message", "Exactly one of token, fid, topic or condition must be specified.")
    target = message[targets[0]]
    if not isinstance(target, str) or not target or not target.isascii() or len(target.split()) != 1:
        why = "The registration token is not a valid FCM registration token"
        raise WrongShapeError(f"message.{targets[0]}", why)
    _check_data(message.get("data", {}))
    _check_android(message.get("android", {}))
    return targets[0], target, message


def _check_data(data: Any) -> None:
    if not isinstance(data, dict):
        raise WrongShapeError("message.data", "data must be an object")
    for key, value in data.items():
        if not isinstance(value, str):
            raise WrongShapeError("message.data[0].value", f"Invalid value at {key!r} (TYPE_STRING)")
        if _is_reserved(key):
            raise WrongShapeError("message.data", f"Invalid data payload key: {key}")
    if sum(len(key.encode()) + len(value.encode()) for key, value in data.items()) > MOST_BYTES:
        raise WrongShapeError("message", "Android message is too big")


def _check_android(android: Any) -> None:
    _known(android, set(_ANDROID), "message.android")
    for key, value in android.items():
        if not isinstance(value, _ANDROID[key]):
            raise WrongShapeError(f"message.android.{key}", "Invalid value")
    if android.get("priority", "NORMAL") not in {"NORMAL", "HIGH"}:
        raise WrongShapeError("message.android.priority", "Invalid value (AndroidMessagePriority)")
    ttl = _duration(android.get("ttl", "0s"))
    if ttl is None or int(ttl[1]) > _LONGEST_S:
        raise WrongShapeError("message.android.ttl", "Invalid time-to-live duration")


def _known(value: Any, names: set[str], path: str) -> None:
    if not isinstance(value, dict):
        raise WrongShapeError(path, "Invalid JSON payload received. An object is expected.")
    for name in value:
        if name not in names:
            raise WrongShapeError(path, f"Invalid JSON payload received. Unknown name {json.dumps(name)}")


def check_grant(
    form: Mapping[str, str], public: rsa.RSAPublicKey, account: Mapping[str, str], now: float
) -> None:
    """Raises WrongShapeError; its path is the OAuth error (RFC 6749 §5.2)."""
    if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
        raise WrongShapeError("unsupported_grant_type", "Invalid grant_type")
    header, claims = _verified(form.get("assertion", ""), public)
    if header.get("alg") != "RS256" or header.get("kid") != account["private_key_id"]:
        raise WrongShapeError("invalid_grant", "Invalid JWT: wrong alg or kid")
    for claim, expected in (("iss", account["client_email"]), ("aud", account["token_uri"])):
        if claims.get(claim) != expected:
            raise WrongShapeError("invalid_grant", f"Invalid JWT: {claim}")
    if not _SCOPES & set(str(claims.get("scope", "")).split()):
        raise WrongShapeError("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
    _check_times(claims.get("iat"), claims.get("exp"), now)


def _verified(assertion: str, public: rsa.RSAPublicKey) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        signed, _, signature = assertion.rpartition(".")
        header, claims = (json.loads(_decoded(part)) for part in signed.split("."))
        public.verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    except (ValueError, InvalidSignature):
        raise WrongShapeError("invalid_grant", "Invalid JWT Signature.") from None
    return header, claims


def _check_times(begins: Any, ends: Any, now: float) -> None:
    if not isinstance(begins, int) or not isinstance(ends, int):
        raise WrongShapeError("invalid_grant", "Invalid JWT: iat and exp must be whole seconds")
    if not (begins <= now + 300 and now < ends <= begins + 3600):
        why = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
        raise WrongShapeError("invalid_grant", why)


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
