"""``/v1/calls/{token}``: what an app does with a call that it was told of."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from trunkline.api.asking import Who
from trunkline.api.described import example, replies
from trunkline.api.guarded import GuardedRoute
from trunkline.api.shapes import Body, Name, Reply, Sdp, Whole, empty, rfc3339, told
from trunkline.api.v1.calls import SDP, TOKEN
from trunkline.base import messages
from trunkline.base.messages import AppCallDone, AppCallRow

router = APIRouter(prefix="/v1/calls/{call_token}", tags=["calls"], route_class=GuardedRoute)

MAX_TOKEN = 64
_GONE = {
    404: "There is no such call, or it is another's.",
    409: "Another device has answered it (`reason` is `answered_elsewhere`), or it is not in the state for this.",
    410: "The call is over; `reason` says why.",
}
_FAILED = {502: "The other side has refused: `sip_status` says how."}


class Offer(Reply):
    """`caller_uri` is `user@domain` without a scheme; `sdp_offer` is empty when the app is to make the offer."""

    call_token: str
    caller_uri: str
    caller_name: str | None
    sdp_offer: str


class Answer(Body):
    """The app's description: its answer, or its offer when it got none."""

    sdp_answer: Sdp


class Rejection(Body):
    """`declined` is told as 603, `busy` as 486."""

    reason: Literal["declined", "busy"] = "declined"


class State(Reply):
    """`reason` and `ended_at` are there when `status` is `ended`."""

    status: Literal["pending", "active", "ended", "unknown"]
    reason: str = ""
    ended_at: str = ""


class Keys(Body):
    """Each key is pressed for `duration_ms`."""

    digits: str = Field(min_length=1, max_length=32, pattern="^[0-9*#A-Da-d]+$")
    duration_ms: Annotated[int, Field(ge=40, le=6000), Whole] = 160


class Change(Body):
    """With an offer the app says itself how; else its last one is repeated with another direction."""

    sdp_offer: Sdp | None = None


class Changed(Reply):
    """`sdp_answer` is what the other side said, empty when it said nothing new."""

    sdp_answer: str


class Destination(Body):
    """A number or an address, with or without `sip:`."""

    destination_uri: Name


class Renegotiation(Body):
    """Without `sdp_answer` the change is refused (488). `renegotiation` is the number in the event."""

    sdp_answer: Sdp | None = None
    renegotiation: Annotated[int, Field(ge=0, le=2**31 - 1), Whole] = 0


@router.get(
    "",
    operation_id="getCall",
    summary="The offer of a call that rings",
    responses=replies(
        200,
        "Who calls, and the offer as it came.",
        Offer,
        {"call_token": TOKEN, "caller_uri": "bob@pbx.example.com", "caller_name": "Bob", "sdp_offer": SDP},
        refusals=_GONE,
    ),
)
async def get_call(call_token: str, who: Who) -> Response:
    """Fetching it tells that the device was reached."""
    found = await who.ask(messages.GetAppCall, call_token=call_token)
    return told(
        Offer(
            call_token=found.call_token,
            caller_uri=found.caller,
            caller_name=found.caller_name,
            sdp_offer=found.sdp_offer,
        )
    )


@router.post(
    "/ringing",
    operation_id="ringing",
    summary="The phone rings",
    responses=replies(200, "The caller is told.", refusals=_GONE),
)
async def ringing(call_token: str, who: Who) -> Response:
    """Sends 180 to the caller, once."""
    await who.ask(messages.RingingAppCall, call_token=call_token)
    return empty()


@router.post(
    "/accept",
    operation_id="acceptCall",
    summary="Take the call",
    responses=replies(200, "It is this device's; `active` once the caller has confirmed it.", refusals=_GONE),
    openapi_extra=example({"sdp_answer": SDP}),
)
async def accept_call(call_token: str, body: Answer, who: Who) -> Response:
    """The same again is no harm."""
    await who.ask(messages.AcceptAppCall, call_token=call_token, sdp=body.sdp_answer)
    return empty()


@router.post(
    "/reject",
    operation_id="rejectCall",
    summary="Do not take the call",
    responses=replies(200, "It is refused.", refusals=_GONE),
    openapi_extra=example({"reason": "busy"}),
)
async def reject_call(call_token: str, who: Who, body: Rejection | None = None) -> Response:
    """A body is not needed."""
    reason = body.reason if body else "declined"
    await who.ask(messages.RejectAppCall, call_token=call_token, reason=reason)
    return empty()


@router.post(
    "/hangup",
    operation_id="hangUp",
    summary="End the call",
    responses=replies(200, "It ends.", refusals=_GONE),
)
async def hang_up(call_token: str, who: Who) -> Response:
    """In whatever state it is; a call that is being placed is cancelled."""
    await who.ask(messages.HangUpAppCall, call_token=call_token)
    return empty()


