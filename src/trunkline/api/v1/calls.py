"""``/v1/calls``: calls are placed, and the calls of an owner are listed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from pydantic import ConfigDict, Field
from starlette.responses import Response

from trunkline.api.asking import Who
from trunkline.api.described import example, replies
from trunkline.api.guarded import GuardedRoute
from trunkline.api.shapes import Body, Line, Name, Port, Reply, Sdp, one_of, rfc3339_or_none, told
from trunkline.api.v1.devices import Transport
from trunkline.api.v1.sip_account import account_of
from trunkline.base import messages
from trunkline.base.messages import MAX_PAGE, PAGE, AppCallRow, Refused, SipAccount

router = APIRouter(prefix="/v1/calls", tags=["calls"], route_class=GuardedRoute)

TOKEN = "6a1d7c52-93b5-4a0e-8f44-2f0a7f1f9c3b"  # noqa: S105  (an example)
SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
_ASYNC = "respond-async"
_KINDS = one_of(("device_id",), ("sip_username", "sip_password", "sip_domain"))


class NewCall(Body):
    """Whom to call, the app's offer, and who calls: a `device_id`, or a SIP account with its password.

    `destination_uri` is a number or an address, with or without `sip:`. `async`: do not wait for the callee.
    """

    model_config = ConfigDict(json_schema_extra=_KINDS)

    destination_uri: Name
    sdp_offer: Sdp
    device_id: Line | None = None
    sip_username: Line | None = None
    sip_password: Line | None = None
    sip_domain: Line | None = None
    sip_registrar: Line | None = None
    sip_transport: Transport = "udp"
    sip_port: Port = 5060
    sip_auth_username: Line | None = None
    sip_display_name: Line = ""
    respond_async: bool = Field(False, alias="async")


class Placed(Reply):
    """`sdp_answer` is the callee's; it is missing when the reply did not wait for it."""

    call_token: str
    sdp_answer: str = ""


class CallDetail(Reply):
    """`status` is `pending` or `active`; `state` says it more exactly; `peer` is the other party."""

    call_token: str
    status: str
    state: str
    direction: str
    device_id: str
    peer: str
    started_at: str | None
    held: bool


class Calls(Reply):
    """`next` is the `after` of the following page, null on the last."""

    calls: list[CallDetail]
    next: str | None


_CALL = {
    "call_token": TOKEN,
    "status": "active",
    "state": "confirmed",
    "direction": "in",
    "device_id": "3f0c2b5e-7a41-4b7e-9d58-0f6a2f6f8f11",
    "peer": "bob@pbx.example.com",
    "started_at": "2026-01-31T08:00:00+00:00",
    "held": False,
}


@router.post(
    "",
    operation_id="placeCall",
    summary="Call somebody",
    responses=replies(
        200,
        "The callee has answered.",
        Placed,
        {"call_token": TOKEN, "sdp_answer": SDP},
        s401="No valid token, or the account's password is wrong.",
        s404="There is no such device, or it is another's.",
        s410="The device is not active any more: register it again.",
        s422="A field is missing or wrong, or the domain is not on the list.",
        s502="The call failed: `sip_status` and `reason` say how.",
        s504="Nobody answered in time.",
    )
    | {
        202: {
            "description": "The call is under way; events tell how it goes.",
            "model": Placed,
            "content": {"application/json": {"example": {"call_token": TOKEN}}},
        }
    },
    openapi_extra=example(
        {"destination_uri": "sip:bob@pbx.example.com", "sdp_offer": SDP, "device_id": _CALL["device_id"]}
    ),
)
async def place_call(
    body: NewCall,
    who: Who,
    prefer: Annotated[str, Header(max_length=255, description=f"`{_ASYNC}` (RFC 7240 §4.1)")] = "",
    idempotency_key: Annotated[
        str,
        Header(
            max_length=255,
            description="The same key again is the same call, for a day; at most 255 characters.",
        ),
    ] = "",
) -> Response:
    """Waits until the callee has answered; whoever hangs up the connection before hangs up the call. With
    `Prefer: respond-async` or `"async": true` it does not wait.
    """
    who.doorway.limits.calls.take((who.principal.tenant, who.principal.subject))
    at_once = body.respond_async or _prefers_async(prefer)
    placed = await who.ask_while_there(
        messages.PlaceCall,
        who.doorway.plan.call_s,
        destination=body.destination_uri,
        sdp_offer=body.sdp_offer,
        device_id=body.device_id or "",
        account=_account(body),
        wait=not at_once,
        key=idempotency_key,
    )
    if not at_once:
        return told(Placed(call_token=placed.call_token, sdp_answer=placed.sdp_answer))
    headers = {"Preference-Applied": _ASYNC} if _prefers_async(prefer) else {}
    return told(Placed(call_token=placed.call_token), 202, headers)


def _prefers_async(prefer: str) -> bool:
    return any(part.partition(";")[0].strip().lower() == _ASYNC for part in prefer.split(","))


def _account(body: NewCall) -> SipAccount | None:
    """The account that calls, None when the device does."""
    if body.device_id:
        return None
    if not (body.sip_username and body.sip_password and body.sip_domain):
        hint = "send device_id, or sip_username, sip_password and sip_domain"
        raise Refused("request.invalid", "the request does not say who is calling", hint, 422)
    return account_of(body, body.sip_display_name)


@router.get(
    "",
    operation_id="listCalls",
    summary="The user's calls",
    responses=replies(
        200,
        "Those that are pending or active.",
        Calls,
        {"calls": [_CALL], "next": None},
        s422="The page is none.",
    ),
)
async def list_calls(
    who: Who,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = PAGE,
    after: Annotated[str, Query(max_length=255, description="`next` of the page before.")] = "",
) -> Response:
    """The newest first."""
    found = await who.ask(messages.ListAppCalls, limit=limit, after=after or None)
    return told(Calls(calls=[_detail(row) for row in found.rows], next=found.next))


def _detail(row: AppCallRow) -> CallDetail:
    return CallDetail(
        call_token=row.call_token,
        status=row.status,
        state=row.state,
        direction=row.direction,
        device_id=row.device_id,
        peer=row.peer,
        started_at=rfc3339_or_none(row.started_at),
        held=row.held,
    )
