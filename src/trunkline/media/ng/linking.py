"""Ports of one call joined at an rtpengine: offer and answer between two parties that it knows already."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from trunkline.base.errors import MediaError, RemoteProtocolError
from trunkline.media.codec_commands import Format
from trunkline.media.ng.bencode import Encodable
from trunkline.media.ng.call import NgCall, NgPort
from trunkline.media.ng.courier import Answer
from trunkline.media.ng.session import LocalAddress, described, local_of, nothing_yet, passing, spoken

# Without it rtpengine gives a party other sockets when its peer moves.
_KEEP_PORTS: Final = "port latching"


async def open_party(call: NgCall, port: str, family: str) -> LocalAddress:
    """Make a party with sockets of its own, of whose peer nothing is known; raises MediaError."""
    body = nothing_yet("ipv6" if family == "ipv6" else "ipv4")
    answer = await call.instance.ask(
        "publish", call_id=call.id, from_tag=port, sdp=body, flags=[_KEEP_PORTS], **_FIXED
    )
    local = _local(answer)
    if local.family != family:
        await close_party(call, port)
        raise MediaError(f"{call.instance.name} has no {family} address", "media.family")
    return local


async def close_party(call: NgCall, port: str) -> Answer:
    """Give a party's sockets back; its last figures are in the answer."""
    return await call.instance.ask("delete", call_id=call.id, from_tag=port, delete_delay=0)


async def close_port(port: NgPort) -> Answer:
    """End a port; its last figures. It is given back at once, or when nobody there depends on it any more."""
    call = port.call
    if not any(other.peers == {port.id} for other in call.ports.values()):
        return await _give_back(port)
    port.link, port.was_linked = None, True
    call.leaving.append(port)
    await gate([port, *call.ports.values()])
    return await call.instance.ask("query", call_id=call.id)


async def close_leaving(call: NgCall) -> None:
    """Give those back on which nobody depends any more. rtpengine ends a party with the last that it was joined to."""
    for port in list(call.leaving):
        if not any(other.peers == {port.id} for other in call.ports.values()):
            call.leaving.remove(port)
            await _give_back(port)


async def _give_back(port: NgPort) -> Answer:
    for other in port.call.ports.values():
        other.peers.discard(port.id)
    return await close_party(port.call, port.id)


async def join(one: NgPort, other: NgPort, *, convert: bool) -> None:
    """Relay between two parties from now on, by what is known of their peers."""
    parted = _part(one, other)
    one.link, other.link = other, one
    one.convert = other.convert = convert
    one.stale = other.stale = True
    if one.call.here:
        await refresh(one)
        await gate([one, other, *parted])
        await close_leaving(one.call)


async def refresh(one: NgPort) -> None:
    """Tell rtpengine both peers of a link as they are now."""
    other = one.link
    if other is None:
        return
    one.stale = other.stale = False
    one.was_linked = other.was_linked = True
    formats = _formats(one, other)
    try:
        offer = await _describe("offer", one, other, formats[0], formats[1])
        answer = await _describe("answer", one, other, formats[1], formats[0])
    except MediaError:
        one.stale = True
        raise
    one.peers.add(other.id)
    other.peers.add(one.id)
    for port, said in ((other, offer), (one, answer)):
        if _local(said).rtp_port != port.local.rtp_port:
            raise MediaError(
                f"{port.call.instance.name} moved a port that it had given", "media.engine_refused"
            )


async def part(one: NgPort) -> None:
    """End a link."""
    other = one.link
    if other is not None:
        one.link = other.link = None
        if one.call.here:
            await gate([one, other])


async def gate(ports: Iterable[NgPort]) -> None:
    """Let through what peers say, or withhold it. RTCP passes all the same (RFC 3264 §8.4)."""
    for port in ports:
        wanted = port.wants_block
        if wanted != port.blocked and port.was_linked:
            call = port.call
            command = "block media" if wanted else "unblock media"
            await call.instance.ask(command, call_id=call.id, from_tag=port.id)
            port.blocked = wanted


def _part(one: NgPort, other: NgPort) -> list[NgPort]:
    """Whoever was linked with one of the two until now."""
    parted = [port.link for port in (one, other) if port.link is not None and port.link not in {one, other}]
    for port in parted:
        port.link = None
    return parted


def _formats(one: NgPort, other: NgPort) -> tuple[list[Format], list[Format]]:
    """What each of the two peers takes, as it is told to rtpengine."""
    if not one.convert:
        # What a peer takes comes first: keys that we have sent to it go under that number.
        return passing(other.remote, one.remote), passing(one.remote, other.remote)
    if one.formats is None or other.formats is None or not (one.formats.send and other.formats.send):
        raise MediaError("a link that converts needs the formats of both ports", "media.codec")
    return spoken(one.formats), spoken(other.formats)


async def _describe(
    step: str, one: NgPort, other: NgPort, mine: list[Format], theirs: list[Format]
) -> Answer:
    """``offer`` tells the peer of ``one``, ``answer`` that of ``other``; ``mine`` are its formats."""
    told = one if step == "offer" else other
    flags = [_KEEP_PORTS]
    if told.remote is not None and told.remote.policy == "signalled":
        flags += ["asymmetric", "strict source"]
    if one.injects or other.injects:
        flags.append("inject DTMF")
    fields: dict[str, Encodable] = {}
    if step == "offer":
        fields["rtcp_mux"] = _mux(one, other)
        if one.convert:
            fields["codec"] = {"mask": ["all"], "transcode": [_name(format_) for format_ in theirs]}
    ptime = told.formats.ptime_ms if told.formats is not None else 20
    return await one.call.instance.ask(
        step,
        call_id=one.call.id,
        from_tag=one.id,
        to_tag=other.id,
        sdp=described(told.remote, told.family, mine, ptime),
        flags=flags,
        **_FIXED,
        **fields,
    )


# We are the ones who speak ICE and choose the transport with the parties: rtpengine gets and gives plain RTP.
_FIXED: Final[dict[str, Encodable]] = {"ICE": "remove"}


def _mux(one: NgPort, other: NgPort) -> list[str]:
    """RTCP by the RTP port on each side as that side agreed (RFC 5761)."""
    here = one.remote is not None and one.remote.rtcp_mux
    there = other.remote is not None and other.remote.rtcp_mux
    return ["accept" if here else "reject", "offer" if there else "demux"]


def _name(one: Format) -> str:
    return f"{one.codec}/{one.clock_hz}" + (f"/{one.channels}" if one.channels > 1 else "")


def _local(answer: Answer) -> LocalAddress:
    body = answer.get("sdp")
    try:
        return local_of(body.decode("utf-8", "replace") if isinstance(body, bytes) else "")
    except RemoteProtocolError as error:
        raise MediaError(error.reason, "media.engine_refused") from None
