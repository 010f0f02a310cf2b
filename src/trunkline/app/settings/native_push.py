"""``[sip.push]``: native SIP apps that register themselves and are woken by a push (RFC 8599)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trunkline.app.settings.section import Section


class NativePush(Section):
    """SIP apps that register here themselves and say how to wake them (RFC 8599). Services are those of `[push]`."""

    enabled: bool = Field(
        default=True, description="`false` takes no notice of how a phone may be woken, as without `[push]`."
    )
    refuse_unsupported: bool = Field(
        default=True,
        description="Whether a phone that wants a service which we do not have gets 555; else it is registered, "
        "and never woken.",
    )
    awake_s: float = Field(
        default=30.0,
        ge=0,
        le=3600,
        description="A UDP phone that registered so lately is rung at once, without a push.",
    )
    contact_timeout_s: float = Field(
        default=20.0,
        ge=3,
        le=120,
        description="How long a call waits for the REGISTER of a phone that was woken.",
    )
    provisional: Literal["on_invite", "on_push_accepted", "on_register"] = Field(
        default="on_push_accepted",
        description="When the caller of a phone that sleeps hears ringing (180): at once, when a push service has "
        "taken the push, or when the phone has come and says itself that it rings.",
    )
    cancel_push: bool = Field(
        default=True,
        description="Whether a phone that was woken for a call which is over is told by a quiet push.",
    )
    show_caller: bool = Field(
        default=True,
        description="Whether pushes carry the caller's number and name: the push service can read them.",
    )
    quiet_every_s: float = Field(
        default=60.0,
        ge=10,
        le=86_400,
        description="In which time a phone gets one push for texts and one for waiting messages at most.",
    )
    pnsreg_s: int = Field(
        default=130,
        ge=30,
        le=3600,
        description="How long before its registration ends a phone that wakes itself is to refresh it.",
    )
    refresh: bool = Field(default=True, description="Whether other phones are woken to refresh theirs.")
    refresh_before_s: float = Field(
        default=300.0,
        ge=60,
        le=7200,
        description="How long before the end the first such push goes; a half and a quarter of it before, the next.",
    )
    refreshes_a_day: int = Field(
        default=3,
        ge=0,
        le=48,
        description="Such pushes that an Apple phone gets in 24 hours at most; others get ten times as many.",
    )
