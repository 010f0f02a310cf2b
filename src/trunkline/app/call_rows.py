"""Calls that are up as rows: who talks, and how their media goes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from trunkline.base.errors import MediaError
from trunkline.base.messages import CallParty, CallRow
from trunkline.call.call import Call
from trunkline.call.leg import Leg
from trunkline.media.commands import ReadStatistics
from trunkline.media.engine import MediaEngine
from trunkline.media.statistics import PortStatistics

if TYPE_CHECKING:
    from trunkline.app.exchange import Exchange

_FIGURES_S: Final = 2.0  # a list of calls waits no longer for an engine elsewhere


async def rows_of(exchange: Exchange, calls: list[Call]) -> tuple[CallRow, ...]:
    """The rows of these calls, as they are now."""
    now = exchange.context.wall()
    figures = await _figures_of(exchange.engine, calls)
    files = {one.call: one.file for one in exchange.recordings.active.values()}
    rooms = {
        member.call.id: room
        for room in exchange.context.conferences.rooms.values()
        for member in room.members.values()
    }
    rows: list[CallRow] = []
    for call in calls:
        room = rooms.get(call.id)
        file = files.get(call.id, "") or (room.file if room is not None else "")
        rows.append(_row(call, now, figures, file, room.name if room is not None else ""))
    return tuple(rows)


async def _figures_of(engine: MediaEngine, calls: list[Call]) -> Mapping[str, PortStatistics]:
    """The figures of their ports; of those that are read in time."""
    figures: dict[str, PortStatistics] = {}
    if not engine.snapshot().kernel:
        return figures  # an engine elsewhere: it knows of no kernel, and would be asked over the network
    try:
        async with asyncio.timeout(_FIGURES_S):
            for port in [port for call in calls for leg in call.legs for port in leg.media.live]:
                try:
                    figures[port] = (await engine.execute(ReadStatistics(port))).statistics
                except MediaError:
                    continue  # it has just ended
    except TimeoutError:
        pass
    return figures


def _row(
    call: Call, now: float, figures: Mapping[str, PortStatistics], recording: str, conference: str
) -> CallRow:
    caller = call.legs[0]
    answered = caller.outcome.answered_at
    bridge = call.bridge
    one, other = (call.caller.number, call.callee)
    over = caller.done
    talking = [leg for leg in call.legs if not leg.done]
    if bridge is not None:  # who talks now, which is not who called whom when the call was handed on
        one, other, over = bridge.a.outcome.number, bridge.b.outcome.number, bridge.a.done
        talking = [bridge.a, bridge.b]
    state = "ending" if over else "ringing" if answered is None else "held" if call.held else "answered"
    media = call.media if call.bridge is not None else "service" if call.service is not None else ""
    return CallRow(
        call.id,
        one,
        other,
        state,
        call.started_at,
        now - (answered if answered is not None else call.started_at),
        len(call.legs),
        media,
        tuple(_party(leg, figures) for leg in talking),
        recording,
        conference,
    )


def _party(leg: Leg, figures: Mapping[str, PortStatistics]) -> CallParty:
    media = leg.media
    ports = list(media.live)
    suite = next((media.suites[port] for port in ports if port in media.suites), "")
    converted = any(media.is_converted(port) for port in ports)
    codec = next((media.spoken_on(port) for port in ports if media.is_converted(port)), "")
    known = [figures[port] for port in ports if port in figures]
    heard = next((one.payload_type for one in known if one.payload_type is not None), None)
    if not codec and heard is not None:
        codec = media.codec_of(heard)
    security = media.security.how if suite and media.security is not None else ""
    in_kernel = any(one.kernel for one in known)
    return CallParty(leg.outcome.number, security, suite, codec, converted, in_kernel)
