"""``/v1/auth``: tokens for backends, which vouch for their users, and for apps, which prove an account or a device."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from trunkline.api.asking import Door, Doorway, ask_in_time, source_of
from trunkline.api.auth import NO_KEY_HINT
from trunkline.api.described import example, replies
from trunkline.api.guarded import OpenRoute
from trunkline.api.principal import Principal
from trunkline.api.shapes import Body, Line, Lower, Name, Port, Reply, one_of, told
from trunkline.api.v1.sip_account import account_of
from trunkline.base.messages import AccountProven, ProveAccount, ProveDevice, Refused

router = APIRouter(prefix="/v1/auth", tags=["tokens"], route_class=OpenRoute)

_KINDS = one_of(("user_id",), ("sip_username", "sip_password", "sip_domain"), ("device_id", "device_key"))


class TokenRequest(Body):
    """Either `user_id` and `api_key`, or a SIP account, or `device_id` and `device_key`.

    `tenant` is for devices of other tenants than the default one: the claim of that name in an earlier token.
    """

    model_config = ConfigDict(json_schema_extra=_KINDS)

    user_id: Name | None = None
    api_key: Line | None = None
    device_id: Line | None = None
    device_key: Line | None = None
    tenant: Line | None = None
    sip_username: Line | None = None
    sip_password: Line | None = None
    sip_domain: Line | None = None
    sip_registrar: Line | None = None
    sip_transport: Annotated[Literal["udp", "tcp", "tls"], Lower] = "udp"
    sip_port: Port = 5060
    sip_auth_username: Line | None = None


class TokenReply(Reply):
    """`expires_in` in seconds."""

    token: str
    expires_in: int


_EXAMPLE = {"user_id": "alice", "api_key": "the backend's key"}


@router.post(
    "/token",
    operation_id="getToken",
    summary="Get a token",
    responses=replies(
        200,
        "The token.",
        TokenReply,
        {"token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2ln", "expires_in": 2592000},
        s401="No key, a wrong one, a wrong password, or a key that is not the device's; `hint` says what is needed.",
        s429="Too many tokens, or wrong credentials, from this address.",
        s503="The registrar of the account cannot be reached.",
        s504="The registrar did not answer in time.",
    ),
    openapi_extra=example(_EXAMPLE),
)
async def get_token(body: TokenRequest, request: Request, door: Door) -> Response:
    """A backend sends `user_id` and its `api_key`. An app, which must hold no such key, proves who it is: by a SIP
    account (its registrar says that the password is right) or by the `device_key` that it was given for its device.
    """
    source = source_of(request)
    door.auth.admit_token(source)
    try:
        principal = await _principal(body, door)
    except Refused as refusal:
        if refusal.problem.status == 401:
            door.auth.wrong(source)
        raise
    return told(TokenReply(token=door.auth.mint(principal), expires_in=door.auth.expires_s))


async def _principal(body: TokenRequest, door: Doorway) -> Principal:
    if body.device_id and body.device_key:
        device = ProveDevice(tenant=body.tenant or None, device_id=body.device_id, device_key=body.device_key)
        return _proven(await ask_in_time(door, device))
    if body.sip_username and body.sip_password and body.sip_domain:
        return _proven(await ask_in_time(door, ProveAccount(account=account_of(body))))
    if body.user_id is None:
        raise Refused("request.invalid", "the request does not say who is asking", NO_KEY_HINT, 422)
    return await door.auth.for_backend(body.user_id, body.api_key or "")


def _proven(reply: AccountProven) -> Principal:
    return Principal(reply.tenant_id, reply.owner, "app")
