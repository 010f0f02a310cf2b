"""How names are looked up, and how long answers are believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Server: TypeAlias = tuple[str, int]
"""IP address and port of a name server."""


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """Times in seconds; no ``servers`` means those of the system."""

    servers: tuple[Server, ...] = ()
    timeout_s: float = 5.0
    """For finding a server in whole, however many questions that takes."""
    question_timeout_s: float = 3.0
    """For one question, all name servers and repetitions included."""
    cache_size: int = 4096
    """Answers kept."""
    min_ttl_s: float = 5.0
    """An answer is believed at least so long, whatever its TTL: a TTL of 0 must not ask for each call."""
    max_ttl_s: float = 86_400.0
    max_negative_ttl_s: float = 300.0
    """That there is no such record is believed at most so long (RFC 2308 §5 advises hours at most)."""
    failure_ttl_s: float = 5.0
    """A failed lookup is repeated after so long (RFC 2308 §7: five minutes at most)."""
    stale_s: float = 3600.0
    """An answer whose time is over still serves so long when no name server answers (RFC 8767); 0: never."""
