"""Commands to a media engine and its replies: plain values with opaque ids, so that it may live elsewhere.

A *port* is the pair of an RTP and an RTCP socket that serves one m-line of one leg. Whoever opens it mints
its id and names its owner (the call), so that all ports of a call can be closed at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from trunkline.media.codec_commands import Format, SetFormats
from trunkline.media.command import Command, Done, R, R_co, Reply
from trunkline.media.file_commands import (
    Channels,
    DropSound,
    LoadSound,
    Play,
    Record,
    StopPlay,
    StopRecord,
)
from trunkline.media.key_commands import SendDigits
from trunkline.media.security_commands import IdentityRead, ReadIdentity, SetDtls, SetIce, SetKeys, SetPlain
from trunkline.media.sound_commands import (
    AudioOpened,
    CloseRoom,
    Join,
    Listen,
    OpenAudio,
    OpenRoom,
    PlaySignal,
    SetExtension,
    ToneStep,
)
from trunkline.media.statistics import PortStatistics

__all__ = [
    "COMMANDS",
    "REPLIES",
    "AudioOpened",
    "Channels",
    "CloseOwner",
    "ClosePort",
    "CloseRoom",
    "CloseStrays",
    "Command",
    "Done",
    "DropSound",
    "Echo",
    "Family",
    "FindOwner",
    "Format",
    "IdentityRead",
    "Join",
    "Link",
    "Listen",
    "LoadSound",
    "MoveOwner",
    "OpenAudio",
    "OpenPort",
    "OpenRoom",
    "OwnerClosed",
    "OwnerFound",
    "OwnerMoved",
    "Play",
    "PlaySignal",
    "Policy",
    "PortOpened",
    "R",
    "R_co",
    "ReadIdentity",
    "ReadStatistics",
    "Record",
    "Reply",
    "SendDigits",
    "SetDirection",
    "SetDtls",
    "SetExtension",
    "SetFormats",
    "SetIce",
    "SetKeys",
    "SetPlain",
    "SetRemote",
    "StatisticsRead",
    "StopPlay",
    "StopRecord",
    "Tone",
    "ToneStep",
    "Unlink",
    "command_from_dict",
    "reply_from_dict",
]

Family = Literal["ipv4", "ipv6"]
Policy = Literal["signalled", "nat"]


@dataclass(slots=True)
class PortOpened(Reply):
    """Where a port listens."""

    kind: ClassVar[str] = "port_opened"
    port: str
    address: str
    """The local address that is bound."""
    advertised: str
    """The address to put into SDP: differs from ``address`` behind NAT or in a container."""
    rtp_port: int
    """Even (RFC 3550 §11)."""
    rtcp_port: int
    """The next one; unused once rtcp-mux is agreed."""
    here: bool = True
    """Whether it takes keys; False of a port that another machine relays by."""
    awaited: bool = False
    """Whether no engine answers that could say whether it has it: ``FindOwner`` tells once one does."""


@dataclass(slots=True)
class StatisticsRead(Reply):
    """The figures of one port now, or its last ones when it was closed."""

    kind: ClassVar[str] = "statistics"
    statistics: PortStatistics

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Reads what ``to_dict`` wrote."""
        return cls(PortStatistics.from_dict(data["statistics"]))


@dataclass(slots=True)
class OwnerClosed(Reply):
    """The last figures of the ports that an owner had, in the order of their opening."""

    kind: ClassVar[str] = "owner_closed"
    statistics: tuple[PortStatistics, ...]

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Reads what ``to_dict`` wrote."""
        return cls(tuple(PortStatistics.from_dict(item) for item in data["statistics"]))


@dataclass(slots=True)
class OwnerMoved(Reply):
    """Where an owner's ports are from now on. Without ports nothing was moved: they are served where they are."""

    kind: ClassVar[str] = "owner_moved"
    ports: tuple[PortOpened, ...] = ()
    before: str = ""
    """The engine that had them: ``udp:192.0.2.10:2223``."""
    after: str = ""
    """The one that has them now."""

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Reads what ``to_dict`` wrote."""
        return cls(tuple(PortOpened(**one) for one in data["ports"]), data["before"], data["after"])


@dataclass(slots=True)
class OwnerFound(Reply):
    """Whether an owner's ports are where they were."""

    kind: ClassVar[str] = "owner_found"
    known: bool


