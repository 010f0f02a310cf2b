"""``[sip.session_timer]`` and ``[sip.overload]``: calls whose party is gone, and more calls than can be served."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from trunkline.app.settings.section import Section
from trunkline.app.settings.values import wrong


class SessionTimerSettings(Section):
    """Calls are refreshed, so that one whose party has vanished ends (RFC 4028)."""

    mode: Literal["off", "asked", "always"] = Field(
        default="asked",
        description="`asked` refreshes calls whose phones speak of session timers, `always` also those of phones that "
        "know nothing of them, `off` none.",
    )
    expires_s: int = Field(
        default=1800,
        ge=90,
        le=86_400,
        description="The interval that is asked for; at half of it a refresh is sent.",
    )
    min_se_s: int = Field(
        default=90, ge=90, le=86_400, description="A shorter interval gets 422 with this one (Min-SE)."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_se_s > self.expires_s:
            raise wrong("min_se_s <= expires_s", seen=f"{self.min_se_s} and {self.expires_s}", at="min_se_s")
        return self


class OverloadSettings(Section):
    """When new calls are refused with 503 for the sake of those that are up; at twice these loads all that is new."""

    enabled: bool = Field(default=True, description="`false` refuses nothing for its load.")
    lag_s: float = Field(
        default=0.5,
        ge=0.05,
        le=10,
        description="How late the exchange may be with what comes in. A receive buffer that overflows counts as late.",
    )
    retry_after_s: int = Field(
        default=5,
        ge=1,
        le=600,
        description="When those refused may come again: after so many seconds or up to twice as many, drawn by lot.",
    )
