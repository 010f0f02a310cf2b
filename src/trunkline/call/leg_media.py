"""The media of one leg: a port of the engine for each stream, and our name for the session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from trunkline.base.errors import CallFailed, MediaError
from trunkline.base.ids import TokenPool
from trunkline.call.leg_codecs import LegCodecs
from trunkline.call.leg_places import LegPlaces
from trunkline.media.codecs import Key, formats_of, narrowed, pairing, widened
from trunkline.media.commands import (
    AdoptPort,
    ClosePort,
    Family,
    OpenPort,
    ReadIdentity,
    SetDirection,
    SetFormats,
    SetKeys,
    SetPlain,
    SetRemote,
)
from trunkline.media.engine import MediaEngine
from trunkline.media.identity import without_keys
from trunkline.media.leg_security import Encryption, LegSecurity
from trunkline.media.offer_answer import (
    PROFILES,
    LocalPort,
    Profile,
    SdpIdentity,
    Stream,
    carries,
    offer_for_service,
    rewrite,
    streams_of,
)
from trunkline.media.peer_security import may_be_secured, plain_of
from trunkline.media.remote import remote_of
from trunkline.media.shape import Shape
from trunkline.proto.sdp import Direction, excerpt

_POOL = TokenPool()


class LegMedia(LegCodecs, LegPlaces):
    """Ports are named by opaque ids and opened as streams ask for them; they stay for the leg's life.

    ``address`` is what we tell while no port is open; its family is that of the ports. Opening raises
    MediaError when the engine has no port left. ``encryption`` is what the party is offered; what it offers itself is
    answered as it is. With ``converts`` it is offered codecs that the other party does not have.

    Streams and bodies that go between legs are plain, whatever the parties speak: ``read`` makes them so.
    """

    __slots__ = (
        "_away",
        "_engine",
        "_family",
        "_formats",
        "_given_up",
        "_here",
        "_hushed",
        "_lender",
        "_local",
        "_owner",
        "_remotes",
        "_said",
        "_sealed",
        "_spare",
        "awaited",
        "converts",
        "identity",
        "ports",
        "profile",
        "security",
        "suites",
        "tell",
    )
    passes: ClassVar[bool] = False
    """Whether descriptions pass as they are, and packets elsewhere."""

    def __init__(
        self,
        engine: MediaEngine,
        owner: str,
        address: str,
        profile: str = "transparent",
        *,
        encryption: Encryption = "off",
        converts: bool = False,
    ) -> None:
        self._engine = engine
        self._owner = owner
        self._family: Family = "ipv6" if ":" in address else "ipv4"
        self._remotes: dict[str, tuple[SetRemote, Direction]] = {}
        self._sealed = False
        self._hushed = False
        self._here: set[str] = set()  # the ports that are more than a relay's
        self._away: set[str] = set()  # those that cannot be more
        # Ports that are replaced when the party's offer is accepted, and what is in their place when it is not.
        self._given_up: dict[int, tuple[str, LocalPort | None]] = {}
        self._spare: dict[int, tuple[str, LocalPort | None]] = {}
        self.profile: Profile = PROFILES[profile]
        self.ports: list[str | None] = []
        self._local: list[LocalPort | None] = []
        # 53 bits: some stacks read the session id as a floating-point number.
        self.identity = SdpIdentity(int(_POOL.token(13), 16) | 1, address)
        self.security: LegSecurity | None = LegSecurity(encryption) if encryption != "off" else None
        self.tell: Callable[[str, str], None] | None = None  # takes a step of the story: its code, its text
        self.converts = converts
        self._said = b""  # the party's last description, plain
        self._formats: dict[str, SetFormats] = {}  # of the ports whose sound is converted
        self._lender: LegMedia | None = None  # whose ports these are until they are adopted
        self.awaited = False  # whether no engine answered as its ports were opened after a crash
        self.suites: dict[str, str] = {}  # the SRTP suite of each port that has keys

    # What the party says

    def read(self, body: bytes, *, answer: bool = False) -> bytes:
        """The party's description, plain: as all of the call goes by it. How it is secured is kept here.

        What its security is to be taken for and cannot be is left as it is, which no stream is carried by.
        """
        if self.security is not None:
            body = self.security.read(body, answer=answer)
        elif may_be_secured(body):
            self.security = LegSecurity()
            body = self.security.read(body, answer=answer)
        self._said = body or self._said
        if self.security is not None and self.security.complaints and self.tell is not None:
            for complaint in self.security.complaints:
                self.tell("sdp.not_secured", complaint)
        return body

    def take_over(self, known: LegMedia) -> None:
        """The party comes by these ports now: what it has said by those of ``known`` counts here."""
        self._said = known._said
        if known.security is not None and self.security is not known.security:
            self.security = self.security or known.security.moved()
            self.security.take_over(known.security)

    def follow(self, known: LegMedia) -> None:
        """Be the media of ``known``'s party in another call: the same session to it, by other ports.

        A party with DTLS keeps its association whatever it is told of ports and paths (RFC 8842 §5.1): it stays at
        the ports that it has, which ``adopt`` takes over.
        """
        self.identity = known.identity
        if known.security is None:
            return
        if known.security.bound:
            self.security, self._lender = known.security, known
        else:
            self.security = known.security.moved()

    def _borrow(self, lender: LegMedia, index: int) -> LocalPort | None:
        port = lender.ports[index] if index < len(lender.ports) else None
        if port is None:
            return None
        local = lender._local[index]
        self.ports[index], self._local[index] = port, local
        if port in lender._remotes:
            self._remotes[port] = lender._remotes[port]
        if port in lender._formats:
            self._formats[port] = lender._formats[port]
        if port in lender.suites:
            self.suites[port] = lender.suites[port]
        self._here.add(port)
        return local

    async def adopt(self) -> None:
        """From now on borrowed ports are those of this call; raises MediaError."""
        lender = self._lender
        for index, port in enumerate(self.ports):
            if lender is not None and port is not None and port in lender.ports:
                await self._engine.execute(AdoptPort(port, self._owner))
                lender.ports[index] = None
        self._lender = None

    def take_back(self) -> None:
        """The offer that was read last is refused: how the party is secured stays as it was."""
        if self.security is not None:
            self.security.take_back()
        self._go_back()

    @property
    def told(self) -> str:
        """What the party was told last, plain."""
        body = self.identity.body
        return plain_of(body)[0] if self.security is not None and body else body

    @property
    def secured(self) -> bool:
        """Whether there are keys that are in no file: the leg cannot be carried on by another process."""
        return self.security is not None and self.security.keyed

    async def _know_identity(self) -> None:
        if self.security is not None and self.security.wants_fingerprint:
            self.security.fingerprint = (await self._engine.execute(ReadIdentity())).fingerprint

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
                    await self._open(index, here=other.security is not None)
                elif self.security is not None:
                    await self._bring_here(index)
        if self.security is not None:
            await self._know_identity()
        if not carried:
            _nothing_but(streams)

    @property
    def live(self) -> list[str]:
        """The ports of streams that neither party has rejected."""
        known = self._remotes
        return [
            port for port in self.ports if port is not None and (port not in known or known[port][0].rtp_port)
        ]

    @property
    def speaking(self) -> list[str]:
        """The ports of streams on which the party is to be heard, as agreed last."""
        known = self._remotes
        return [port for port in self.live if port in known and known[port][1] in {"sendrecv", "sendonly"}]

    async def open_one(self, *, here: bool = False) -> LocalPort:
        """The one audio port of a leg; ``here`` when it ends at us."""
        if not self.ports:
            self.ports.append(None)
            self._local.append(None)
        await self._know_identity()
        if self.security is not None:
            await self._bring_here(0)
        return self._local[0] or await self._open(0, here=here)

    async def _open(
        self, index: int, port: str = "", rtp_port: int = 0, *, here: bool = False, address: str = ""
    ) -> LocalPort:
        if self._sealed:
            raise MediaError("the leg is over: it opens no port any more", "media.leg_over")
        borrowed = self._borrow(self._lender, index) if self._lender is not None else None
        if borrowed is not None:
            return borrowed
        port = port or _POOL.token(16)
        here = here or self.security is not None
        opened = await self._engine.execute(
            OpenPort(port, self._owner, self._family, rtp_port, here, address)
        )
        self.awaited |= opened.awaited
        if here:
            self._here.add(port)
        if not opened.here:
            self._away.add(port)
        local = LocalPort(opened.advertised, opened.rtp_port, opened.rtcp_port)
        self.ports[index] = port
        self._local[index] = local
        return local

    async def own_offer(self) -> bytes:
        """An offer of ours to a party that wants one while the party across has made none yet."""
        local = await self.open_one()
        return offer_for_service(local, self.identity, dress=self.dress(offer=True)).encode()

    def dress(self, *, offer: bool) -> Callable[[str], str] | None:
        """What puts our keys into a description of ours; None when there are none."""
        security = self.security
        if security is None:
            return None
        own = next((local for local in self._local if local is not None), None)
        local = [one or own for one in self._local]
        return lambda after: security.dress(after, local, offer=offer)

    def rewritten(self, body: bytes, count: int, *, offer: bool = False) -> bytes:
        """The other party's description as this leg's party shall see it: with our ports, and our keys.

        An ``offer`` keeps the m-lines that the party knows beyond those of the other's, rejected, and names codecs
        that we convert to; an answer names those that the party has named itself.
        """
        text = body.decode("utf-8", "surrogateescape")
        described = rewrite(
            text,
            self._local[:count],
            self.identity,
            self.profile,
            offer=offer,
            edit=(self._widened if offer else self._narrowed) if self.converts else None,
            dress=self.dress(offer=offer) if self.security is not None else None,
        )
        return described.encode("utf-8", "surrogateescape")

    def _widened(self, _position: int, shape: Shape, text: str | None) -> str | None:
        return widened(self.profile, shape, text, self._numbers())

    def _numbers(self) -> dict[Key, int]:
        """The payload types that the party has given to codecs."""
        if not self._said:
            return {}
        streams = [stream for stream in streams_of(self._said) if stream.kind == "audio"]
        return {one.key: one.payload_type for stream in streams for one in formats_of(stream.shape)}

    def _narrowed(self, position: int, shape: Shape, text: str | None) -> str | None:
        streams = streams_of(self._said) if self._said else []
        if position >= len(streams):
            return text
        offered = formats_of(streams[position].shape)
        return narrowed(pairing(offered, formats_of(shape)), offered, shape, text)

    async def hear(self, streams: Sequence[Stream], across: Sequence[Stream], first: int = 0) -> None:
        """Take over where the party receives and sends; ``across`` are the other party's streams.

        ``first`` is the place of the first stream in the party's description.
        """
        if self._given_up:
            await self._close_given_up()
        for index, (port, stream, other) in enumerate(zip(self.ports, streams, across, strict=False)):
            if port is not None:
                remote = remote_of(port, stream, other)
                direction = stream.effective_direction
                before = self._remotes.get(port)
                if self.security is not None:
                    await self._secure(remote, first + index)
                self._remotes[port] = remote, direction
                await self._engine.execute(remote)
                if self._hushed or direction != (before[1] if before is not None else "sendrecv"):
                    await self._gate(port, direction)
        for port in self.ports[len(streams) :]:
            if port is not None:
                self._remotes[port] = SetRemote(port, "", 0), "sendrecv"
                await self._engine.execute(self._remotes[port][0])

    async def _secure(self, remote: SetRemote, position: int) -> None:
        """Keys first: no packet is to be taken, or sent, without them."""
        security = self.security
        if security is None or not remote.rtp_port:
            return
        mux = security.mux(position)
        remote.rtcp_mux = remote.rtcp_mux if mux is None else mux
        for command in security.commands(remote.port, position):
            await self._engine.execute(command)
            if isinstance(command, SetKeys):
                self.suites[command.port] = command.suite
            elif isinstance(command, SetPlain):
                self.suites.pop(command.port, None)

    @property
    def names_events(self) -> bool:
        """Whether the party says that it speaks and takes telephone events."""
        streams = streams_of(self._said) if self._said else []
        return any(stream.telephone_events and not stream.rejected for stream in streams)

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
            converted = other._formats.get(across) if across is not None else None
            if across is not None and converted is not None:
                event = converted.send_events
                return (across, event.payload_type) if event is not None else None
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
            "identity": without_keys(self.identity.snapshot()),
            "ports": [
                None if port is None or local is None else self._port_data(port, local)
                for port, local in zip(self.ports, self._local, strict=True)
            ],
        }

    def _port_data(self, port: str, local: LocalPort) -> dict[str, Any]:
        known = self._remotes.get(port)
        return {
            "port": port,
            "here": port in self._here,
            "rtp_port": local.port,
            "remote": known[0].to_dict() if known is not None else None,
            "formats": self._formats[port].to_dict() if port in self._formats else None,
            "direction": known[1] if known is not None else "sendrecv",
        }

    async def restore(self, data: dict[str, Any]) -> None:
        """Open the ports of a snapshot at the numbers that the peers know; raises MediaError when one is taken."""
        self.identity = SdpIdentity.restore(data["identity"])
        told = streams_of(self.told) if self.told else []
        for index, kept in enumerate(data["ports"]):
            self.ports.append(None)
            self._local.append(None)
            if kept is not None:
                address = told[index].address if index < len(told) else ""
                here = kept.get("here", False)
                await self._open(index, kept["port"], kept["rtp_port"], here=here, address=address)
                if kept["remote"] is not None:
                    remote, direction = SetRemote.from_dict(kept["remote"]), kept["direction"]
                    self._remotes[kept["port"]] = remote, direction
                    await self._engine.execute(remote)
                    if direction != "sendrecv":
                        await self._gate(kept["port"], direction)
                if kept.get("formats") is not None:
                    self._formats[kept["port"]] = SetFormats.from_dict(kept["formats"])
                    await self._engine.execute(self._formats[kept["port"]])

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
                if self._lender is not None and port in self._lender.ports:
                    continue
                with suppress(MediaError):  # the call that goes on must not end by it
                    await self._engine.execute(ClosePort(port))


def _nothing_but(streams: Sequence[Stream]) -> None:
    """Raises CallFailed 488 when there is a live stream: it could not be carried."""
    for stream in streams:
        if not stream.rejected:
            seen = f"{excerpt(stream.kind)} over {excerpt(stream.protocol)}"
            raise CallFailed(488, f"No stream to relay, only {seen}", 88, "sdp.no_stream")
