"""``/v1/push``: what an app needs to know before it can be woken."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from trunkline.api.asking import Door
from trunkline.api.described import replies
from trunkline.api.guarded import JsonRoute
from trunkline.api.shapes import Reply, told

router = APIRouter(prefix="/v1/push", tags=["devices"], route_class=JsonRoute)

_EXAMPLE = {
    "services": ["apns", "webpush"],
    "application_server_key": "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8",
}


class PushServices(Reply):
    """`services` can be used for devices. `application_server_key` is what a browser or UnifiedPush subscribes with."""

    services: list[str]
    application_server_key: str | None


@router.get(
    "",
    operation_id="push_services",
    summary="Which services wake devices, and the key that subscriptions are made with",
    responses=replies(200, "It is public: no token is needed.", PushServices, _EXAMPLE),
)
async def services(door: Door) -> Response:
    """RFC 8292 §3.2: the public half of our VAPID key, unpadded base64url."""
    known = [str(one.service) for one in door.readiness.push() if one.word != "unset"]
    return told(PushServices(services=known, application_server_key=door.readiness.vapid() or None), 200)
