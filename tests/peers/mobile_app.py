"""A mobile app and its backend, as they would be without us: REST, the live channel, and sound after accept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

import aiohttp

from tests.peers.app_sound import AppSound


class MobileApp:
    """One app at a gateway's REST. ``base`` is ``http://HOST:PORT``; ``token`` what its backend got for it.

    Each method gives the status and the parsed body, and asserts nothing: what a reply should be is the test's.
    """

    def __init__(self, base: str, token: str = "", tone_hz: float = 700.0) -> None:
        self.base = base
        self.token = token
        self.tone_hz = tone_hz
        self.device = ""
        self.sound: AppSound | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(self.base)
        self.sound = await AppSound.open(self.tone_hz)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self.sound is not None:
            await self.sound.close()
        if self._session is not None:
            await self._session.close()

    async def ask(
        self, method: str, path: str, body: Any = None, *, within: float = 60.0, **headers: str
    ) -> tuple[int, Any]:
        """Any request; the body is parsed when it is JSON, else text."""
        assert self._session is not None
        if self.token:
            headers = {"Authorization": f"Bearer {self.token}", **headers}
        limit = aiohttp.ClientTimeout(total=within)
        async with self._session.request(method, path, json=body, headers=headers, timeout=limit) as reply:
            if reply.content_type.endswith("json"):
                return reply.status, await reply.json(content_type=None)
            return reply.status, await reply.text()

    async def get_token(self, user_id: str, api_key: str) -> None:
        """What the app's backend does."""
        status, body = await self.ask("POST", "/v1/auth/token", {"user_id": user_id, "api_key": api_key})
        assert status == 200, body
        self.token = body["token"]

    async def register(self, user: str, password: str, domain: str, push_token: str, **more: Any) -> str:
        """Register this device as an iPhone, or as ``platform`` says."""
        asked = {
            "platform": "ios",
            "push_token": push_token,
            "bundle_id": "com.example.aria",
            "sip_username": user,
            "sip_password": password,
            "sip_domain": domain,
            **more,
        }
        status, body = await self.ask("POST", "/v1/devices", asked)
        assert status == 200, body
        self.device = body["device_id"]
        return self.device

    async def is_registered(self, within: float = 60.0) -> None:
        """Wait until the PBX has our contact; each answer of the gateway is awaited, no time."""
        async with _deadline(within, "registered"):
            while True:
                _, body = await self.ask("GET", f"/v1/devices/{self.device}")
                if body["sip_status"] == "registered":
                    return

    async def offer(self, token: str) -> str:
        """Fetch what the caller offers."""
        status, body = await self.ask("GET", f"/v1/calls/{token}")
        assert status == 200, body
        return str(body["sdp_offer"])

    async def accept(self, token: str, *, answer: str | None = None) -> tuple[int, Any]:
        """Take the call with the sound that the app has; it begins to speak at once."""
        assert self.sound is not None
        if answer is None:
            self.sound.speak_to(await self.offer(token))
            answer = self.sound.description()
        return await self.ask("POST", f"/v1/calls/{token}/accept", {"sdp_answer": answer})

    async def status(self, token: str, wait_s: float = 0) -> dict[str, Any]:
        query = f"?wait={wait_s:g}" if wait_s else ""
        _, body = await self.ask("GET", f"/v1/calls/{token}/status{query}")
        return dict(body)

    async def becomes(self, token: str, wanted: str, within: float = 60.0) -> dict[str, Any]:
        """Wait until a call's status is ``wanted``."""
        async with _deadline(within, wanted):
            found = await self.status(token)
            while found.get("status") != wanted:
                found = await self.status(token, wait_s=1)  # asked all the time, it would say 429
            return found

    @contextlib.asynccontextmanager
    async def events(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """The live channel, past its greeting; what follows is the test's to read."""
        assert self._session is not None
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self._session.ws_connect("/v1/events", headers=headers) as channel:
            await channel.receive_json(timeout=60)
            yield channel

    async def hang_up(self, token: str) -> None:
        status, body = await self.ask("POST", f"/v1/calls/{token}/hangup")
        assert status == 200, body


@contextlib.asynccontextmanager
async def _deadline(within: float, what: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(within):
            yield
    except TimeoutError:
        raise AssertionError(f"not {what} within {within} s") from None
