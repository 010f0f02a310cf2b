"""The media of one leg: a port of the engine for each stream, and our name for the session."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from trunkline.base.errors import MediaError
from trunkline.base.ids import TokenPool
from trunkline.media.commands import ClosePort, Family, OpenPort, SetDirection, SetRemote
from trunkline.media.engine import MediaEngine
from trunkline.media.offer_answer import PROFILES, LocalPort, Profile, SdpIdentity, Stream, carries, rewrite

_POOL = TokenPool()


class LegMedia:
    """Ports are named by opaque ids and opened as streams ask for them; they stay for the leg's life.

    ``address`` is what we tell while no port is open; its family is that of the ports. Opening raises
    MediaError when the engine has no port left.
    """

    __slots__ = (
        "_engine",
        "_family",
        "_gated",
        "_local",
        "_owner",
        "_sealed",
        "identity",
        "ports",
        "profile",
    )

    def __init__(self, engine: MediaEngine, owner: str, address: str, profile: str = "transparent") -> None:
        self._engine = engine
        self._owner = owner
        self._family: Family = "ipv6" if ":" in address else "ipv4"
        self._gated: set[str] = set()
        self._sealed = False
        self.profile: Profile = PROFILES[profile]
        self.ports: list[str | None] = []
        self._local: list[LocalPort | None] = []
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
        if self._sealed:
            raise MediaError("the leg is over: it opens no port any more", "media.leg_over")
        port = _POOL.token(16)
        opened = await self._engine.execute(OpenPort(port, self._owner, self._family))
        local = LocalPort(opened.advertised, opened.rtp_port, opened.rtcp_port)
        self.ports[index] = port
        self._local[index] = local
        return local

    def rewritten(self, body: bytes, count: int) -> bytes:
        """The other party's description as this leg's party shall see it: with our ports."""
        text = body.decode("utf-8", "surrogateescape")
        described = rewrite(text, self._local[:count], self.identity, self.profile)
        return described.encode("utf-8", "surrogateescape")

    async def hear(self, streams: Sequence[Stream], across: Sequence[Stream]) -> None:
        """Take over where the party receives and sends; ``across`` are the other party's streams."""
        for port, stream, other in zip(self.ports, streams, across, strict=False):
            if port is not None:
                # RFC 5761 §5.1.1: RTCP comes by the RTP port only when both sides said so.
                await self._engine.execute(remote_of(port, stream, mux=stream.mux and other.mux))
                await self._gate(port, stream)

    async def _gate(self, port: str, stream: Stream) -> None:
        """Hold and resume: nothing is sent to a party that does not listen, nor its silence reported."""
        direction = stream.effective_direction
        if direction == "sendrecv" and port not in self._gated:
            return
        self._gated.add(port)
        await self._engine.execute(
            SetDirection(
                port,
                send=direction in {"sendrecv", "recvonly"},
                receive=direction in {"sendrecv", "sendonly"},
            )
        )

    def seal(self) -> None:
        """Open no port from now on: whoever still works for the leg must not leave one behind."""
        self._sealed = True

    async def close(self) -> None:
        """Give the ports back; the call does it for all its legs at once, a lost fork for itself."""
        self.seal()
        for index, port in enumerate(self.ports):
            if port is not None:
                self.ports[index] = None
                self._local[index] = None
                with suppress(MediaError):  # the call that goes on must not end by it
                    await self._engine.execute(ClosePort(port))


def remote_of(port: str, stream: Stream, *, mux: bool) -> SetRemote:
    """The engine's command for where a stream's packets go and may come from."""
    address = stream.address if stream.address_kind != "name" else ""
    event = stream.telephone_events[0] if stream.telephone_events else None
    return SetRemote(
        port,
        "" if stream.zero_address else address,
        stream.port,
        stream.rtcp_address,
        stream.rtcp_port,
        mux,
        dtmf_payload_type=event[0] if event is not None else None,
        clock_hz=event[1] if event is not None else 8000,
    )
