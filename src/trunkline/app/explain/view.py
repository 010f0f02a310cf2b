"""What a dry run looks at: the very objects of the exchange, or what the store alone knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from trunkline.model.binding import Binding
from trunkline.net.fence import Fence
from trunkline.net.listener import Listener
from trunkline.pbx.one_phone import FindPhone
from trunkline.pbx.route import Snapshot
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.registrar.push_desk import PushDesk
from trunkline.registrar.targets import FlowFromToken
from trunkline.trunking.trunk import Trunk
from trunkline.ua.overload import Load


class Lasting(Protocol):
    """What is remembered of a number that is not registered."""

    def ended(self, tenant: str, number: str) -> str:
        """How its last registration ended, in words; "" when that is not known."""
        ...


class Unknown:
    """Nothing is remembered."""

    def ended(self, _tenant: str, _number: str) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class MediaView:
    """``address`` by family (4, 6) is what parties are told, None where no media is served; ``ports_free`` are those of
    the range that no call uses. ``elsewhere``: rtpengine relays, and tells its own address.
    ``encryption`` is that of ``media.encryption``.
    """

    address: dict[int, str | None] = field(default_factory=lambda: {4: "127.0.0.1", 6: None})
    ports_free: int = 1000
    elsewhere: bool = False
    encryption: str = "off"


@dataclass(frozen=True, slots=True)
class Live:
    """What only a running exchange knows. ``now`` are the fence's seconds; ``peer_of(address)`` names a peer,
    ``apps_of(tenant, number)`` the app devices of an extension.
    """

    fence: Fence
    now: float
    listeners: Sequence[Listener]
    flow_from_token: FlowFromToken
    media: MediaView
    draining: bool = False
    load: Load = Load.NORMAL
    trunks: Iterable[Trunk] = ()
    find_phone: FindPhone | None = None
    peer_of: Callable[[str], str] = lambda _address: ""
    apps_of: Callable[[str, str], Sequence[str]] = lambda _tenant, _number: ()


@dataclass(frozen=True, slots=True)
class View:
    """``bindings(tenant, number)`` are the live ones in the order of trial; ``wall`` is seconds since 1970."""

    snapshot: Snapshot
    bindings: Callable[[str, str], Sequence[Binding]]
    wall: float
    policy: RegistrarPolicy = field(default_factory=RegistrarPolicy)
    profile: str = "transparent"
    live: Live | None = None
    lasting: Lasting = field(default_factory=Unknown)
    push: PushDesk | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request comes from: ``address`` and ``transport`` ("UDP", ...), "" where it was not said."""

    address: str = ""
    transport: str = ""

    @property
    def family(self) -> int:
        return 6 if ":" in self.address else 4
