"""How well the parties of calls heard each other, by what the engine counted: bands for metrics, one-way audio."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from trunkline.media.statistics import PortStatistics

if TYPE_CHECKING:
    from trunkline.call.call import Call
    from trunkline.call.leg import Leg

# ITU-T G.107 Annex B: what users say of these values of R, as mean opinion scores.
_BANDS: Final = ((4.03, "good"), (3.60, "fair"), (3.10, "poor"))
_ENOUGH: Final = 100
"""Packets, two seconds: whoever said less tells nothing about the other way."""


def band_of(mos: float) -> str:
    """``good`` (users satisfied), ``fair`` (some dissatisfied), ``poor`` (many), ``bad`` (nearly all)."""
    return next((band for least, band in _BANDS if mos >= least), "bad")


class QualityCounts:
    """``legs`` that were heard so far by their band; ``packets`` that were expected and ``lost`` of them."""

    __slots__ = ("legs", "lost", "one_way", "packets")

    def __init__(self) -> None:
        self.legs: Counter[str] = Counter()
        self.packets = self.lost = self.one_way = 0

    def note(self, figures: Iterable[PortStatistics]) -> None:
        """Take in the last figures of ports."""
        for port in figures:
            self.packets += port.packets_in + port.lost
            self.lost += port.lost
            if port.mos is not None:
                self.legs[band_of(port.mos)] += 1


def unheard(call: Call, figures: dict[str, PortStatistics]) -> Leg | None:
    """The party of a call between two that was never heard although it should be, while the other one was.

    Somebody who may not speak (on hold, or only listening) is not missed.
    """
    bridge = call.bridge
    if bridge is None or bridge.held:
        return None
    for leg, other in ((bridge.a, bridge.b), (bridge.b, bridge.a)):
        mine = [figures[port] for port in leg.media.speaking if port in figures]
        theirs = [figures[port] for port in other.media.live if port in figures]
        silent = bool(mine) and not any(port.packets_in for port in mine)
        if silent and sum(port.packets_in for port in theirs) >= _ENOUGH:
            return leg
    return None


def tell_unheard(call: Call, leg: Leg, figures: dict[str, PortStatistics]) -> None:
    """Name it in the call's story, with what speaks for a firewall or a wrong address."""
    party = call.caller.number if leg is call.caller_leg else leg.outcome.target
    foreign = sum(figures[port].foreign for port in leg.media.speaking if port in figures)
    refused = sum(figures[port].refused for port in leg.media.speaking if port in figures)
    why = ""
    if foreign:
        why = f"; {foreign} packets came from elsewhere than was agreed"
    elif refused:
        why = f"; {refused} packets did not fit the keys"
    call.tell("media.one_way", f"nothing is heard of {party}, while the other party is{why}")
