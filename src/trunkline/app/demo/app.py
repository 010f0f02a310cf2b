"""The simulated app: what a real one does over REST, and its sound by a media engine of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp

from trunkline.app.demo.loudness import SILENCE_DBFS, tone_dbfs
from trunkline.app.demo.play import Play
from trunkline.app.demo.steps import GATEWAY, DemoFailed
from trunkline.app.phone.sound import Sound
from trunkline.media.engine import MediaEngine

LISTEN_S: Final = 0.7
AUDIBLE_DBFS: Final = -30.0
_TRIES: Final = 5
_SHOWN: Final = ("sip_status", "status", "code", "reason")


class App:
    """One device of a user. ``name`` is its column, ``push_token`` its address at the push service.

    It sleeps: nothing of it is connected to the gateway until ``pushed`` has something.
    """

    def __init__(
        self, play: Play, session: aiohttp.ClientSession, name: str, push: Mapping[str, str]
    ) -> None:
        self.name = name
        self.push = push
        self.token = ""
        self.device = ""
        self.pushed: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        self._play = play
        self._session = session
        self._sound: Sound | None = None

    @property
    def sound(self) -> Sound:
        """Of the call that it is in."""
        if self._sound is None:
            raise DemoFailed(f"the {self.name} has no sound: no call of its own")
        return self._sound

    async def ask(
        self, method: str, path: str, body: Any = None, *, wanted: int = 200, shown: str = "", note: str = ""
    ) -> Any:
        """The body of the reply; raises DemoFailed for another status than ``wanted``."""
        shown = shown or path
        self._play.arrow("rest", self.name, GATEWAY, f"{method} {shown}", note)
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            async with self._session.request(method, path, json=body, headers=headers) as reply:
                told = await reply.json(content_type=None) if reply.content_length else None
                status, reason = reply.status, reply.reason or ""
        except aiohttp.ClientError as error:
            raise DemoFailed(f"{method} {shown} was not answered: {error}") from None
        facts = told if isinstance(told, dict) else {}
        about = ", ".join(f"{name}: {facts[name]}" for name in _SHOWN if facts.get(name))
        self._play.arrow("rest", GATEWAY, self.name, f"{status} {reason}".strip(), about, good=status < 300)
        if status != wanted:
            why = facts.get("detail") or facts.get("error") or "no words"
            raise DemoFailed(f"{method} {shown} was answered {status} and not {wanted}: {why}")
        return told

    async def log_in(self, user: str, api_key: str) -> None:
        """What the app's backend does: the key never gets into an app."""
        body = {"user_id": user, "api_key": api_key}
        self.token = (await self.ask("POST", "/v1/auth/token", body, note="by the app's backend"))["token"]

    async def register(self, account: Mapping[str, Any]) -> None:
        """Tell the gateway of this device, and whose account it is."""
        body = {**self.push, **account}
        self.device = (await self.ask("POST", "/v1/devices", body))["device_id"]

    async def status(self) -> str:
        """How its registration does."""
        told = await self.ask("GET", f"/v1/devices/{self.device}", shown="/v1/devices/…")
        return str(told["sip_status"])

    async def woken(self, kind: str) -> Mapping[str, Any]:
        """What stands in the next push of this kind."""
        while (data := await self.pushed.get()).get("type", kind) != kind:
            pass
        return data

    # A call

    async def of_call(self, method: str, token: str, what: str = "", body: Any = None, **more: Any) -> Any:
        """A request about a call."""
        path = f"/v1/calls/{token}{what}"
        return await self.ask(method, path, body, shown=f"/v1/calls/…{what}", **more)

    async def accept(self, token: str, offer: str, engine: MediaEngine) -> None:
        """Answer the offer with a port that is really there."""
        self._sound = _sound_of(engine)
        answer = await self._sound.answer(offer.encode())
        await self.of_call("POST", token, "/accept", {"sdp_answer": answer.decode()})

    async def place(self, number: str, engine: MediaEngine) -> str:
        """Call somebody; the token of the call once it is answered."""
        self._sound = _sound_of(engine)
        offer = await self._sound.offer()
        asked = {"destination_uri": number, "sdp_offer": offer.decode(), "device_id": self.device}
        placed = await self.ask("POST", "/v1/calls", asked, note=f"to {number}")
        await self._sound.take_answer(placed["sdp_answer"].encode())
        return str(placed["call_token"])

    async def close(self) -> None:
        """Give the port back."""
        if self._sound is not None:
            await self._sound.close()
            self._sound = None


async def heard_dbfs(sound: Sound, hz: float, folder: Path, name: str) -> float:
    """Listen until a tone is heard; its level. Raises DemoFailed when it is not."""
    level = SILENCE_DBFS
    for number in range(_TRIES):
        file = folder / f"{name}-{number}.wav"
        await sound.record(file, tell=False)
        await asyncio.sleep(LISTEN_S)
        await sound.stop_recording()
        level = await asyncio.to_thread(tone_dbfs, file, hz)
        if level >= AUDIBLE_DBFS:
            return level
    raise DemoFailed(f"the {name} did not hear {hz:g} Hz: {level:.1f} dBFS")


def _sound_of(engine: MediaEngine) -> Sound:
    return Sound(engine, "127.0.0.1", ("PCMU",), _tell_nobody)


def _tell_nobody(name: str, **data: Any) -> None:
    """The play tells what is to be told."""
