"""What is asked of the name system, and what it answered: plain data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from trunkline.base.errors import TransportError


class Kind(StrEnum):
    """The record types that finding a SIP server needs."""

    A = "A"
    AAAA = "AAAA"
    SRV = "SRV"
    NAPTR = "NAPTR"


@dataclass(frozen=True, slots=True)
class Question:
    """``name`` is a full name in lower case without the final dot."""

    name: str
    kind: Kind

    def __str__(self) -> str:
        return f"{self.name} {self.kind}"


@dataclass(frozen=True, slots=True)
class Srv:
    """RFC 2782: a server of a service; ``target`` is a name without the final dot, "" for no service."""

    priority: int
    weight: int
    port: int
    target: str


@dataclass(frozen=True, slots=True)
class Naptr:
    """RFC 3403 §4.1: one rule; ``replacement`` is a name without the final dot, "" for none."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str
    regexp: str = ""


Record: TypeAlias = str | Srv | Naptr
"""A and AAAA records are the address as text."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The records of a question, perhaps none; ``failure`` says why nothing is known of them, if so."""

    records: tuple[Record, ...] = ()
    failure: str = ""

    @property
    def addresses(self) -> list[str]:
        return [record for record in self.records if isinstance(record, str)]

    @property
    def servers(self) -> list[Srv]:
        return [record for record in self.records if isinstance(record, Srv)]

    @property
    def rules(self) -> list[Naptr]:
        return [record for record in self.records if isinstance(record, Naptr)]


NOTHING = Answer()


@dataclass(frozen=True, slots=True)
class Hop:
    """One server to try: an IP address and port by a transport ("UDP", "TCP", "TLS").

    ``server_name`` is the domain that was asked for, which the server's certificate must name (RFC 5922 §4):
    what the name system answers proves nothing.
    """

    transport: str
    address: str
    port: int
    server_name: str

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.transport.lower()} {host}:{self.port}"


class NotLocated(TransportError):  # noqa: N818  (an answer, not a fault)
    """No server was found for a URI; the text says why."""


def plain_name(text: str) -> str:
    """A name in the one form that questions have.

    Raises NotLocated when it cannot be asked for (RFC 1035 §2.3.4: labels of 63 octets, 255 in all).
    """
    name = text.removesuffix(".").lower()
    labels = name.split(".")
    if len(name) > 253 or not all(0 < len(label) <= 63 for label in labels):
        shown = name if len(name) <= 60 else f"{name[:57]}..."
        raise NotLocated(f"{shown!r} is no host name: it has an empty label or is too long")
    return name
