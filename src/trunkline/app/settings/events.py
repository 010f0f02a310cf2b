"""``[events]``: what extensions may watch, for how long, and how many may."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from trunkline.app.settings.section import Section
from trunkline.app.settings.values import as_domain, as_tables, wrong

MOST_MEMBERS = 60


def as_members(value: Any) -> tuple[str, ...]:
    """Numbers of extensions, each once."""
    expected = f'1 to {MOST_MEMBERS} numbers of extensions such as ["1001", "1002"]'
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) and one for one in value):
        raise wrong(expected, "numbers stand in quotes" if isinstance(value, list | tuple) else "")
    if not 1 <= len(value) <= MOST_MEMBERS:
        raise wrong(expected, seen=f"{len(value)} numbers")
    if len(set(value)) < len(value):
        raise wrong("each extension once", seen=", ".join(value))
    return tuple(value)


class WatchList(Section):
    """Extensions that a phone watches by one subscription, to `NAME@DOMAIN` (RFC 4662)."""

    name: str = Field(
        min_length=1,
        max_length=64,
        description="The number or name that phones subscribe to; no extension has it.",
    )
    members: Annotated[tuple[str, ...], BeforeValidator(as_members)] = Field(
        description="Numbers of extensions, 1 to 60."
    )
    domain: Annotated[str, BeforeValidator(as_domain)] = Field(
        default="", description="A domain of the tenant that it belongs to. Default: the default tenant."
    )


class Events(Section):
    """Subscriptions (RFC 6665) and publications (RFC 3903)."""

    min_expires_s: int = Field(default=60, ge=1, le=3600, description="A shorter wish gets 423.")
    max_expires_s: int = Field(default=3600, ge=1, le=604_800, description="A longer wish is cut to this.")
    default_expires_s: int = Field(
        default=3600, ge=1, le=604_800, description="Granted when the phone names none."
    )
    interval_s: float = Field(
        default=1.0,
        ge=0.1,
        le=60,
        description="The least time between two notifications of one subscription; the latest state is told.",
    )
    per_extension: int = Field(
        default=300, ge=1, le=10_000, description="Subscriptions that one extension may have; more get 403."
    )
    per_tenant: int = Field(
        default=20_000, ge=1, le=1_000_000, description="Subscriptions of one tenant; more get 503."
    )
    in_all: int = Field(default=50_000, ge=1, le=1_000_000, description="Subscriptions in all; more get 503.")
    show_callers: bool = Field(
        default=True,
        description="Whether who watches an extension sees whom it talks to. The extension itself always does.",
    )
    unsolicited_mwi: bool = Field(
        default=False,
        description="Tell registered phones of waiting messages though they did not subscribe.",
    )

    lists: Annotated[tuple[WatchList, ...], BeforeValidator(as_tables)] = Field(
        default=(), max_length=1000, description="Lists of extensions to watch, as tables. Default: none."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.min_expires_s <= self.default_expires_s <= self.max_expires_s:
            seen = f"{self.min_expires_s}, {self.default_expires_s} and {self.max_expires_s}"
            raise wrong("min_expires_s <= default_expires_s <= max_expires_s", seen=seen)
        named = [(one.domain, one.name) for one in self.lists]
        twice = next((name for at, (_, name) in enumerate(named) if named[at] in named[:at]), None)
        if twice is not None:
            raise wrong("each list once", seen=twice, at="lists")
        return self
