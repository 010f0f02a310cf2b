"""The media of one leg: a port of the engine for each stream, and our name for the session."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final

from trunkline.base.errors import CallFailed, MediaError
from trunkline.base.ids import TokenPool
from trunkline.media.commands import ClosePort, Family, OpenPort, SetDirection, SetRemote
from trunkline.media.engine import MediaEngine
from trunkline.media.offer_answer import (
    PROFILES,
    LocalPort,
    Profile,
    SdpIdentity,
    Stream,
    carries,
    offer_for_service,
    rewrite,
)
from trunkline.proto.sdp import Direction, excerpt

_POOL = TokenPool()
# What nearly every phone and carrier can, in the order of the sound.
_OWN_CODECS: Final = ("G722", "PCMA", "PCMU")


class LegMedia:
    """Ports are named by opaque ids and opened as streams ask for them; they stay for the leg's life.

    ``address`` is what we tell while no port is open; its family is that of the ports. Opening raises
    MediaError when the engine has no port left.
    """

    __slots__ = (
        "_engine",
        "_family",
        "_hushed",
        "_local",
        "_owner",
        "_remotes",
        "_sealed",
        "identity",
        "ports",
        "profile",
    )
    passes: ClassVar[bool] = False
    """Whether descriptions pass as they are, and packets elsewhere."""

    def __init__(self, engine: MediaEngine, owner: str, address: str, profile: str = "transparent") -> None:
        self._engine = engine
        self._owner = owner
        self._family: Family = "ipv6" if ":" in address else "ipv4"
        self._remotes: dict[str, tuple[SetRemote, Direction]] = {}
        self._sealed = False
        self._hushed = False
        self.profile: Profile = PROFILES[profile]
        self.ports: list[str | None] = []
        self._local: list[LocalPort | None] = []
        # 53 bits: some stacks read the session id as a floating-point number.
        self.identity = SdpIdentity(int(_POOL.token(13), 16) | 1, address)

    async def open_for(self, streams: Sequence[Stream], other: LegMedia) -> None:
        """Have a port for each stream that both legs' profiles carry.

        Raises CallFailed 488 when none of the live ones can be carried: the parties would have nothing to talk by.
        """
        carried = False
        while len(self.ports) < len(streams):
            self.ports.append(None)
            self._local.append(None)
        for index, stream in enumerate(streams):
            if carries(self.profile, stream) and carries(other.profile, stream):
                carried = True
                if self.ports[index] is None:
                    await self._open(index)
        if not carried:
            _nothing_but(streams)

    @property
    def live(self) -> list[str]:
        """The ports of streams that neither party has rejected."""
        known = self._remotes
        return [
            port for port in self.ports if port is not None and (port not in known or known[port][0].rtp_port)
        ]

    async def open_one(self) -> LocalPort:
        """The one audio port of a leg that ends at us."""
        if not self.ports:
            self.ports.append(None)
            self._local.append(None)
        return self._local[0] or await self._open(0)

    async def _open(self, index: int, port: str = "", rtp_port: int = 0) -> LocalPort:
        if self._sealed:
            raise MediaError("the leg is over: it opens no port any more", "media.leg_over")
        port = port or _POOL.token(16)
        opened = await self._engine.execute(OpenPort(port, self._owner, self._family, rtp_port))
        local = LocalPort(opened.advertised, opened.rtp_port, opened.rtcp_port)
        self.ports[index] = port
        self._local[index] = local
        return local

    async def own_offer(self) -> bytes:
        """An offer of ours to a party that wants one while the party across has made none yet."""
        local = await self.open_one()
        return offer_for_service(local, self.identity, _OWN_CODECS).encode()

    def rewritten(self, body: bytes, count: int, *, offer: bool = False) -> bytes:
        """The other party's description as this leg's party shall see it: with our ports.

        An ``offer`` keeps the m-lines that the party knows beyond those of the other's, rejected.
        """
        text = body.decode("utf-8", "surrogateescape")
        described = rewrite(text, self._local[:count], self.identity, self.profile, offer=offer)
        return described.encode("utf-8", "surrogateescape")

    async def hear(self, streams: Sequence[Stream], across: Sequence[Stream]) -> None:
        """Take over where the party receives and sends; ``across`` are the other party's streams."""
        for port, stream, other in zip(self.ports, streams, across, strict=False):
            if port is not None:
                remote = remote_of(port, stream, other)
                direction = stream.effective_direction
                before = self._remotes.get(port)
                self._remotes[port] = remote, direction
                await self._engine.execute(remote)
                if self._hushed or direction != (before[1] if before is not None else "sendrecv"):
                    await self._gate(port, direction)
        for port in self.ports[len(streams) :]:
            if port is not None:
                self._remotes[port] = SetRemote(port, "", 0), "sendrecv"
                await self._engine.execute(self._remotes[port][0])

    async def _gate(self, port: str, direction: Direction) -> None:
        """Hold and resume: nothing is sent to a party that does not listen, nor its silence reported."""
        await self._engine.execute(
            SetDirection(
                port,
                send=direction in {"sendrecv", "recvonly"},
                receive=direction in {"sendrecv", "sendonly"} and not self._hushed,
            )
        )

    async def hush(self, *, hushed: bool) -> None:
        """Whether nothing that the party says is passed on, whatever it agreed to: before it is answered."""
        self._hushed = hushed
        for port in self.ports:
            if port is not None:
                known = self._remotes.get(port)
                await self._gate(port, known[1] if known is not None else "sendrecv")

    def events_towards(self, other: LegMedia) -> tuple[str, int] | None:
        """By which port of ``other`` its party is sent telephone events in place of ours, and their payload type.

        RFC 3264 §6.1: the number is the one that it gave itself, by which ours sends to it.
        """
        for port, across in zip(self.ports, other.ports, strict=False):
            known = self._remotes.get(port) if port is not None else None
            if known is not None and across is not None and known[0].dtmf_payload_type is not None:
                return across, known[0].dtmf_payload_type
        return None

    # For the process that carries on after a crash

    def snapshot(self) -> dict[str, Any]:
        """Plain, JSON-serialisable data; keys that a description carried are left out."""
        return {
            "family": self._family,
            "profile": self.profile.name,
            "identity": _without_keys(self.identity.snapshot()),
            "ports": [
                None if port is None or local is None else self._port_data(port, local)
                for port, local in zip(self.ports, self._local, strict=True)
            ],
        }

    def _port_data(self, port: str, local: LocalPort) -> dict[str, Any]:
        known = self._remotes.get(port)
        return {
            "port": port,
            "rtp_port": local.port,
            "remote": known[0].to_dict() if known is not None else None,
            "direction": known[1] if known is not None else "sendrecv",
        }

    async def restore(self, data: dict[str, Any]) -> None:
        """Open the ports of a snapshot at the numbers that the peers know; raises MediaError when one is taken."""
        self.identity = SdpIdentity.restore(data["identity"])
        for index, kept in enumerate(data["ports"]):
            self.ports.append(None)
            self._local.append(None)
            if kept is not None:
                await self._open(index, kept["port"], kept["rtp_port"])
                if kept["remote"] is not None:
                    remote, direction = SetRemote.from_dict(kept["remote"]), kept["direction"]
                    self._remotes[kept["port"]] = remote, direction
                    await self._engine.execute(remote)
                    if direction != "sendrecv":
                        await self._gate(kept["port"], direction)

    # The end

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


