"""``[stir]`` and ``[[peers]]``: who sends us calls, what it is believed, how calls are signed and checked."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from trunkline.app.settings.guard import Networks, as_networks
from trunkline.app.settings.section import Section
from trunkline.app.settings.tls import PemFile
from trunkline.app.settings.values import as_domain, wrong
from trunkline.net.fence.source import Network

_NUMBER_FORM = 'a number such as "+12025550100", or a beginning such as "+120255501*"'
_number = re.compile(r"\+[0-9]{1,15}\*?\Z").match
_https = re.compile(r"https://[^\s<>\"/@]+/[^\s<>\"]*\Z").match


def as_number(value: Any) -> str:
    """A number in international form, or its beginning."""
    if not isinstance(value, str) or not _number(value):
        hint = "with + and country code" if isinstance(value, str) and value.strip("*").isdecimal() else ""
        raise wrong(_NUMBER_FORM, hint)
    return value


def as_numbers(value: Any) -> Any:
    """A list of texts; one alone will do."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple):
        raise wrong(f"a list, each {_NUMBER_FORM}")
    return tuple(values)


def as_https(value: Any) -> str:
    """An https URL."""
    if not isinstance(value, str) or not value.isascii() or not _https(value):
        raise wrong('an https URL such as "https://certs.example.com/shaken.pem"')
    return value


def as_texts(value: Any) -> Any:
    """A list of texts; one alone will do."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple):
        raise wrong("a list of texts")
    return tuple(values)


SaidBy = Annotated[tuple[Literal["pai", "rpid", "from"], ...], BeforeValidator(as_texts)]


class Stir(Section):
    """Signed callers (STIR/SHAKEN, RFC 8224): calls by trunks are signed, calls of peers are checked."""

    key: PemFile | None = Field(
        default=None,
        description="PEM file of the private key (P-256) that calls are signed with. Default: none is.",
    )
    certificate_url: Annotated[str, BeforeValidator(as_https)] | None = Field(
        default=None,
        description="Where others fetch the certificate of that key.",
        examples=['"https://certs.example.com/shaken.pem"'],
    )
    numbers: Annotated[
        tuple[Annotated[str, BeforeValidator(as_number)], ...], BeforeValidator(as_numbers)
    ] = Field(
        default=(),
        description="Our own numbers; a beginning ends in `*`. A call from one of them is attested A.",
        examples=['["+12025550100", "+4930123*"]'],
    )
    unknown: Literal["B", "C", "none"] = Field(
        default="C", description="What is attested for other numbers; `none` leaves such calls unsigned."
    )
    anchors: PemFile | None = Field(
        default=None,
        description="PEM file of the authorities that signatures are checked against. Default: none is checked.",
    )
    max_age_s: float = Field(
        default=60.0,
        ge=1,
        le=600,
        description="How old a signature may be, and how far ahead of our clock.",
    )
    date_skew_s: float = Field(
        default=0.0,
        ge=0,
        le=86_400,
        description="How far the Date header may be from the time in the signature; 0 does not look at it.",
    )
    web_ca: PemFile | None = Field(
        default=None,
        description="PEM file of the authorities that web servers with certificates are checked against. "
        "Default: the system's.",
    )
    inside: Annotated[Networks, BeforeValidator(as_networks)] = Field(
        default=(),
        description="Networks that certificates may be fetched from although they are not public. Default: none.",
        examples=['["10.1.2.0/24"]'],
    )

    @property
    def networks(self) -> tuple[Network, ...]:
        """``inside``, to compare with."""
        return tuple(ipaddress.ip_network(one) for one in self.inside)

    @model_validator(mode="after")
    def _key_with_url(self) -> Self:
        if self.key and not self.certificate_url:
            raise wrong("the URL of the key's certificate", seen="nothing", at="certificate_url")
        if self.certificate_url and not self.key:
            raise wrong("the key that belongs to the certificate", seen="nothing", at="key")
        return self


class Peer(Section):
    """Another exchange or a carrier that sends calls to our extensions; it is known by its address."""

    name: str = Field(min_length=1, max_length=40, description="A name for stories.")
    addresses: Networks = Field(
        description="Addresses or networks that its calls come from; they are never banned."
    )
    domain: Annotated[str, BeforeValidator(as_domain)] = Field(
        default="", description="A domain of the tenant that its calls are for. Default: the default tenant."
    )
    trusted: bool = Field(
        default=False,
        description="Whether it belongs to our trust domain: what it asserts of its callers is believed (RFC 3325).",
    )
    identity: SaidBy = Field(
        default=("pai", "rpid", "from"),
        description="The headers that say who calls, the best first: P-Asserted-Identity, Remote-Party-ID, From. "
        "Of a peer that is not trusted only From is read.",
    )
    verify: Literal["off", "mark", "refuse", "require"] = Field(
        default="mark",
        description="Signatures of its calls: `off` looks at none, `mark` tells the story what was found, `refuse` "
        "ends calls with a wrong one, `require` those without one too.",
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.addresses:
            raise wrong("one address or network at least", seen="an empty list", at="addresses")
        if not self.identity:
            raise wrong("one of pai, rpid and from at least", seen="an empty list", at="identity")
        return self

    @property
    def networks(self) -> tuple[Network, ...]:
        """``addresses``, to compare with."""
        return tuple(ipaddress.ip_network(one) for one in self.addresses)
