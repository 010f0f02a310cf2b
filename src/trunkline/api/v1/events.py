"""``/v1/events``: what happens, as it happens, over a WebSocket or as server-sent events."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from trunkline.api.asking import Door, Who, ask_for, source_of
from trunkline.api.described import replies
from trunkline.api.event_stream import Channel, EventStream, Socket, channel_of
from trunkline.api.guarded import GuardedRoute, OpenRoute
from trunkline.api.problems import refused
from trunkline.api.shapes import Reply, told
from trunkline.api.tickets import LIFE_S
from trunkline.base import messages
from trunkline.base.messages import Refused

router = APIRouter(prefix="/v1/events", tags=["events"], route_class=OpenRoute)
"""Its routes look at tokens themselves: browsers bring tickets."""

_SECURITY: dict[str, Any] = {"security": [{"bearer": []}, {"ticket": []}]}
_STREAM = """\
id: 1769846400001
event: call.incoming
data: {"id":1769846400001,"event":"call.incoming","at":"2026-01-31T08:00:00.250000+00:00",...}
"""


_EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
}


class TicketReply(Reply):
    """Good once, for `expires_in` seconds."""

    ticket: str
    expires_in: int


async def issue_ticket(who: Who) -> Response:
    """For browsers, which open WebSockets and event streams without an Authorization header."""
    return told(TicketReply(ticket=who.doorway.auth.tickets.issue(who.principal), expires_in=LIFE_S))


router.routes.append(
    GuardedRoute(
        "/v1/events/ticket",
        issue_ticket,
        methods=["POST"],
        tags=["events"],
        operation_id="getTicket",
        summary="Get a ticket for the event channel",
        responses=replies(
            200, "The ticket.", TicketReply, {"ticket": "Zk3vQ0x2o1M4n5b6c7d8e9f0", "expires_in": LIFE_S}
        ),
    )
)


@router.get(
    "",
    operation_id="events",
    summary="What happens, as it happens",
    response_class=Response,
    responses=replies(
        200,
        "",
        s404="There is no such device, or it is another's.",
        s406="Neither a WebSocket nor `Accept: text/event-stream`.",
        s422="`after` is no number.",
    )
    | {
        200: {
            "description": "Server-sent events; a WebSocket gets the same as JSON texts.",
            "content": {"text/event-stream": {"schema": _EVENT, "example": _STREAM}},
        }
    },
    openapi_extra=_SECURITY,
)
async def events(
    request: Request,
    door: Door,
    after: Annotated[
        int, Query(ge=-1, le=2**63 - 1, description="The last `id` that was seen; -1: from now on.")
    ] = -1,
    device_id: Annotated[str, Query(max_length=64, description="The device that listens: it is live.")] = "",
    last_event_id: Annotated[
        str, Header(max_length=32, description="As `after`; EventSource sends it.")
    ] = "",
) -> Response:
    """A WebSocket, or server-sent events with `Accept: text/event-stream`. First come those after `after`, as far
    as they are still known.
    """
    token = request.headers.get("authorization", "")
    ticket = request.query_params.get("ticket", "")
    source = source_of(request)
    if ticket and not token:
        principal = door.auth.by_ticket(ticket, source)
    else:
        principal = await door.auth.by_header(token, source)
    if "text/event-stream" not in request.headers.get("accept", "").lower():
        raise Refused("request.accept", "expected Accept: text/event-stream, or a WebSocket", "", 406)
    if after < 0 and last_event_id.isascii() and last_event_id.isdecimal() and len(last_event_id) < 19:
        after = int(last_event_id)
    if device_id:
        await ask_for(door, principal, messages.GetDevice, device_id=device_id)
    return EventStream(Channel.open(door, principal, device_id, after if after >= 0 else None), door)


@router.websocket("")
async def event_socket(websocket: WebSocket) -> None:
    """The same over a WebSocket."""
    door = websocket.app.state.doorway
    try:
        channel = await channel_of(websocket, door)
    except Refused as refusal:
        await websocket.send_denial_response(refused(refusal))
        return
    await Socket(websocket, channel, door).run()
