"""``/health``: we answer. ``/ready``: new requests are welcome here, and the push providers can be reached."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from trunkline.api.asking import Door
from trunkline.api.described import replies
from trunkline.api.guarded import JsonRoute
from trunkline.api.shapes import Reply, rfc3339_or_none, told
from trunkline.push.notification import Health

router = APIRouter(tags=["health"], route_class=JsonRoute)

_RED = "failing"


class Provider(Reply):
    """`state` is `ready`, `idle` (nothing was sent yet), `failing`, `suspect` or `unset`; `queued` notifications wait.

    `suspect`: it refuses tokens in a way that wrong settings would explain; calls are taken nevertheless.
    """

    service: str
    state: str
    why: str
    since: str | None
    queued: int


class Ready(Reply):
    """`reasons` why new requests should go elsewhere."""

    ready: bool
    reasons: list[str]
    push: list[Provider]


_EXAMPLE = {
    "ready": True,
    "reasons": [],
    "push": [
        {"service": "apns", "state": "ready", "why": "", "since": "2026-01-31T08:00:00+00:00", "queued": 0}
    ],
}


@router.get(
    "/health",
    operation_id="health",
    summary="Whether the process answers",
    responses={200: {"description": "It does.", "content": {"text/plain": {"example": "ok"}}}},
    response_class=PlainTextResponse,
)
@router.head("/health", include_in_schema=False)
async def health() -> Response:
    """The text `ok`."""
    return PlainTextResponse("ok")


@router.get(
    "/ready",
    operation_id="ready",
    summary="Whether new requests are welcome",
    responses={
        **replies(200, "They are.", Ready, _EXAMPLE),
        503: {"description": "They are not, and why.", "model": Ready},
    },
)
@router.head("/ready", include_in_schema=False)
async def ready(door: Door) -> Response:
    """With how each push provider does."""
    providers = [_provider(each) for each in door.readiness.push()]
    reasons = list(door.readiness.reasons())
    reasons += [f"push {each.service}: {each.why or each.state}" for each in providers if each.state == _RED]
    if door.closing.is_set():
        reasons.append("the server is stopping")
    return told(Ready(ready=not reasons, reasons=reasons, push=providers), 503 if reasons else 200)


def _provider(health: Health) -> Provider:
    return Provider(
        service=str(health.service),
        state=health.word,
        why=health.why,
        since=rfc3339_or_none(health.since),
        queued=health.queued,
    )
