"""What is known of one owner's ports at an rtpengine: plain state, told to it by ``linking``."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from trunkline.media.commands import Family, SetFormats, SetRemote
from trunkline.media.ng.instance import Instance
from trunkline.media.ng.session import LocalAddress
from trunkline.media.statistics import PortStatistics


@dataclass(slots=True, eq=False)
class NgCall:
    """An owner: a call of rtpengine's, its ports the parties (tags) of it."""

    owner: str
    id: str
    """The call-id at rtpengine."""
    instance: Instance
    ports: dict[str, NgPort] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Commands of one owner are carried out in their order."""
    closed: list[PortStatistics] = field(default_factory=list)
    """The last figures of ports that were closed before the others."""
    leaving: list[NgPort] = field(default_factory=list)
    """Ports that are closed for us, and not yet for rtpengine: it would close those that they were linked with too."""
    lost: bool = False
    """Whether its instance died or forgot it: told once."""
    awaited: bool = False
    """Whether it was opened anew while no instance answered: which one has it, if any, is not known yet."""

    @property
    def here(self) -> bool:
        """Whether its instance can be told anything of it."""
        return not self.lost and self.instance.state != "down"


@dataclass(slots=True, eq=False)
class NgPort:
    """A port: what it was told, and what of that rtpengine knows."""

    id: str
    call: NgCall
    local: LocalAddress
    family: Family
    remote: SetRemote | None = None
    formats: SetFormats | None = None
    send: bool = True
    receive: bool = True
    link: NgPort | None = None
    convert: bool = False
    stale: bool = False
    """Whether rtpengine has still to be told of a change."""
    blocked: bool | None = False
    """Whether rtpengine withholds what its peer says; None: who knows, it was told before we were started anew."""
    was_linked: bool = False
    peers: set[str] = field(default_factory=set)
    """The ports with which it was ever linked at its instance, as far as they are open there."""
    injects: bool = False
    """Whether rtpengine was told to be ready to send keys on its link; that costs it the cheap way."""
    injected: list[str] = field(default_factory=list)
    """Keys that we had it send as if this port's peer had pressed them: it reports them as pressed."""
    statistics: PortStatistics = field(init=False)
    earlier: PortStatistics | None = None
    """What it had counted at the instances that it was at before."""
    closed: bool = False
    heard: int = 0
    """Packets of the peer, RTP and RTCP, at the last look."""
    heard_at: float = 0.0
    silent: bool = False
    source: tuple[str, int] | None = None
    """Where its RTP comes from, when it was learnt."""

    def __post_init__(self) -> None:
        self.statistics = PortStatistics(self.id)

    def keep_figures(self) -> None:
        """It was moved: what the next instance counts is added to what there is."""
        self.earlier = PortStatistics.from_dict(self.statistics.to_dict())

    @property
    def wants_block(self) -> bool:
        """Whether what its peer says must go nowhere: on hold, or because the link that it had is another's."""
        if self.link is None:
            return self.was_linked
        return not self.receive or not self.link.send
