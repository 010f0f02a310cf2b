"""The exchange itself: status and stop."""

from __future__ import annotations

from dataclasses import dataclass, field

from trunkline.base.message_codec import Message, message
from trunkline.base.messages.request import Command, Query


@dataclass(frozen=True, slots=True)
class ListenerRow:
    """A bound listener: its ``url`` with the real port, ``role``, the ``advertised`` address."""

    url: str
    role: str = "phones"
    advertised: str = ""


@dataclass(frozen=True, slots=True)
class PushServiceRow:
    """How a push service does: ``state`` is ``ready``, ``idle`` (nothing was sent yet), ``failing`` or ``suspect``, and
    ``why``.

    ``since`` is in wall-clock seconds, 0 when nothing is known; ``queued`` notifications wait.
    """

    service: str
    state: str
    why: str = ""
    since: float = 0.0
    queued: int = 0


@dataclass(frozen=True, slots=True)
class MediaInstanceRow:
    """An rtpengine that relays calls: ``state`` is ``up``, ``down`` or ``unknown``, for ``since_s`` seconds.

    ``sessions`` are ours, ``sessions_all`` those of everybody as it told last, None when it has not.
    """

    name: str
    state: str
    since_s: float = 0.0
    sessions: int = 0
    sessions_all: int | None = None
    failures: int = 0
    draining: bool = False
    """Whether it gets no new calls because it was told so."""


@message("exchange.state")
class ExchangeStatus(Message):
    """``state`` is ``starting``, ``running``, ``draining`` or ``stopping``.

    ``warnings`` are lines that want an operator's eye.

    ``tenant`` is set when one was asked for: what is counted, and ``domain``, are its own then. ``trunks_up`` of the
    ``trunks`` are registered, or answered when last asked; ``texts`` are those that wait for readers who are away.
    ``load`` is ``normal``, ``calls_refused`` or ``all_refused``. ``devices`` are mobile ones, of which
    ``devices_disabled`` have no token that a push service takes; ``accounts`` counts theirs by state: ``registered``,
    ``registering``, ``error``. ``push`` are the services that something is set for, whoever's status it is. ``media``
    are the instances of rtpengine, none when calls are relayed here. ``kernel`` is ``on: eth0`` where calls that need
    nothing but forwarding pass in the kernel, ``off: reason`` where they do not.
    """

    version: str
    pid: int
    state: str
    started_at: float
    uptime_s: float
    domain: str
    data: str
    node: int = 0
    listeners: tuple[ListenerRow, ...] = ()
    extensions: int = 0
    registrations: int = 0
    calls: int = 0
    ports_open: int = 0
    ports_free: int = 0
    warnings: tuple[str, ...] = ()
    tenant: str = ""
    trunks: int = 0
    trunks_up: int = 0
    subscriptions: int = 0
    texts: int = 0
    load: str = "normal"
    devices: int = 0
    devices_disabled: int = 0
    accounts: dict[str, int] = field(default_factory=dict)
    push: tuple[PushServiceRow, ...] = ()
    media: tuple[MediaInstanceRow, ...] = ()
    kernel: str = ""


@message("exchange.status")
class Status(Query[ExchangeStatus]):
    """How the exchange is."""


@message("exchange.stopping")
class Stopping(Message):
    """No new calls; ``calls`` in progress end at the latest after ``grace_s``."""

    calls: int = 0
    grace_s: float = 0.0


@message("exchange.stop")
class Stop(Command[Stopping]):
    """Stop as SIGTERM does; ``grace_s`` None is the configured grace time."""

    grace_s: float | None = None
