"""One request's way to the other planes: it asks in the name of whom the token names, and of nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends
from starlette.requests import Request

from trunkline.api.auth import Auth
from trunkline.api.crowds import Crowd, Sources
from trunkline.api.limits import Limits
from trunkline.api.plan import ApiPlan
from trunkline.api.ports import Ask, Events, Readiness
from trunkline.api.principal import Principal
from trunkline.api.stays import Stay, Stays
from trunkline.base.message_codec import Message
from trunkline.base.messages import Refused
from trunkline.base.messages import Request as Asked

R = TypeVar("R", bound=Message)


class Gone(Exception):  # noqa: N818  (nobody is left to be told)
    """The client has closed its connection."""


@dataclass(slots=True)
class Doorway:
    """What all requests share. ``closing`` is set when the server stops: whoever waits is to end.

    Only ``plan`` may become another: read it when it is needed.
    """

    plan: ApiPlan
    ask: Ask
    events: Events
    auth: Auth
    limits: Limits
    readiness: Readiness
    waits: Crowd
    streams: Crowd
    sources: Sources
    closing: asyncio.Event
    stays: Stays


class Asking:
    """Asks for ``principal``; ``tenant`` and ``owner`` of what is asked are its own, whatever the request says."""

    def __init__(self, doorway: Doorway, principal: Principal, request: Request) -> None:
        self.doorway = doorway
        self.principal = principal
        self._request = request

    async def ask(self, make: Callable[..., Asked[R]], /, **fields: Any) -> R:
        """The reply to the request made of ``fields``, in time; raises Refused."""
        return await ask_for(self.doorway, self.principal, make, **fields)

    async def ask_while_there(
        self, make: Callable[..., Asked[R]], within_s: float, stay: Stay | None = None, /, **fields: Any
    ) -> R:
        """As ``ask``, but given up when the client goes away (raises Gone), we stop or ``stay`` is over."""
        question = ask_for(self.doorway, self.principal, make, within_s, **fields)
        return await _while_there(self._request, self.doorway.closing, stay, question)


async def ask_for(
    doorway: Doorway,
    principal: Principal,
    make: Callable[..., Asked[R]],
    within_s: float = 0.0,
    /,
    **fields: Any,
) -> R:
    """The reply of ``make``'s reply type; raises Refused, 504 after ``within_s`` (0: the usual time)."""
    request = make(tenant=principal.tenant, owner=principal.subject, **fields)
    return await ask_in_time(doorway, request, within_s)


async def ask_in_time(doorway: Doorway, request: Asked[R], within_s: float = 0.0) -> R:
    """As ``ask_for``, of a request that is made."""
    try:
        async with asyncio.timeout(within_s or doorway.plan.request_s):
            reply = await doorway.ask(request)
    except TimeoutError:
        raise Refused("request.deadline", "there was no answer in time", "try again", 504) from None
    assert isinstance(reply, request.reply_type())  # noqa: S101  (the handlers are ours)
    return reply  # type: ignore[return-value]  # as was just checked


async def _while_there(
    request: Request, closing: asyncio.Event, stay: Stay | None, question: Coroutine[Any, Any, R]
) -> R:
    asked = asyncio.ensure_future(question)
    watches = [asyncio.ensure_future(_left(request)), asyncio.ensure_future(closing.wait())]
    try:
        awaited: list[asyncio.Future[Any]] = [asked, *watches, *([stay.over] if stay is not None else [])]
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            return asked.result()
        if stay is not None and stay.over.done():
            raise Auth.expired()
        if watches[0].done():
            raise Gone
        raise Refused("request.stopping", "the server is stopping", "try again", 503)
    finally:
        for task in (asked, *watches):
            task.cancel()
        await asyncio.gather(asked, *watches, return_exceptions=True)


async def _left(request: Request) -> None:
    """Returns when the client is gone. The body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def doorway_of(request: Request) -> Doorway:
    """The application's."""
    doorway = request.app.state.doorway
    assert isinstance(doorway, Doorway)  # noqa: S101  (the application put it there)
    return doorway


def source_of(request: Request) -> str:
    """The address that the request came from, behind trusted proxies the one they tell."""
    return request.client.host if request.client else ""


async def _asking(request: Request) -> Asking:
    # A coroutine, although it waits for nothing: the framework sends plain functions to a pool of threads.
    principal = request.state.principal
    assert isinstance(principal, Principal)  # noqa: S101  (the guarded route put it there)
    return Asking(doorway_of(request), principal, request)


def is_asking(dependency: object) -> bool:
    """Whether this is what gives a route its ``Who``."""
    return dependency is _asking


async def _doorway(request: Request) -> Doorway:
    return doorway_of(request)


Who = Annotated[Asking, Depends(_asking)]
Door = Annotated[Doorway, Depends(_doorway)]
