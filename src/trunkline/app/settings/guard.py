"""``[guard]`` and ``[limits]``: whom the exchange stops listening to, and how much one extension may do."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from trunkline.app.settings.section import Section
from trunkline.app.settings.values import wrong
from trunkline.net.fence.source import Network

_NETWORK_FORM = 'an address or a network such as "10.0.0.0/8" or "2001:db8::/32"'


def as_network(value: Any) -> str:
    """A network in its canonical form; one address is a network too."""
    if not isinstance(value, str):
        raise wrong(_NETWORK_FORM)
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as error:
        hint = "bits are set behind the prefix" if "host bits" in str(error) else ""
        raise wrong(_NETWORK_FORM, hint) from None


def as_networks(value: Any) -> Any:
    """A list of texts; one alone will do."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple):
        raise wrong(f"a list, each {_NETWORK_FORM}")
    return tuple(value)


Networks = Annotated[
    tuple[Annotated[str, BeforeValidator(as_network)], ...],
    BeforeValidator(as_networks),
]


class Guard(Section):
    """Sources that guess passwords or send what is no SIP are banned, each time for longer."""

    enabled: bool = Field(default=True, description="`false` bans nobody but by hand.")
    attempts: int = Field(
        default=10, ge=1, le=10_000, description="Wrong passwords from one source that bring a ban."
    )
    window_s: float = Field(
        default=600.0,
        ge=1,
        le=86_400,
        description="In how many seconds: fewer attempts than these are forgiven.",
    )
    first_s: float = Field(
        default=60.0,
        ge=1,
        le=604_800,
        description="How long the first ban lasts; each further one twice as long.",
    )
    longest_s: float = Field(
        default=14_400.0,
        ge=1,
        le=2_592_000,
        description="The longest ban, and how long a source must be quiet for one doubling to be forgiven.",
    )
    strangers: int = Field(
        default=100,
        ge=1,
        le=1_000_000,
        description="Requests without a right password that one source is answered within 10 seconds; a right one "
        "begins the count anew.",
    )
    trusted: Networks = Field(
        default=(),
        description="Networks that are never banned, such as that of a proxy in front; of one IPv6 address "
        "the whole /64. Default: none.",
        examples=['["10.0.0.0/8", "2001:db8::/32"]'],
    )

    @property
    def networks(self) -> tuple[Network, ...]:
        """``trusted``, to compare with."""
        return tuple(ipaddress.ip_network(one) for one in self.trusted)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first_s > self.longest_s:
            raise wrong("first_s <= longest_s", seen=f"{self.first_s:g} and {self.longest_s:g}", at="first_s")
        return self


class Limits(Section):
    """How much may happen at a time."""

    connections: int = Field(
        default=20_000,
        ge=100,
        le=1_000_000,
        description="TCP, TLS and WebSocket connections that may be open at once. An idle one costs 10 KB, of which "
        "the kernel has half, and an open file (`LimitNOFILE=`).",
    )

    calls_per_extension: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="Calls that one extension may have at once, made and received together; 0 sets no limit. "
        "`trunkline extension set NUMBER --max-calls N` says otherwise for one of them.",
    )
