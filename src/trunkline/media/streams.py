"""What a peer's SDP says about each stream, as the relay needs it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from trunkline.proto.sdp import AddressKind, Direction

if TYPE_CHECKING:
    from trunkline.media.shape import Shape

Transport: TypeAlias = Literal["rtp", "srtp", "dtls", "udptl", "other"]
TRANSPORTS: Final[dict[str, Transport]] = {
    "RTP/AVP": "rtp",
    "RTP/AVPF": "rtp",
    "RTP/SAVP": "srtp",
    "RTP/SAVPF": "srtp",
    "UDP/TLS/RTP/SAVP": "dtls",
    "UDP/TLS/RTP/SAVPF": "dtls",
    "udptl": "udptl",
    "UDPTL": "udptl",
}
# What is secured reaches the call as plain (``peer_security``), unless it could not be understood.
RELAYED: Final[frozenset[Transport]] = frozenset({"rtp", "udptl"})

# RFC 3264 §6.1: what the answerer states, seen from the offerer.
REVERSED: Final[dict[Direction, Direction]] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}
# RFC 3264 §8.4: a peer at 0.0.0.0 wants to receive nothing, whatever its direction attribute says.
NOT_RECEIVING: Final[dict[Direction, Direction]] = {
    "sendrecv": "sendonly",
    "sendonly": "sendonly",
    "recvonly": "inactive",
    "inactive": "inactive",
}


class Stream(NamedTuple):
    """One m-line as the peer described it. Immutable: one object serves every asker.

    ``position`` is its place in the body (0..31); ``kind`` audio, video, image, ... in lower case;
    ``address`` a literal or a host name ("" when rejected), ``address_kind`` tells which; ``port``
    0..65535; ``rtcp_port`` 0 when there is none, with ``mux`` RTCP comes to ``port`` once both sides
    agreed (RFC 5761 §5.1.1); ``direction`` as stated;
    ``zero_address`` that the address means "send nothing" (RFC 2543 hold); ``telephone_events`` pairs of
    payload type and clock rate in Hz in the order offered (RFC 4733 §2.4.1); ``relayable`` that our relay
    can carry it: live, RTP or UDPTL, one port, not multicast; ``shape`` the section it was read from.
    """

    position: int
    kind: str
    address: str
    port: int
    rtcp_address: str
    rtcp_port: int
    mux: bool
    direction: Direction
    telephone_events: tuple[tuple[int, int], ...]
    rejected: bool
    protocol: str
    transport: Transport
    relayable: bool
    zero_address: bool
    address_kind: AddressKind
    formats: tuple[str, ...]
    shape: Shape

    @property
    def effective_direction(self) -> Direction:
        """The direction with a zero address taken for what it means (RFC 3264 §8.4)."""
        return NOT_RECEIVING[self.direction] if self.zero_address else self.direction


class Hold(StrEnum):
    """How a peer holds a stream; ``ACTIVE`` when it does not."""

    ACTIVE = "active"
    SENDONLY = "held-sendonly"
    INACTIVE = "held-inactive"
    ZERO_ADDRESS = "held-zero-address"


def hold_of(stream: Stream) -> Hold:
    """The hold variant of a live stream; ``inactive`` goes before a zero address, that before ``sendonly``.

    A peer that is ``recvonly`` holds nobody: it was put on hold, or only listens.
    """
    if stream.direction == "inactive":
        return Hold.INACTIVE
    if stream.zero_address:
        return Hold.ZERO_ADDRESS
    return Hold.SENDONLY if stream.direction == "sendonly" else Hold.ACTIVE


def transport_of(protocol: str, crypto: bool, fingerprint: bool) -> Transport:
    """The transport a protocol token means, given whether ``a=crypto`` and ``a=fingerprint`` stand by it."""
    transport = TRANSPORTS.get(protocol) or TRANSPORTS.get(protocol.upper(), "other")
    # Older WebRTC stacks say RTP/SAVPF for DTLS-SRTP (RFC 5764 §8 asks for UDP/TLS/RTP/SAVPF).
    return "dtls" if transport == "srtp" and fingerprint and not crypto else transport