def _nothing_but(streams: Sequence[Stream]) -> None:
    """Raises CallFailed 488 when there is a live stream: it could not be carried."""
    for stream in streams:
        if not stream.rejected:
            seen = f"{excerpt(stream.kind)} over {excerpt(stream.protocol)}"
            raise CallFailed(488, f"No stream to relay, only {seen}", 88, "sdp.no_stream")


def _without_keys(identity: dict[str, int | str]) -> dict[str, int | str]:
    """An SDP identity that may be written to disk: our last description, unless it says SRTP keys (RFC 4568).

    Without it the next description has a higher version, whether it differs or not.
    """
    after = str(identity["after"])
    keyed = "a=crypto:" in after or "\nk=" in after
    return identity | {"after": ""} if keyed else identity


def _event_of(stream: Stream, across: Stream) -> tuple[int, int] | None:
    """Payload type and clock rate in Hz of the telephone events that a party sends.

    RFC 3264 §6.1: it sends under the numbers that it was told, which need not be those of its own; and at a clock
    rate that it has itself.
    """
    events = across.telephone_events
    if len(events) > 1:
        rates = {rate for _, rate in stream.telephone_events}
        events = tuple(event for event in events if event[1] in rates) or events
    return events[0] if events else None


def remote_of(port: str, stream: Stream, across: Stream) -> SetRemote:
    """The engine's command for where a stream's packets go and may come from.

    ``across`` is what the peer was told in turn: our own description, or that of the party whom we stand for.
    """
    if stream.rejected or across.rejected:
        return SetRemote(port, "", 0)  # RFC 3264 §6: a stream that one side rejects is none for either
    address = stream.address if stream.address_kind != "name" else ""
    events = across.telephone_events
    event = _event_of(stream, across) if len(events) > 1 else events[0] if events else None
    return SetRemote(
        port,
        "" if stream.zero_address else address,
        stream.port,
        stream.rtcp_address,
        stream.rtcp_port,
        # RFC 5761 §5.1.1: RTCP comes by the RTP port only when both sides said so.
        stream.mux and across.mux,
        dtmf_payload_type=event[0] if event is not None else None,
        clock_hz=event[1] if event is not None else 8000,
        opaque=stream.transport == "udptl",
    )
