"""One client's event channel: from the subscription to the wire, with signs of life, until either side has enough."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from trunkline.api.asking import Doorway, ask_for
from trunkline.api.ports import Subscription
from trunkline.api.principal import Principal
from trunkline.api.shapes import readable, rfc3339
from trunkline.base import messages
from trunkline.base.app_event import AppEvent
from trunkline.base.messages import Refused

PROTOCOL: Final = "trunkline.events"
"""The WebSocket subprotocol that we speak; a browser names ``trunkline.ticket.TICKET`` beside it."""

TICKET: Final = "trunkline.ticket."
BEARER: Final = "trunkline.bearer."
GOING_AWAY: Final = 1001
TRY_AGAIN: Final = 1013
UNAUTHORIZED: Final = 3000  # in IANA's registry of close codes
MAX_RECEIVED: Final = 100


class Channel:
    """A subscription that is counted. Use it as a context manager, so that it is closed."""

    def __init__(self, door: Doorway, principal: Principal, subscription: Subscription) -> None:
        self._door = door
        self._key = principal.tenant, principal.subject
        self._principal = principal
        self._stay = door.stays.begin(principal)
        self.expired = False
        self.subscription = subscription

    @classmethod
    def open(cls, door: Doorway, principal: Principal, device_id: str, after: int | None) -> Channel:
        """Raises Refused."""
        if door.closing.is_set():
            raise Refused("request.stopping", "the server is stopping", "try again", 503)
        key = principal.tenant, principal.subject
        door.streams.enter(key)
        try:
            made = door.events.subscribe(principal.tenant, principal.subject, device_id, after)
        except BaseException:
            door.streams.leave(key)
            raise
        return cls(door, principal, made)

    def close(self) -> None:
        """It is over."""
        self.subscription.close()
        self._door.stays.end(self._stay)
        self._door.streams.leave(self._key)

    async def pump(self, send: Callable[[dict[str, Any] | None], Awaitable[None]]) -> None:
        """Send a hello, then each event, and None as a sign of life; returns when the subscription ends or we stop.

        It ends with the token that it was opened by, after a good-bye that says so.
        """
        await send(
            {"event": "hello", "missed": self.subscription.missed, "heartbeat_s": self._door.plan.heartbeat_s}
        )
        events = aiter(self.subscription)
        closing = asyncio.ensure_future(self._door.closing.wait())
        coming = asyncio.ensure_future(anext(events, None))
        awaited: list[asyncio.Future[Any]] = [coming, closing, self._stay.over]
        try:
            while True:
                left_s = self._door.auth.left_s(self._principal)
                if left_s <= 0 or self._stay.over.done():
                    self.expired = True
                    await send(_goodbye(self._door.auth.expired()))
                    return
                done, _ = await asyncio.wait(
                    awaited,
                    timeout=min(self._door.plan.heartbeat_s, left_s),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if coming in done:
                    event = coming.result()
                    if event is None:
                        return
                    await send(shown(event))
                    awaited[0] = coming = asyncio.ensure_future(anext(events, None))
                elif closing in done:
                    return
                elif not done and self._door.auth.left_s(self._principal) > 0:
                    await send(None)
        finally:
            for task in (coming, closing):
                task.cancel()
            await asyncio.gather(coming, closing, return_exceptions=True)


def shown(event: AppEvent) -> dict[str, Any]:
    """An event as clients see it; ``id`` is what they name when they come back."""
    return {
        "id": event.number,
        "event": event.name,
        "at": rfc3339(event.at),
        "call_token": event.call_token,
        "device_id": event.device_id,
        "data": event.data,
    }


def _goodbye(refusal: Refused) -> dict[str, Any]:
    said = refusal.problem
    return {"event": "goodbye", "status": said.status, "code": said.code, "detail": said.detail}


def _text(value: dict[str, Any]) -> str:
    return readable(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


class EventStream(Response):
    """Server-sent events (WHATWG HTML §9.2)."""

    def __init__(self, channel: Channel, door: Doorway) -> None:
        super().__init__(media_type="text/event-stream")
        del self.headers["content-length"]
        self.headers["x-accel-buffering"] = "no"  # nginx keeps replies together otherwise
        self._channel = channel

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Until the client leaves, the subscription ends or we stop."""

        async def tell(value: dict[str, Any] | None) -> None:
            await send({"type": "http.response.body", "body": _sse(value), "more_body": True})

        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await _until_left(self._channel.pump(tell), _http_left(receive))
        finally:
            self._channel.close()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _sse(value: dict[str, Any] | None) -> bytes:
    if value is None:
        return b": alive\n\n"
    number = f"id: {value['id']}\n" if "id" in value else ""
    return f"{number}event: {value['event']}\ndata: {_text(value)}\n\n".encode()


