"""``GET /v1/calls/{token}/status`` past the framework: old apps ask it each two seconds of every call.

It answers what the route of ``v1.in_call`` would, byte for byte, for a fraction of the work. Everything that is not the
plain question, such as one with a query, goes on to the route.
"""

from __future__ import annotations

import re
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from trunkline.api.asking import Doorway, ask_for
from trunkline.api.problems import refused
from trunkline.api.shapes import told
from trunkline.api.v1.in_call import MAX_TOKEN, state_of
from trunkline.base import messages
from trunkline.base.messages import Refused

_call: Final = re.compile(rf"/v1/calls/([^/]{{1,{MAX_TOKEN}}})/status\Z").match


class Polling:
    """An ASGI application in front of another."""

    def __init__(self, app: ASGIApp, doorway: Doorway) -> None:
        self._app = app
        self._doorway = doorway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or WebSocket."""
        token = _asked_about(scope)
        if token:
            await self._answer(token, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer(self, token: str, scope: Scope, receive: Receive, send: Send) -> None:
        source = scope["client"][0] if scope.get("client") else ""
        try:
            value = Headers(scope=scope).get("authorization", "")
            principal = await self._doorway.auth.by_header(value, source)
            found = await ask_for(self._doorway, principal, messages.AskAppCall, call_token=token)
            reply = told(state_of(found.call))
        except Refused as error:
            reply = refused(error)
        await reply(scope, receive, send)


def _asked_about(scope: Scope) -> str:
    """The call's token, "" when something else is asked."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope["query_string"]:
        return ""
    path, prefix = scope["path"], scope.get("root_path", "")
    found = _call(path.removeprefix(prefix) if prefix else path)
    return found[1] if found else ""