@dataclass(slots=True)
class OpenPort(Command[PortOpened]):
    """Open a port. It hears and sends nothing before ``SetRemote``.

    Refused with ``media.ports_exhausted``, ``media.duplicate_port`` or ``media.family``; where one RTP port is
    wanted, with ``media.port_taken`` when it is in use, ``media.argument`` when it is not one of ours.
    """

    kind: ClassVar[str] = "open_port"
    port: str
    owner: str
    family: Family = "ipv4"
    rtp_port: int = 0
    """The RTP port to open at, even; 0: any."""
    here: bool = False
    """Whether it needs more than a relay: its party talks to us by it, or it has keys of ours. Where calls are relayed
    by other machines, such ports are opened in this process nevertheless."""
    address: str = ""
    """Where its party was told that it is, of one that a process before us had: while no engine answers it is taken for
    granted, see ``PortOpened.awaited``. Empty: refused then."""


@dataclass(slots=True)
class SetRemote(Command[Done]):
    """Tell a port what its peer's offer or answer said; again at every new offer or answer.

    Every command about a port is refused with ``media.unknown_port`` when it is not open.
    """

    kind: ClassVar[str] = "set_remote"
    port: str
    address: str
    """Numeric; empty, ``0.0.0.0`` or ``::`` if the peer wants nothing (hold as in RFC 2543)."""
    rtp_port: int
    """0 if the peer wants nothing."""
    rtcp_address: str = ""
    """From ``a=rtcp`` (RFC 3605); empty: as ``address``."""
    rtcp_port: int = 0
    """From ``a=rtcp``; 0: the port after ``rtp_port``."""
    rtcp_mux: bool = False
    """Both sides agreed to RTCP on the RTP port (RFC 5761)."""
    policy: Policy = "nat"
    """``signalled``: only that very address is heard. ``nat``: a source that shows itself may be learnt."""
    dtmf_payload_type: int | None = None
    """The payload type of telephone events that the peer sends (RFC 4733)."""
    clock_hz: int = 8000
    """The RTP clock of dynamic payload types and telephone events."""
    opaque: bool = False
    """Not RTP, but datagrams that are relayed as they are: UDPTL (ITU-T T.38)."""


@dataclass(slots=True)
class Link(Command[Done]):
    """Relay between two ports in both directions; ends what they did before.

    With ``convert`` what one peer says is decoded and spoken to the other in its codec, by both ports' ``SetFormats``:
    refused with ``media.codec`` when one has none. Telephone events keep their places under the other's number.
    """

    kind: ClassVar[str] = "link"
    port: str
    other: str
    convert: bool = False


@dataclass(slots=True)
class Unlink(Command[Done]):
    """End whatever a port does: link (of both ports), echo, tone or playback. Recordings go on."""

    kind: ClassVar[str] = "unlink"
    port: str


@dataclass(slots=True)
class SetDirection(Command[Done]):
    """Hold and resume. Both are true for a new port; RTCP flows on whatever is set (RFC 3264 §8.4)."""

    kind: ClassVar[str] = "set_direction"
    port: str
    send: bool = True
    """Whether RTP is sent to the peer (false for its ``sendonly``, ``inactive``)."""
    receive: bool = True
    """Whether the peer's RTP is passed on and its silence told (false for ``recvonly``, ``inactive``)."""


@dataclass(slots=True)
class Echo(Command[Done]):
    """Send the peer what it sends, under another SSRC."""

    kind: ClassVar[str] = "echo"
    port: str


