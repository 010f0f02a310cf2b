"""Figures of a port and of the engine, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class PortStatistics:
    """What a port has counted since it was opened."""

    port: str
    """The port's id."""
    packets_in: int = 0
    """RTP packets accepted from the peer."""
    bytes_in: int = 0
    """Their octets, RTP header included."""
    packets_out: int = 0
    """RTP packets sent to the peer."""
    bytes_out: int = 0
    """Their octets, RTP header included."""
    rtcp_in: int = 0
    """RTCP datagrams accepted from the peer."""
    rtcp_out: int = 0
    """RTCP datagrams sent to the peer."""
    lost: int = 0
    """RTP packets of the peer that never arrived (RFC 3550 A.3)."""
    jitter_ms: float = 0.0
    """Interarrival jitter in milliseconds (RFC 3550 A.8)."""
    foreign: int = 0
    """Packets of sources other than the peer: dropped."""
    invalid: int = 0
    """Datagrams that are neither RTP nor RTCP: dropped."""
    last_heard_s: float | None = None
    """Seconds since RTP of the peer was heard; None: never."""
    ssrc: int | None = None
    """The synchronisation source heard last."""
    payload_type: int | None = None
    """The payload type heard last."""
    refused: int = 0
    """SRTP packets that were not authentic, replayed, or came before there were keys: dropped."""
    concealed: int = 0
    """Packets whose sound was invented, because they were lost or came too late; of ports that decode."""
    late: int = 0
    """Packets that came when their time was over; of ports that decode."""
    rtt_ms: float | None = None
    """Round-trip time by RTCP (RFC 3550 §6.4.1); None: never measured."""
    remote_lost: int | None = None
    """Our packets that the peer missed, by its reports; None: it reports nothing."""
    remote_jitter_ms: float | None = None
    """Jitter of our packets at the peer, by its reports."""
    mos: float | None = None
    """How well the peer is heard: 1 to 4.5 estimated by loss, jitter and delay (ITU-T G.107); None: nothing heard."""
    remote_mos: float | None = None
    """How well the peer hears us, by its reports."""
    kernel: bool = False
    """Whether its packets pass in the kernel now."""
    kernel_packets: int = 0
    """Of ``packets_in``, those that passed there."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON form. ``asdict`` would copy each plain value deeply, at ten times the cost."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> PortStatistics:
        """Reads what ``to_dict`` wrote; TypeError when a field is missing or unknown."""
        return cls(**data)


@dataclass(slots=True)
class EngineCounters:
    """Figures of the whole engine, for metrics; all but the ports count up from its start."""

    ports_open: int = 0
    """Ports in use: zero when no call is up."""
    ports_free: int = 0
    """Ports that could be opened now."""
    ports_resting: int = 0
    """Ports that rest after a call, so that its late packets find nobody."""
    packets_relayed: int = 0
    """Packets passed on, echoed or generated."""
    packets_unsent: int = 0
    """Packets that the system did not take."""
    packets_stray: int = 0
    """Datagrams that came to closed ports."""
    events_dropped: int = 0
    """Events dropped because nobody took them in time."""
    wakeups: int = 0
    """Times that the engine's threads woke up."""
    kernel_ports: int = 0
    """Ports whose packets pass in the kernel now."""
    kernel_packets: int = 0
    """Packets passed on there, of those relayed; read once a second."""
    kernel: str = ""
    """Whether packets can pass there, and if not, why: ``on: eth0`` or ``off: reason``; empty: nobody knows."""
