"""The media of one leg: a port of the engine for each stream, and our name for the session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trunkline.base.ids import TokenPool
from trunkline.media.commands import ClosePort, OpenPort, PortOpened, ReadStatistics, SetRemote
from trunkline.media.engine import MediaEngine
from trunkline.media.offer_answer import PROFILES, LocalPort, Profile, SdpIdentity, Stream, carries, rewrite

_POOL = TokenPool()


class LegMedia:
    """Ports are named by opaque ids and opened as streams ask for them; they stay for the leg's life.

    ``address`` is what we tell when no port is open yet. Raises MediaError when the engine has no port left.
    """

    __slots__ = ("_address", "_engine", "_local", "_owner", "identity", "ports", "profile", "streams")

    def __init__(self, engine: MediaEngine, owner: str, address: str, profile: str = "transparent") -> None:
        self._engine = engine
        self._owner = owner
        self._address = address
        self.profile: Profile = PROFILES[profile]
        self.ports: list[str | None] = []
        self._local: list[LocalPort | None] = []
        self.streams: Sequence[Stream] = ()
        # 53 bits: some stacks read the session id as a floating-point number.
        self.identity = SdpIdentity(int(_POOL.token(13), 16) | 1, address)

    async def open_for(self, streams: Sequence[Stream], other: LegMedia) -> None:
        """Have a port for each stream that both legs' profiles carry."""
        while len(self.ports) < len(streams):
            self.ports.append(None)
            self._local.append(None)
        for index, stream in enumerate(streams):
            if self.ports[index] is None and carries(self.profile, stream) and carries(other.profile, stream):
                await self._open(index)

    async def open_one(self) -> LocalPort:
        """The one audio port of a leg that ends at us."""
        if not self.ports:
            self.ports.append(None)
            self._local.append(None)
        return self._local[0] or await self._open(0)

    async def _open(self, index: int) -> LocalPort:
        port = _POOL.token(16)
        opened: PortOpened = await self._engine.execute(OpenPort(port, self._owner, self._address))
        local = LocalPort(opened.address, opened.rtp_port, opened.rtcp_port)
        self.ports[index] = port
        self._local[index] = local
        return local

    def rewritten(self, body: bytes, count: int) -> bytes:
        """The other party's description as this leg's party shall see it: with our ports."""
        text = body.decode("utf-8", "surrogateescape")
        described = rewrite(text, self._local[:count], self.identity, self.profile)
        return described.encode("utf-8", "surrogateescape")

    async def hear(self, streams: Sequence[Stream]) -> None:
        """Take over where the party receives and sends: after its offer and after its answer."""
        self.streams = streams
        for port, stream in zip(self.ports, streams, strict=False):
            if port is None:
                continue
            await self._engine.execute(remote_of(port, stream))

    async def statistics(self) -> dict[str, Any]:
        """Statistics of the first open port as plain data, or nothing."""
        for port in self.ports:
            if port is not None:
                reply = await self._engine.execute(ReadStatistics(port))
                return reply.to_dict()
        return {}

    async def close(self) -> None:
        """Give the ports back; the call does it for all its legs at once, a lost fork for itself."""
        for index, port in enumerate(self.ports):
            if port is not None:
                self.ports[index] = None
                self._local[index] = None
                await self._engine.execute(ClosePort(port))


def remote_of(port: str, stream: Stream) -> SetRemote:
    """The engine's command for where a stream's packets go and may come from."""
    raise NotImplementedError
