"""``[[trunks]]``: peers that we call out through."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from trunkline.app.addresses import bracketed, is_ip, parse_host_port
from trunkline.app.settings.guard import Networks
from trunkline.app.settings.secret import Secret, SecretFile, Variable, one_place_at_most, places_of
from trunkline.app.settings.section import Section
from trunkline.app.settings.stir import SaidBy, as_texts
from trunkline.app.settings.values import as_domain, wrong
from trunkline.net.fence.source import Network

_HOST = 'a host or host:port such as "sip.carrier.example" or "192.0.2.9:5080"'
_KEYS = frozenset("0123456789+*#")


def as_host(value: Any) -> str:
    """A name, or an address, with a port or without."""
    if not isinstance(value, str) or not value.strip():
        raise wrong(_HOST)
    if value.split() != [value] or value.lower().startswith(("sip:", "sips:")):
        raise wrong(_HOST, "without spaces and without a scheme")
    try:
        return str(parse_host_port(bracketed(value) if is_ip(value) else value))
    except ValueError as error:
        raise wrong(_HOST, str(error)) from None


def as_digits(value: Any) -> str:
    """The beginning of a number; an empty one is that of every number."""
    if not isinstance(value, str) or not set(value) <= _KEYS:
        raise wrong('digits in quotes such as "0" or "+49"')
    return value


def as_prefixes(value: Any) -> Any:
    """A list of texts; one alone will do."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple) or not value:
        raise wrong('a list of prefixes such as ["0", "+"]; [""] takes every number')
    return tuple(value)


Digits = Annotated[str, BeforeValidator(as_digits)]


class Trunk(Section):
    """A carrier, or another exchange, that calls go out through."""

    name: str = Field(
        min_length=1,
        max_length=40,
        pattern=r"^[A-Za-z0-9._-]+$",
        description="A name for commands, stories and metrics: letters, digits, `.`, `_` and `-`.",
    )
    host: Annotated[str, BeforeValidator(as_host)] = Field(
        description="Its name, whose servers are looked up (RFC 3263), or its address; a port if it is not the usual."
    )
    transport: Literal["udp", "tcp", "tls", "auto"] = Field(
        default="auto", description="`auto` takes what its name says, UDP for an address."
    )
    domain: str = Field(
        default="", description="A domain of the tenant that may use it. Default: the default tenant."
    )
    username: str = Field(default="", max_length=128, description="Who we are there.")
    auth_username: str = Field(
        default="", max_length=128, description="What digest calls us. Default: `username`."
    )
    password: Secret = Field(default=None, description="Never shown, logged or returned.")
    password_file: SecretFile | None = Field(
        default=None, description="A file with the password in its first line, instead of `password`."
    )
    password_env: Variable = Field(
        default="",
        description="The environment variable that holds the password, instead of `password`.",
    )
    realm: str = Field(
        default="",
        max_length=255,
        description="The one realm whose challenges are answered. Default: any of this trunk.",
    )
    from_domain: Annotated[str, BeforeValidator(as_domain)] = Field(
        default="", description="What stands behind the @ of our address there. Default: `host`."
    )
    registers: bool = Field(
        default=False, description="Whether to register there, so that calls come in too."
    )
    expires_s: int = Field(
        default=3600, ge=60, le=86_400, description="How long a registration is asked for."
    )
    prefixes: Annotated[tuple[Digits, ...], BeforeValidator(as_prefixes)] = Field(
        default=("",),
        description="What numbers that go this way begin with; of all trunks the longest wins, and extensions and "
        "services come first.",
        examples=['["0", "+"]'],
    )
    strip: int = Field(
        default=0, ge=0, le=20, description="How many characters are cut off the front of a number."
    )
    prepend: Digits = Field(default="", description="What is put in front of it then.")
    caller_id: Digits = Field(
        default="", description="The number that the other side sees. Default: who we are there."
    )
    sdp_profile: Literal["transparent", "conservative"] = Field(
        default="conservative", description="As `sip.sdp_profile`, for calls through this trunk."
    )
    encryption: Literal["off", "preferred", "required"] = Field(
        default="off",
        description="As `media.encryption`, for calls through this trunk; carriers that demand SRTP want `required`.",
    )
    trusted: bool = Field(
        default=False,
        description="Whether it belongs to our trust domain (RFC 3325): it is told callers who want to stay unknown, "
        "and believed what it asserts of its own.",
    )
    identity: SaidBy = Field(
        default=("pai", "rpid", "from"),
        description="The headers that say who calls from there, the best first. Of a trunk that is not trusted only "
        "From is read.",
    )
    history: Annotated[tuple[Literal["diversion", "history-info"], ...], BeforeValidator(as_texts)] = Field(
        default=("diversion",),
        description="The headers that tell it whom a call was for before: one, both or none.",
    )
    sign: bool = Field(default=True, description="Whether calls to it are signed when `stir.key` is there.")
    verify: Literal["off", "mark", "refuse", "require"] = Field(
        default="mark", description="Signatures of its calls, as for `peers.verify`."
    )
    options_s: float = Field(
        default=60.0,
        ge=0,
        le=86_400,
        description="Seconds between two OPTIONS that ask whether it is there; 0 asks never.",
    )
    accept_from: Networks = Field(
        default=(),
        description="Addresses or networks that its calls come from, beside those that we registered at.",
        examples=['["192.0.2.0/24"]'],
    )
    inbound: str = Field(
        default="",
        max_length=64,
        description="The extension that its calls ring. Default: the number that it dials.",
        examples=['"1001"'],
    )
    learn_address: bool = Field(
        default=True,
        description="Whether a NAT's address, which the registrar sees, takes the place of ours in the Contact.",
    )

    @property
    def networks(self) -> tuple[Network, ...]:
        """``accept_from``, to compare with."""
        return tuple(ipaddress.ip_network(one) for one in self.accept_from)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        one_place_at_most(self, "password")
        given = places_of(self, "password")
        if (given or self.registers) and not self.username:
            raise wrong("who we are there, as the carrier calls it", seen="nothing", at="username")
        if not self.identity:
            raise wrong("one of pai, rpid and from at least", seen="an empty list", at="identity")
        return self


def each_named_once(trunks: tuple[Trunk, ...]) -> tuple[Trunk, ...]:
    """Commands and the store know a trunk by its name."""
    names = [one.name for one in trunks]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise wrong("a name of its own for each trunk", seen=f"{twice} twice")
    return trunks
