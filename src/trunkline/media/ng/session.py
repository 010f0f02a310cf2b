"""Session descriptions that are made for rtpengine alone: one stream, as one port's peer would describe itself.

rtpengine speaks offer and answer, we speak ports. Each port is a party of its own (a tag) with one m-line, so that
any two ports of a call can be joined, and each keeps its sockets whatever it is joined to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from trunkline.base.errors import RemoteProtocolError
from trunkline.media.codec_commands import Format, SetFormats
from trunkline.media.commands import Family, SetRemote

_AUDIO: Final = re.compile(r"^m=[a-z]+ (\d{1,5}) ", re.MULTILINE)
_ADDRESS: Final = re.compile(r"^c=IN IP([46]) ([0-9A-Fa-f:.]{2,45})\r?$", re.MULTILINE)
_RTCP: Final = re.compile(r"^a=rtcp:(\d{1,5})", re.MULTILINE)
_NOWHERE: Final = {"ipv4": "0.0.0.0", "ipv6": "::"}  # noqa: S104  (in a description it means hold, RFC 2543)
# What nearly all phones send: named because rtpengine wants at least one. Others pass as they are.
_USUAL: Final = (0, 8, 9)


@dataclass(frozen=True, slots=True)
class LocalAddress:
    """Where an rtpengine receives what a port's peer sends."""

    family: Family
    address: str
    rtp_port: int
    rtcp_port: int


def nothing_yet(family: Family) -> str:
    """The description of a peer of whom nothing is known."""
    return _head(family, _NOWHERE[family]) + "m=audio 9 RTP/AVP 0\r\na=sendrecv\r\n"


def described(remote: SetRemote | None, family: Family, formats: list[Format], ptime_ms: int = 20) -> str:
    """A peer's description; ``formats`` are what it takes, in its own payload types."""
    if remote is None or not remote.address or not remote.rtp_port:
        address, port = _NOWHERE[family], 9
    else:
        address, port = remote.address, remote.rtp_port
    head = _head("ipv6" if ":" in address else "ipv4", address)
    if remote is not None and remote.opaque:
        return f"{head}m=image {port} udptl t38\r\na=sendrecv\r\n"
    lines = [f"m=audio {port} RTP/AVP {' '.join(str(one.payload_type) for one in formats)}"]
    lines += [line for one in formats for line in _format(one)]
    lines += [f"a=ptime:{ptime_ms}", "a=sendrecv"]
    if remote is not None and remote.rtcp_mux:
        lines.append("a=rtcp-mux")
    elif remote is not None and (remote.rtcp_port or remote.rtcp_address):
        lines.append(_rtcp(remote))
    return head + "\r\n".join(lines) + "\r\n"


def passing(one: SetRemote | None, other: SetRemote | None) -> list[Format]:
    """The formats of a link that passes packets as they are: the same for both, so that nothing is converted.

    rtpengine reads key presses by them: both parties' payload types of telephone events are named.
    """
    formats = [Format(number, "") for number in _USUAL]
    taken: set[int] = set()
    for remote in (one, other):
        number = remote.dtmf_payload_type if remote is not None else None
        if remote is not None and number is not None and number not in taken:
            taken.add(number)
            formats.append(Format(number, "telephone-event", remote.clock_hz))
    return formats


def spoken(formats: SetFormats) -> list[Format]:
    """The formats of a peer for whom another's sound is converted: what it takes."""
    return [one for one in (formats.send, formats.send_events) if one is not None]


def local_of(description: str) -> LocalAddress:
    """Where rtpengine listens, from a description that it wrote; raises RemoteProtocolError when it does not say."""
    port, address, rtcp = _AUDIO.search(description), _ADDRESS.search(description), _RTCP.search(description)
    if port is None or address is None or not 0 < int(port[1]) < 65_535:
        raise RemoteProtocolError("rtpengine wrote a description without address or port")
    rtp_port = int(port[1])
    rtcp_port = int(rtcp[1]) if rtcp is not None else rtp_port + 1
    return LocalAddress("ipv6" if address[1] == "6" else "ipv4", address[2], rtp_port, rtcp_port)


def _head(family: Family, address: str) -> str:
    kind = "IP6" if family == "ipv6" else "IP4"
    return f"v=0\r\no=- 1 1 IN {kind} {address}\r\ns=-\r\nc=IN {kind} {address}\r\nt=0 0\r\n"


def _format(one: Format) -> list[str]:
    if not one.codec:
        return []
    channels = f"/{one.channels}" if one.channels > 1 else ""
    lines = [f"a=rtpmap:{one.payload_type} {one.codec}/{one.clock_hz}{channels}"]
    if one.parameters:
        lines.append(f"a=fmtp:{one.payload_type} {one.parameters}")
    return lines


def _rtcp(remote: SetRemote) -> str:
    port = remote.rtcp_port or remote.rtp_port + 1
    if not remote.rtcp_address:
        return f"a=rtcp:{port}"
    kind = "IP6" if ":" in remote.rtcp_address else "IP4"
    return f"a=rtcp:{port} IN {kind} {remote.rtcp_address}"
