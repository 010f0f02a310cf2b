"""The end of a call's books: its ports given back, a record for each leg and attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trunkline.base.errors import MediaError
from trunkline.call.manner import manner_of
from trunkline.call.quality import tell_unheard, unheard
from trunkline.media.commands import CloseOwner
from trunkline.media.statistics import PortStatistics

if TYPE_CHECKING:
    from trunkline.call.call import Call
    from trunkline.model.record import CallRecord


async def close_books(call: Call) -> None:
    """Close the call's ports and hand its records over; the records are written whatever the engine says."""
    quality: dict[str, dict[str, Any]] = {}
    for leg in call.legs:
        leg.media.seal()
    try:
        if any(leg.media.ports for leg in call.legs):
            closed = await call.context.engine.execute(CloseOwner(call.id))
            _judge(call, closed.statistics)
            # A port that saw nothing at all has nothing to tell.
            quality = {
                figures.port: figures.to_dict()
                for figures in closed.statistics
                if figures.packets_in or figures.packets_out or figures.foreign or figures.invalid
            }
    except MediaError as error:
        call.tell("media.fault", str(error))
    finally:
        _write(call, quality)


def _judge(call: Call, statistics: tuple[PortStatistics, ...]) -> None:
    call.context.quality.note(statistics)
    figures = {port.port: port for port in statistics}
    leg = unheard(call, figures) if not call.one_way else None
    if leg is not None:
        call.context.quality.one_way += 1
        tell_unheard(call, leg, figures)


def _write(call: Call, quality: dict[str, dict[str, Any]]) -> None:
    context, caller = call.context, call.legs[0]
    records: list[CallRecord] = []
    over: list[CallRecord] = []
    for leg in call.legs:
        port = next(filter(None, leg.media.ports), "")
        began = call.origin_of(leg) if call.moved is not None else None
        if began is not None:
            number, told = began
        else:
            number, told = call.id, call.story if leg is caller and leg.outcome.direction == "in" else None
        story = told.as_list() if told is not None else None
        figures = manner_of(call, leg, port, quality.get(port))
        record = leg.outcome.record(call.tenant, leg.id, number, figures, story)
        records.append(record)
        if told is not None:
            over.append(record)
    context.recorder.append(*records)
    for record in over:
        context.on_call_over(record)
