"""What an rtpengine tells of a call (``query``, ``delete``) as figures of ports.

What it does not count stays at zero. Losses and MOS are its estimates from both parties' RTCP reports.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trunkline.media.ng.bencode import Decoded
from trunkline.media.ng.courier import Answer
from trunkline.media.statistics import PortStatistics

_MAX: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Stream:
    """One socket of a party: what came in by it."""

    packets: int
    octets: int
    local_port: int
    local_address: str
    source: tuple[str, int] | None
    """Where packets are sent and come from."""
    signalled: tuple[str, int] | None
    """What the description said of that."""
    ssrc: int | None


def streams_of(answer: Answer, tag: str) -> list[Stream]:
    """RTP, then RTCP when it has a socket of its own; empty for a party that is not known."""
    medias = _dict(_dict(answer.get("tags")).get(tag)).get("medias")
    first = _dict(medias[0]) if isinstance(medias, list) and medias else {}
    streams = first.get("streams")
    return [_stream(_dict(one)) for one in streams[:2]] if isinstance(streams, list) else []


def fill(
    statistics: PortStatistics, answer: Answer, linked: str, earlier: PortStatistics | None = None
) -> None:
    """Take over a party's figures; ``linked`` is the party across, empty without one.

    ``earlier`` is what was counted at instances that had the party before.
    """
    before = earlier or PortStatistics(statistics.port)
    mine, across = streams_of(answer, statistics.port), streams_of(answer, linked) if linked else []
    if mine:
        statistics.packets_in = before.packets_in + mine[0].packets
        statistics.bytes_in = before.bytes_in + mine[0].octets
        statistics.ssrc = mine[0].ssrc if mine[0].ssrc is not None else statistics.ssrc
        statistics.rtcp_in = before.rtcp_in + (mine[1].packets if len(mine) > 1 else 0)
    if across:
        # It does not count what it sends: of a link that is what came from across.
        statistics.packets_out = before.packets_out + across[0].packets
        statistics.bytes_out = before.bytes_out + across[0].octets
        statistics.rtcp_out = before.rtcp_out + (across[1].packets if len(across) > 1 else 0)
    heard = _quality(answer, mine[0].ssrc if mine else None)
    if heard is not None:
        statistics.mos, statistics.jitter_ms, percent, statistics.rtt_ms = heard
        heard_now = statistics.packets_in - before.packets_in
        statistics.lost = before.lost + round(heard_now * percent / max(1.0, 100.0 - percent))
    told = _quality(answer, across[0].ssrc if across else None)
    if told is not None:
        statistics.remote_mos, statistics.remote_jitter_ms = told[0], told[1]


def _quality(answer: Answer, ssrc: int | None) -> tuple[float, float, float, float | None] | None:
    """MOS, jitter in ms, loss in percent and round-trip time in ms of a source; None when nobody reported."""
    if ssrc is None:
        return None
    average = _dict(_dict(_dict(answer.get("SSRC")).get(str(ssrc))).get("average MOS"))
    if not _number(average.get("samples")):
        return None
    trip = _number(average.get("round-trip time"))
    return (
        _number(average.get("MOS")) / 10.0,
        float(_number(average.get("jitter"))),
        float(min(99, _number(average.get("packet loss")))),
        trip / 1000.0 if trip else None,
    )


def _stream(data: dict[str, Decoded]) -> Stream:
    stats = _dict(data.get("stats"))
    ssrc = data.get("SSRC")
    return Stream(
        _number(stats.get("packets")),
        _number(stats.get("bytes")),
        _number(data.get("local port")),
        _text(data.get("local address")),
        _endpoint(data.get("endpoint")),
        _endpoint(data.get("advertised endpoint")),
        ssrc if isinstance(ssrc, int) and 0 <= ssrc < 1 << 32 else None,
    )


def _endpoint(value: Decoded | None) -> tuple[str, int] | None:
    data = _dict(value)
    address = _text(data.get("address"))
    return (address, _number(data.get("port"))) if address else None


def _text(value: Decoded | None) -> str:
    return value.decode("ascii", "replace")[:45] if isinstance(value, bytes) else ""


def _dict(value: Decoded | None) -> dict[str, Decoded]:
    return value if isinstance(value, dict) else {}


def _number(value: Decoded | None) -> int:
    return min(max(value, 0), _MAX) if isinstance(value, int) else 0