async def _http_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _until_left(pump: Awaitable[None], left: Awaitable[None]) -> bool:
    """Run both until one is done; True when it was the client who left."""
    pumping, leaving = asyncio.ensure_future(pump), asyncio.ensure_future(left)
    try:
        done, _ = await asyncio.wait([pumping, leaving], return_when=asyncio.FIRST_COMPLETED)
        if pumping in done:
            pumping.result()
        return leaving in done
    finally:
        for task in (pumping, leaving):
            task.cancel()
        await asyncio.gather(pumping, leaving, return_exceptions=True)


class Socket:
    """A WebSocket that is fed with events. Clients have nothing to say; one that talks all the time is cut."""

    def __init__(self, websocket: WebSocket, channel: Channel, door: Doorway) -> None:
        self._websocket = websocket
        self._channel = channel
        self._door = door

    async def run(self) -> None:
        """Until either side has enough."""
        with suppress(WebSocketDisconnect):  # nobody is there any more
            await self._run()

    async def _run(self) -> None:
        try:
            offered = self._websocket.scope.get("subprotocols", [])
            await self._websocket.accept(PROTOCOL if PROTOCOL in offered else None)
            if await _until_left(self._channel.pump(self._tell), self._left()):
                return
        finally:
            self._channel.close()
        if self._channel.expired:
            await _sent(self._websocket.close(UNAUTHORIZED, "the token has expired"))
        elif self._door.closing.is_set():
            await _sent(self._websocket.close(GOING_AWAY, "the server is stopping"))
        else:
            await _sent(self._websocket.close(TRY_AGAIN, self._channel.subscription.why[:100]))

    async def _tell(self, value: dict[str, Any] | None) -> None:
        if value is not None:  # the server's own pings are the signs of life
            await _sent(self._websocket.send_text(_text(value)))

    async def _left(self) -> None:
        for _ in range(MAX_RECEIVED):
            if (await self._websocket.receive())["type"] == "websocket.disconnect":
                return
        await _sent(self._websocket.close(1008, "this channel only tells"))


async def _sent(sending: Awaitable[None]) -> None:
    """Raises WebSocketDisconnect when the other side is gone."""
    try:
        await sending
    except RuntimeError:
        # The server has closed it, for frames that are none or a ping without an answer, and we have yet to hear of it.
        raise WebSocketDisconnect from None


async def channel_of(websocket: WebSocket, door: Doorway) -> Channel:
    """The channel that a WebSocket asks for; raises Refused."""
    source = websocket.client.host if websocket.client else ""
    door.auth.admit(source)
    _check_origin(websocket, door)
    principal = await _principal(websocket, door, source)
    device_id = websocket.query_params.get("device_id", "")
    after = websocket.query_params.get("after", "")
    if after and not (after.isascii() and after.isdecimal() and len(after) < 19):
        raise Refused("request.invalid", "after: expected the id of an event", "", 422)
    if device_id:
        # Whoever makes another's device live would keep its pushes from it.
        await ask_for(door, principal, messages.GetDevice, device_id=device_id[:64])
    return Channel.open(door, principal, device_id, int(after) if after else None)


async def _principal(websocket: WebSocket, door: Doorway, source: str) -> Principal:
    header = websocket.headers.get("authorization", "")
    if header:
        return await door.auth.by_header(header, source)
    ticket = websocket.query_params.get("ticket", "")
    for offered in websocket.scope.get("subprotocols", []):
        if offered.startswith(BEARER):
            return await door.auth.by_token(offered.removeprefix(BEARER), source)
        if offered.startswith(TICKET):
            ticket = offered.removeprefix(TICKET)
    if ticket:
        return door.auth.by_ticket(ticket, source)
    return await door.auth.by_header("", source)


def _check_origin(websocket: WebSocket, door: Doorway) -> None:
    """Browsers tell where their page is from; apps say nothing, or name our own address."""
    origin = websocket.headers.get("origin")
    if origin is None or origin in door.plan.origins:
        return
    own = urlsplit(door.plan.public_url).netloc
    with suppress(ValueError):  # an origin that is no URL is nobody's
        if urlsplit(origin).netloc.lower() in {websocket.headers.get("host", "").lower(), own.lower()} - {""}:
            return
    raise Refused("request.origin", "pages of this origin may not ask", "list it in [api] origins", 403)
