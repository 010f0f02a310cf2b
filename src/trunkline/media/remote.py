"""Where a stream's packets go and may come from, as the engine is told."""

from __future__ import annotations

from trunkline.media.commands import SetRemote
from trunkline.media.streams import Stream
from trunkline.proto.sdp import parse_address


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


def _literal(address: str) -> str:
    """The address, or "" for a name: nobody waits for DNS in the middle of a call."""
    known = parse_address(address)
    return "" if known is None or known.kind == "name" else address


def remote_of(port: str, stream: Stream, across: Stream) -> SetRemote:
    """The engine's command for where a stream's packets go and may come from.

    ``across`` is what the peer was told in turn: our own description, or that of the party whom we stand for.
    """
    if stream.rejected or across.rejected:
        return SetRemote(port, "", 0)  # RFC 3264 §6: a stream that one side rejects is none for either
    address = stream.address if stream.address_kind != "name" else ""  # who it is shows when it sends
    rtcp_address = address if stream.rtcp_address == stream.address else _literal(stream.rtcp_address)
    events = across.telephone_events
    event = _event_of(stream, across) if len(events) > 1 else events[0] if events else None
    return SetRemote(
        port,
        "" if stream.zero_address else address,
        stream.port,
        rtcp_address,
        stream.rtcp_port,
        # RFC 5761 §5.1.1: RTCP comes by the RTP port only when both sides said so.
        stream.mux and across.mux,
        dtmf_payload_type=event[0] if event is not None else None,
        clock_hz=event[1] if event is not None else 8000,
        opaque=stream.transport == "udptl",
    )
