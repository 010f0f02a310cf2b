"""One rtpengine: its health by pings, its load, and commands to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from trunkline.base.errors import MediaError, RemoteProtocolError, TransportError
from trunkline.media.ng.bencode import Encodable
from trunkline.media.ng.courier import Answer, TooManyWait, Transport
from trunkline.media.ng.plan import ClusterPlan, InstancePlan, InstanceState
from trunkline.media.ng.udp import UdpTransport
from trunkline.media.ng.websocket import WebSocketTransport

_LOAD_EVERY: Final = 5
"""Pings between two looks at its sessions."""


def transport_to(url: str, ca: str = "") -> Transport:
    """The way to ``udp:HOST:PORT``, or to a WebSocket; ValueError for anything else. ``ca``: as ``ClusterPlan.ca``."""
    if url.startswith(("ws://", "wss://")):
        return WebSocketTransport(url, ca)
    parts = urlsplit(url.replace("udp:", "udp://", 1))
    if parts.scheme != "udp" or not parts.hostname or not parts.port:
        raise ValueError(f"{url} is no address of an rtpengine")
    return UdpTransport(parts.hostname, parts.port)


class NotAsked(MediaError):  # noqa: N818  (a state of this side, not a fault)
    """``media.engine_silent`` that says nothing of the instance: too many questions to it wait already."""


class Instance:
    """``changed`` is called with it when it comes up or goes down."""

    def __init__(
        self,
        plan: InstancePlan,
        cluster: ClusterPlan,
        changed: Callable[[Instance], None],
        transport: Transport | None = None,
    ) -> None:
        self.name = plan.url
        self.weight = plan.weight
        self._cluster = cluster
        self._changed = changed
        self._transport = transport or transport_to(plan.url, cluster.ca)
        self._task: asyncio.Task[None] | None = None
        self._row = 0  # answered pings in a row, or negative: unanswered ones
        self._since = 0.0
        self.state = "unknown"
        self.failures = 0
        self.draining = False
        """Whether it is to get no new calls."""
        self.sessions = 0
        """Calls of ours; the cluster counts them."""
        self.sessions_all: int | None = None

    @property
    def up(self) -> bool:
        """Whether it answers."""
        return self.state == "up"

    @property
    def takes_calls(self) -> bool:
        """Whether it gets new calls."""
        return self.up and not self.draining

    @property
    def answer_octets(self) -> int:
        """What an answer of it has at most."""
        return self._transport.answer_octets

    async def start(self) -> None:
        """Open the way to it and look at it once; then keep looking."""
        self._since = asyncio.get_running_loop().time()
        await self._transport.start()
        await self._ping()
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """Look no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._transport.stop()

    async def ask(self, command: str, **fields: Encodable) -> Answer:
        """Carry out a command, names of ``fields`` with hyphens for their underscores.

        Raises MediaError: ``media.engine_silent`` without an answer, ``media.engine_refused`` with its reason.
        """
        try:
            return await self._ask(command, fields)
        except MediaError as error:
            if error.code == "media.engine_silent" and not isinstance(error, NotAsked):
                self._fall_silent()
            raise

    async def list_calls(self, limit: int) -> list[str]:
        """The names of some calls, ours and others'; all when they are less than ``limit``. Raises as ``ask`` does.

        An answer with more than ``answer_octets`` never comes: silence is no sign here that the instance is down.
        """
        listed = (await self._ask("list", {"limit": limit})).get("calls")
        names = listed if isinstance(listed, list) else []
        return [one.decode("utf-8", "replace") for one in names if isinstance(one, bytes)]

    async def _ask(self, command: str, fields: Mapping[str, Encodable]) -> Answer:
        question = {name.replace("_", "-"): value for name, value in fields.items()} | {"command": command}
        try:
            answer = await self._transport.ask(question, self._cluster.timeout_s)
        except TooManyWait as error:
            raise NotAsked(str(error), "media.engine_silent") from None
        except TransportError as error:
            raise MediaError(str(error), "media.engine_silent") from None
        except RemoteProtocolError as error:
            raise MediaError(error.reason, "media.engine_refused") from None
        if answer.get("result") not in {b"ok", b"pong"}:
            reason = answer.get("error-reason", b"no reason")
            said = reason.decode("utf-8", "replace")[:200] if isinstance(reason, bytes) else "no reason"
            raise MediaError(f"{self.name} refused {command}: {said}", "media.engine_refused")
        return answer

    def status(self) -> InstanceState:
        """How it is now."""
        since = asyncio.get_running_loop().time() - self._since
        return InstanceState(
            self.name, self.state, since, self.sessions, self.sessions_all, self.failures, self.weight,
            self.draining,
        )  # fmt: skip

    async def _watch(self) -> None:
        for beat in range(1, 1 << 62):
            await asyncio.sleep(self._cluster.ping_s)
            await self._ping()
            if self.up and beat % _LOAD_EVERY == 0:
                await self._read_load()

    async def _ping(self) -> None:
        try:
            answer = await self._transport.ask({"command": "ping"}, self._cluster.ping_s)
            good = answer.get("result") == b"pong"
        except TooManyWait:
            return
        except (TransportError, RemoteProtocolError):
            good = False
        self._row = max(self._row, 0) + 1 if good else min(self._row, 0) - 1
        if self._row >= (1 if self.state == "unknown" else self._cluster.up_after):
            self._become("up")
        elif self._row <= -self._cluster.down_after:
            self._become("down")

    def _fall_silent(self) -> None:
        """A command was sent several times in vain: as good as the pings that are missing."""
        self._row = min(self._row, -self._cluster.down_after)
        self._become("down")

    def _become(self, state: str) -> None:
        if state == self.state:
            return
        self.failures += state == "down"
        self.state = state
        self._since = asyncio.get_running_loop().time()
        self._changed(self)

    async def _read_load(self) -> None:
        with contextlib.suppress(MediaError):
            answer = await self.ask("statistics")
            found = answer.get("statistics")
            current = found.get("currentstatistics") if isinstance(found, dict) else None
            total = current.get("sessionstotal") if isinstance(current, dict) else None
            if isinstance(total, int):
                self.sessions_all = total
