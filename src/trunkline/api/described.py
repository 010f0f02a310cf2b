"""How routes are described in the OpenAPI document: replies, problems, examples."""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType
from typing import Any, Final

from pydantic import BaseModel

from trunkline.api.problems import MEDIA_TYPE
from trunkline.api.shapes import Reply

COMMON: Final = {
    401: "No token, or one that is not valid. `WWW-Authenticate: Bearer`.",
    429: "Too often. `Retry-After` says when to come back.",
    503: "We are stopping, or cannot write to our store: try again soon.",
    504: "No answer in time.",
}
"""What every route with a token may answer."""

WITH_BODY: Final = {
    400: "The body is no JSON.",
    408: "The body did not arrive in time.",
    413: "The body is larger than 64 KiB.",
    415: "The body is not called JSON.",
    422: "A field is missing or wrong; `errors` names each.",
}
"""What every route that reads a body may answer besides."""


class Problem(BaseModel):
    """What is wrong (RFC 9457). `code` is stable and for programs, `detail` for people, `hint` the next step."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str | None = None
    error: str | None = None
    sip_status: int | None = None
    reason: str | None = None
    errors: list[dict[str, str]] | None = None


def replies(
    status: int,
    what: str,
    model: type[Reply] | UnionType | None = None,
    example: Any = None,
    *,
    refusals: Mapping[int, str] | None = None,
    **problems: str,
) -> dict[int | str, dict[str, Any]]:
    """The replies of a route: the good one, then ``refusals``, or ``s404="..."``. ``openapi`` adds those of COMMON."""
    good: dict[str, Any] = {"description": what}
    if model is not None:
        good["model"] = model
        good["content"] = {"application/json": {"example": example}}
    found: dict[int | str, dict[str, Any]] = {status: good}
    more = {int(key[1:]): text for key, text in problems.items()}
    for code, text in ({**(refusals or {}), **more}).items():
        found[code] = failure(text)
    return found


def failure(text: str) -> dict[str, Any]:
    """One refusal."""
    return {
        "description": text,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def example(value: Any) -> dict[str, Any]:
    """``openapi_extra`` with an example of the body."""
    return {"requestBody": {"content": {"application/json": {"example": value}}}}


API: Final = """\
The door of the mobile gateway: apps and their backends register devices, take calls and place them.

Every request but those for a token and for health carries `Authorization: Bearer TOKEN`. Devices and calls belong to
whom the token names; what is another's is answered like what is not there. What goes wrong is told as
`application/problem+json`.
"""
