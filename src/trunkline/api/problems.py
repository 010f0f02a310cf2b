"""Refusals as problem details (RFC 9457): ``application/problem+json`` with our stable ``code``."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Match, Route

from trunkline.api.limits import TooMany
from trunkline.api.shapes import readable
from trunkline.base.messages import Problem, Refused

MEDIA_TYPE: Final = "application/problem+json"
MAX_ERRORS: Final = 10
_RETRY_S: Final = 60

# What is another's and what is not there get the very same reply, whoever refused it and why.
_HIDDEN: Final = {
    "device.unknown": "there is no such device",
    "call.unknown": "there is no such call",
}
_CODES: Final = {
    400: ("request.malformed", "the request cannot be read"),
    404: ("request.not_found", "there is nothing at this address"),
    405: ("request.method", "this address has other methods"),
    406: ("request.accept", "expected Accept: text/event-stream, or a WebSocket"),
    408: ("request.slow", "the request did not arrive in time"),
    413: ("request.too_large", "the request is too large"),
    415: ("request.content_type", "expected Content-Type: application/json"),
    500: ("request.failed", "something went wrong here, and is in our log"),
    503: ("request.stopping", "the server is stopping"),
    504: ("request.deadline", "there was no answer in time"),
}


class ProblemReply(JSONResponse):
    """A reply that says what is wrong."""

    media_type = MEDIA_TYPE


def problem(
    status: int,
    code: str = "",
    detail: str = "",
    *,
    headers: dict[str, str] | None = None,
    **extra: Any,
) -> ProblemReply:
    """A reply of ``status``; code and detail are the usual ones of the status when not given."""
    usual = _CODES.get(status, ("request.refused", "the request was refused"))
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail or usual[1],
        "code": code or usual[0],
        **extra,
    }
    body = {name: readable(value) if isinstance(value, str) else value for name, value in body.items()}
    more = {"WWW-Authenticate": "Bearer"} if status == 401 else {}  # RFC 9110 §15.5.2
    return ProblemReply(body, status, headers={**more, **(headers or {})})


def refused(error: Refused) -> ProblemReply:
    """The reply for a refusal."""
    said = error.problem
    if said.code in _HIDDEN:
        return problem(404, said.code, _HIDDEN[said.code])
    if said.code == "tenant.unknown":
        # The tenant is named by nothing but the token: its tenant is gone, and the token with it.
        return problem(401, "auth.bad_token", "the token is of a tenant that is gone")
    wait_s = error.retry_after_s if isinstance(error, TooMany) else _RETRY_S
    headers = {"Retry-After": str(wait_s)} if said.status == 429 else None
    return problem(said.status, said.code, said.detail, headers=headers, **_extra(said))


def _extra(said: Problem) -> dict[str, Any]:
    """What stands in a problem beside the usual: how a call failed, why it is over, or else the next step."""
    extra: dict[str, Any] = {"error": said.detail} if said.status in {502, 504} or said.sip_status else {}
    if said.sip_status:
        extra |= {"sip_status": said.sip_status, "reason": said.reason or said.detail}
    elif said.reason:
        extra["reason"] = said.reason
    return {**extra, "hint": said.hint} if said.hint else extra


async def on_refused(_request: Request, error: Exception) -> ProblemReply:
    """Handler for Refused."""
    assert isinstance(error, Refused)  # noqa: S101  (registered for nothing else)
    return refused(error)


async def on_fault(_request: Request, error: Exception) -> ProblemReply:
    """Handler for what no other is for: raised on, since the boundary around the framework answers it."""
    raise error


async def on_http(request: Request, error: Exception) -> ProblemReply:
    """Handler for what the framework refuses: no such route, another method, an unreadable body."""
    assert isinstance(error, HTTPException)  # noqa: S101  (registered for nothing else)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_methods(request))
    return problem(error.status_code, headers=headers)


async def on_invalid(_request: Request, error: Exception) -> ProblemReply:
    """Handler for a body, query or header of the wrong shape. No value is repeated: it may be a password."""
    assert isinstance(error, RequestValidationError)  # noqa: S101  (registered for nothing else)
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return problem(400, "request.json", "the body is no JSON")
    rows = [{"field": _field(fault["loc"]), "message": str(fault["msg"])} for fault in faults[:MAX_ERRORS]]
    first = f"{rows[0]['field']}: {rows[0]['message']}" if rows else "a field is wrong"
    return problem(422, "request.invalid", first, errors=rows)


def _field(where: Sequence[Any]) -> str:
    """``body.sip_port`` without the first word, which says only body, query or header."""
    return ".".join(str(part)[:40] for part in where[1:]) or "body"


def _methods(request: Request) -> list[str]:
    """All methods of the address: several routes share it."""
    found: set[str] = set()
    for route in _routes(request.app.routes):
        if route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return sorted(found)


def _routes(routes: Sequence[Any]) -> list[Route]:
    return [route for route in routes if isinstance(route, Route)]