@dataclass(slots=True)
class Tone(Command[Done]):
    """Send the peer a sine in G.711, 20 ms a packet."""

    kind: ClassVar[str] = "tone"
    port: str
    frequency_hz: float
    """Between 0 and 4000."""
    level_dbov: float = -16.0
    """-96 to 0; a full-scale sine has -3 (ITU-T G.100.1)."""
    payload_type: int = 0
    """0 for µ-law, 8 for A-law."""
    duration_ms: int | None = None
    """None: until another command."""


@dataclass(slots=True)
class ReadStatistics(Command[StatisticsRead]):
    """Ask for a port's figures."""

    kind: ClassVar[str] = "read_statistics"
    port: str


@dataclass(slots=True)
class AdoptPort(Command[Done]):
    """Give a port to another owner: its events are told of that one, and it is closed with that one's others.

    What the port does goes on; rtpengine cannot do this.
    """

    kind: ClassVar[str] = "adopt_port"
    port: str
    owner: str


@dataclass(slots=True)
class ClosePort(Command[StatisticsRead]):
    """Close a port; the reply has its last figures."""

    kind: ClassVar[str] = "close_port"
    port: str


@dataclass(slots=True)
class CloseOwner(Command[OwnerClosed]):
    """Close all ports of an owner; never refused, an owner without ports has no figures."""

    kind: ClassVar[str] = "close_owner"
    owner: str


@dataclass(slots=True)
class MoveOwner(Command[OwnerMoved]):
    """Open an owner's ports anew at another engine, when the one that has them is lost or to be left.

    They keep their ids and all that they were told, links included; peers are to be told the new addresses. Old ports
    that still pass packets do so for some seconds more. Refused with ``media.no_engine`` when there is no other.
    """

    kind: ClassVar[str] = "move_owner"
    owner: str


@dataclass(slots=True)
class FindOwner(Command[OwnerFound]):
    """Wait until an engine answers that may have an owner's awaited ports (``PortOpened.awaited``), however long.

    When none of those that answer then has them, ``MoveOwner`` opens them anew. At once for what is not awaited.
    """

    kind: ClassVar[str] = "find_owner"
    owner: str


@dataclass(slots=True)
class CloseStrays(Command[Done]):
    """Close what engines outside of this process have kept of a process before, and nobody has opened again."""

    kind: ClassVar[str] = "close_strays"


COMMANDS: dict[str, type[Command[Reply]]] = {
    command.kind: command
    for command in (
        OpenPort, SetRemote, Link, Unlink, SetDirection, Echo, Tone, SendDigits, Play, StopPlay, Record,
        StopRecord, ReadStatistics, AdoptPort, ClosePort, CloseOwner, CloseStrays, MoveOwner, FindOwner,
        SetFormats, SetKeys, SetDtls, SetIce, SetPlain,
        ReadIdentity, OpenRoom, CloseRoom, Join, PlaySignal, Listen, OpenAudio, SetExtension,
        LoadSound, DropSound,
    )
}  # fmt: skip
"""Every command by its kind."""

REPLIES: dict[str, type[Reply]] = {
    reply.kind: reply
    for reply in (
        Done,
        PortOpened,
        StatisticsRead,
        OwnerClosed,
        OwnerFound,
        OwnerMoved,
        IdentityRead,
        AudioOpened,
    )
}
"""Every reply by its kind."""


def command_from_dict(data: dict[str, Any]) -> Command[Reply]:
    """The command that ``to_dict`` wrote; KeyError for an unknown kind, TypeError for wrong fields."""
    return COMMANDS[data["kind"]].from_dict(data)


def reply_from_dict(data: dict[str, Any]) -> Reply:
    """The reply that ``to_dict`` wrote; KeyError for an unknown kind, TypeError for wrong fields."""
    return REPLIES[data["kind"]].from_dict(data)