@router.get(
    "/status",
    operation_id="callStatus",
    summary="How a call is",
    responses=replies(
        200,
        "How it is; `unknown` for one that is forgotten, never was, or is another's.",
        State,
        {"status": "ended", "reason": "bye_from_remote", "ended_at": "2026-01-31T08:00:00.250000+00:00"},
        s422="`wait` is no number of seconds.",
    ),
)
async def call_status(
    call_token: str,
    who: Who,
    wait: Annotated[int, Query(ge=0, le=60, description="Seconds to wait for a change from `seen`.")] = 0,
    seen: Annotated[
        str, Query(max_length=32, description="The `status` that is known; by default what it is now.")
    ] = "",
) -> Response:
    """Old apps ask each two seconds; `wait` or the event channel spare that."""
    if len(call_token) > MAX_TOKEN:
        return told(State(status="unknown"))
    if not wait:
        return told(state_of((await who.ask(messages.AskAppCall, call_token=call_token)).call))
    return await _long_poll(call_token, who, min(wait, who.doorway.plan.wait_s), seen)


async def _long_poll(call_token: str, who: Who, wait_s: float, seen: str) -> Response:
    key, auth = (who.principal.tenant, who.principal.subject), who.doorway.auth
    who.doorway.waits.enter(key)
    stay = who.doorway.stays.begin(who.principal)
    try:
        within_s = wait_s + who.doorway.plan.request_s
        patience_s = min(float(wait_s), auth.left_s(who.principal))
        found = await who.ask_while_there(
            messages.AskAppCall, within_s, stay, call_token=call_token, wait_s=patience_s, seen=seen
        )
    finally:
        who.doorway.stays.end(stay)
        who.doorway.waits.leave(key)
    if auth.left_s(who.principal) <= 0:
        raise auth.expired()
    return told(state_of(found.call))


def state_of(row: AppCallRow) -> State:
    """What an app is told of a call."""
    if row.status in {"pending", "active"}:
        return State(status="pending" if row.status == "pending" else "active")
    if row.status == "ended":
        return State(status="ended", reason=row.reason, ended_at=rfc3339(row.ended_at))
    return State(status="unknown")


@router.post(
    "/dtmf",
    operation_id="pressKeys",
    summary="Press keys",
    responses=replies(200, "They are sent.", refusals=_GONE | _FAILED),
    openapi_extra=example({"digits": "1234#"}),
)
async def press_keys(call_token: str, body: Keys, who: Who) -> Response:
    """For an app whose media does not pass through us: it is sent as SIP INFO."""
    digits = body.digits.upper()
    await who.ask(messages.PressKeys, call_token=call_token, digits=digits, duration_ms=body.duration_ms)
    return empty()


_CHANGED = replies(200, "It is done.", Changed, {"sdp_answer": SDP}, refusals=_GONE | _FAILED)


@router.post("/hold", operation_id="hold", summary="Hold the call", responses=_CHANGED)
async def hold(call_token: str, who: Who, body: Change | None = None) -> Response:
    """A body is not needed."""
    offer = (body.sdp_offer if body else None) or ""
    done = await who.ask(messages.HoldAppCall, call_token=call_token, held=True, sdp_offer=offer)
    return _changed(done)


@router.post("/resume", operation_id="resume", summary="Take the call off hold", responses=_CHANGED)
async def resume(call_token: str, who: Who, body: Change | None = None) -> Response:
    """A body is not needed."""
    offer = (body.sdp_offer if body else None) or ""
    done = await who.ask(messages.HoldAppCall, call_token=call_token, held=False, sdp_offer=offer)
    return _changed(done)


def _changed(done: AppCallDone) -> Response:
    return told(Changed(sdp_answer=done.sdp_answer))


@router.post(
    "/transfer",
    operation_id="transfer",
    summary="Hand the other party on",
    responses=replies(200, "The other party was asked; events tell how it goes.", refusals=_GONE | _FAILED),
    openapi_extra=example({"destination_uri": "sip:carol@pbx.example.com"}),
)
async def transfer(call_token: str, body: Destination, who: Who) -> Response:
    """A blind transfer."""
    await who.ask(messages.TransferAppCall, call_token=call_token, destination=body.destination_uri)
    return empty()


@router.post(
    "/renegotiate",
    operation_id="answerChange",
    summary="Answer a change that the other side asks for",
    responses=replies(200, "The other side is told.", refusals=_GONE),
    openapi_extra=example({"sdp_answer": SDP, "renegotiation": 1}),
)
async def answer_change(call_token: str, body: Renegotiation, who: Who) -> Response:
    """After the event `call.renegotiate`."""
    await who.ask(
        messages.AnswerAppChange,
        call_token=call_token,
        sdp=body.sdp_answer or "",
        renegotiation=body.renegotiation,
    )
    return empty()
