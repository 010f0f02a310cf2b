"""``[mobile]``: accounts of mobile apps, and how calls are handed over to sleeping phones."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from trunkline.app.settings.guard import Networks
from trunkline.app.settings.section import Section
from trunkline.app.settings.web_address import EVERY, as_allowed_domain, as_allowed_registrar, as_list
from trunkline.net.fence.source import Network

Domains = Annotated[tuple[Annotated[str, BeforeValidator(as_allowed_domain)], ...], BeforeValidator(as_list)]
Registrars = Annotated[
    tuple[Annotated[str, BeforeValidator(as_allowed_registrar)], ...], BeforeValidator(as_list)
]


class Mobile(Section):
    """Accounts of mobile apps, and how a call reaches a phone that sleeps."""

    domains: Domains = Field(
        default=(),
        description="SIP domains whose accounts apps may bring; `*.` stands for all below a domain, `*` for every "
        "public one. Default: only the domains of our own tenants.",
        examples=['["pbx.example.com", "*.voice.example.net"]'],
    )
    registrars: Registrars = Field(
        default=(),
        description="Hosts and networks that an app may name as registrar beside its account's domain and the hosts "
        "below it.",
        examples=['["edge.example.net", "198.51.100.0/24"]'],
    )
    inside: Networks = Field(
        default=(),
        description="Networks where registrars may be although they are not public and no name above stands for them. "
        "Default: none.",
        examples=['["10.1.0.0/16"]'],
    )
    media: Literal["bypass", "relay", "encrypted"] = Field(
        default="bypass",
        description="Whether sound of calls with other exchanges goes straight between app and exchange, through our "
        "relay with each side as it offers (`relay`), or through our relay with apps being offered DTLS-SRTP and ICE "
        "(`encrypted`), while the exchange is offered plain RTP. Calls of our own extensions are always relayed.",
    )
    provisional: Literal["on_invite", "on_push_accepted", "on_device_fetch"] = Field(
        default="on_push_accepted",
        description="When the caller hears ringing (180): at once, when a push service has taken the push, or when a "
        "phone has woken and asked for the call.",
    )
    contact_timeout_s: float = Field(
        default=20.0, ge=1, le=120, description="How long a phone may take to wake and ask for the call."
    )
    answer_timeout_s: float = Field(
        default=45.0,
        ge=1,
        le=300,
        description="How long it may ring from then on before the call is given up.",
    )
    no_answer_status: int = Field(
        default=480,
        ge=400,
        le=599,
        description="The SIP status that the caller gets then; not 6xx, which would end it for other devices too.",
    )
    live_patience_s: float = Field(
        default=2.0,
        ge=0,
        le=30,
        description="How long an app with a live channel may take to react to a call before it gets a push too.",
    )
    purge_days: float = Field(
        default=30.0,
        ge=0,
        le=3650,
        description="Days of silence after which an account's password is forgotten and its contact taken off; "
        "0 keeps them.",
    )
    per_registrar_s: float = Field(
        default=20.0, ge=0.1, le=10_000, description="REGISTER requests that one registrar gets in a second."
    )
    expires_s: int = Field(
        default=3600,
        ge=60,
        le=86_400,
        description="How long a registration at another exchange is asked for.",
    )
    show_caller: bool = Field(
        default=True,
        description="Whether pushes carry the caller's number and name: the push service can read them.",
    )
    cancel_push: Literal["alert", "background", "off"] = Field(
        default="alert",
        description="How a phone without a live channel is told that a call is over, was missed or was answered "
        "elsewhere: visibly, quietly or not at all; never by a push that rings.",
    )
    max_devices: int = Field(
        default=10, ge=1, le=1000, description="Devices that one user, and one account, may have."
    )
    max_calls: int = Field(
        default=10, ge=1, le=1000, description="Calls that one user's apps may have placed at once."
    )

    place_timeout_s: float = Field(
        default=30.0,
        ge=5,
        le=300,
        description="How long the reply to an app that places a call waits for the callee's answer.",
    )

    @property
    def networks(self) -> tuple[Network, ...]:
        """``inside``, to compare with."""
        return tuple(ipaddress.ip_network(one) for one in self.inside)

    @property
    def is_open(self) -> bool:
        """Whether accounts of every domain are taken."""
        return EVERY in self.domains
