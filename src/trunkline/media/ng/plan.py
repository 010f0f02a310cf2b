"""How a cluster is set up, as plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InstancePlan:
    """One rtpengine: how it is reached, and its share of the calls beside others."""

    url: str
    """``udp:HOST:PORT``, ``ws://HOST:PORT`` or ``wss://HOST:PORT``."""
    weight: int = 1
    """1 to 1000: one of weight 2 has twice the calls of one of weight 1."""


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """All instances, and how patient we are with them. Times in seconds."""

    instances: tuple[InstancePlan, ...]
    timeout_s: float = 3.0
    """How long the answer to a command may take, all its repetitions included."""
    ping_s: float = 1.0
    """Between two looks at an instance's health."""
    down_after: int = 3
    """Pings without answer in a row after which an instance gets no calls."""
    up_after: int = 2
    """Answered pings in a row after which it gets calls again."""
    inactivity_s: float = 60.0
    """Silence after which ``PortInactive`` is told; 0: never."""
    mark: str = ""
    """In the names of our calls at instances, which others may use too. It must stay the same over restarts."""
    ca: str = ""
    """A file with the authorities of ``wss`` instances; empty: those that the system trusts."""
    keys_at: tuple[str, int] | None = None
    """Where instances send key presses (their ``--dtmf-log-dest``): our address and UDP port; None: nowhere."""


@dataclass(slots=True)
class InstanceState:
    """How an instance is now."""

    name: str
    state: str
    """``up``, ``down``, or ``unknown`` before the first answer."""
    since_s: float
    """Seconds for which it is so."""
    sessions: int
    """Calls of ours on it."""
    sessions_all: int | None
    """All its sessions as it told last, those of others included; None: it has not told."""
    failures: int
    """Times that it went down."""
    weight: int
    draining: bool
    """Whether it gets no new calls because it was told so."""
