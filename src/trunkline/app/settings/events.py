"""``[events]``: what extensions may watch, for how long, and how many may."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from trunkline.app.settings.section import Section
from trunkline.app.settings.values import wrong


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

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.min_expires_s <= self.default_expires_s <= self.max_expires_s:
            seen = f"{self.min_expires_s}, {self.default_expires_s} and {self.max_expires_s}"
            raise wrong("min_expires_s <= default_expires_s <= max_expires_s", seen=seen)
        return self
