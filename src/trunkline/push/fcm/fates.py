"""What FCM's answers mean (google.firebase.fcm.v1.FcmError, google.rpc.BadRequest, google.rpc.QuotaFailure)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from trunkline.net.http_client import Answer
from trunkline.push.asking_again import retry_after
from trunkline.push.notification import Fate, Outcome

_BY_CODE: Final = {
    "UNREGISTERED": Outcome.GONE,
    "SENDER_ID_MISMATCH": Outcome.MISMATCH,
    "QUOTA_EXCEEDED": Outcome.BUSY,
    "UNAVAILABLE": Outcome.UNAVAILABLE,
    "INTERNAL": Outcome.UNAVAILABLE,
    "THIRD_PARTY_AUTH_ERROR": Outcome.REFUSED,
}
_OF_THE_TARGET: Final = {"message.token", "message.fid"}


def fate_of(answer: Answer, now: float) -> Fate:
    """Never raises, whatever the answer says. ``now`` is the wall clock, for a Retry-After with a date."""
    if answer.status == 200:
        return Fate(Outcome.SENT, 200)
    error = _error_of(answer.body)
    code = _word(next(_said(error, "FcmError", "errorCode"), error.get("status")))
    outcome, why = _meaning(answer.status, code, error)
    return Fate(outcome, answer.status, why or code, retry_after_s=retry_after(answer.headers, now))


def is_unauthenticated(fate: Fate) -> bool:
    """Whether a new access token may help: 401, and not because of keys that FCM itself needs elsewhere."""
    return fate.status == 401 and fate.reason != "THIRD_PARTY_AUTH_ERROR"


def _meaning(status: int, code: str, error: Mapping[str, Any]) -> tuple[Outcome, str]:
    if code == "INVALID_ARGUMENT":
        return _invalid(error)
    if code == "QUOTA_EXCEEDED" and _is_of_the_project(error):
        return Outcome.UNAVAILABLE, "QUOTA_EXCEEDED of the whole project"
    if code in _BY_CODE:
        return _BY_CODE[code], ""
    if status == 429:
        return Outcome.BUSY, ""
    # A 404 without UNREGISTERED is a wrong project or base URL: no reason to forget the device.
    return (Outcome.UNAVAILABLE if status >= 500 else Outcome.REFUSED), ""


def _invalid(error: Mapping[str, Any]) -> tuple[Outcome, str]:
    """BadRequest names the field: the target's is a bad token, any other is our fault. FcmError alone: a bad token."""
    fields = {
        _path(one.get("field"))
        for violations in _said(error, "BadRequest", "fieldViolations")
        for one in _rows(violations)
    }
    if fields - _OF_THE_TARGET:
        return Outcome.REFUSED, f"INVALID_ARGUMENT: {', '.join(sorted(fields - _OF_THE_TARGET))[:80]}"
    if fields or any(_said(error, "FcmError", "errorCode")):
        return Outcome.GONE, "INVALID_ARGUMENT: no registration token"
    return Outcome.REFUSED, ""


def _is_of_the_project(error: Mapping[str, Any]) -> bool:
    return any(
        str(one.get("subject", "")).startswith("project")
        for violations in _said(error, "QuotaFailure", "violations")
        for one in _rows(violations)
    )


def _error_of(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    error = found.get("error") if isinstance(found, dict) else None
    return error if isinstance(error, dict) else {}


def _said(error: Mapping[str, Any], kind: str, name: str) -> Iterator[Any]:
    """``name`` of every detail of this kind."""
    for detail in _rows(error.get("details")):
        if str(detail.get("@type", "")).endswith(f".{kind}") and name in detail:
            yield detail[name]


def _rows(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _word(value: Any) -> str:
    """Google's codes are capitals; anything else does not get into logs."""
    text = value if isinstance(value, str) else ""
    return text if text.isascii() and text.replace("_", "").isalnum() and len(text) <= 60 else ""


def _path(value: Any) -> str:
    text = value if isinstance(value, str) else ""
    return text if text.isascii() and text.replace("_", "").replace(".", "").isalnum() else "?"
