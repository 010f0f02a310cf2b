"""``[dns]``: how names of SIP servers are looked up."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from trunkline.app.addresses import HostPort, bracketed, is_ip, parse_host_port
from trunkline.app.settings.section import Seconds, Section
from trunkline.app.settings.values import wrong

DNS_PORT = 53
MAX_SERVERS = 8
_FORM = 'IP addresses, with :PORT if it differs from 53, such as ["192.0.2.53", "[2001:db8::53]:5353"]'


def as_name_servers(value: Any) -> tuple[str, ...]:
    """``address:port`` each, the port always written; one alone will do."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple):
        raise wrong(f"a list of {_FORM}")
    if len(value) > MAX_SERVERS:
        raise wrong(f"at most {MAX_SERVERS} name servers", seen=f"{len(value)} of them")
    return tuple(dict.fromkeys(_name_server(item) for item in value))


def _name_server(item: Any) -> str:
    if not isinstance(item, str):
        raise wrong(_FORM, seen=repr(item)[:60])
    try:
        address = parse_host_port(bracketed(item) if is_ip(item) else item)
    except ValueError as error:
        raise wrong(_FORM, str(error), item[:60]) from None
    if not is_ip(address.host):
        raise wrong(_FORM, "a name server has no name to be looked up by", item[:60])
    if address.port == 0:
        raise wrong(_FORM, "port 0 is no port", item[:60])
    return str(HostPort(address.host, address.port or DNS_PORT))


class Dns(Section):
    """Finding SIP servers by name (RFC 3263): name servers, deadlines, and how long answers are believed."""

    servers: Annotated[tuple[str, ...], BeforeValidator(as_name_servers)] = Field(
        default=(),
        description="Name servers to ask, in this order. Default: those of `/etc/resolv.conf`, which is read again "
        "when it changes.",
        examples=['["192.0.2.53", "[2001:db8::53]:5353"]'],
    )
    timeout_s: float = Field(
        default=5.0,
        ge=0.1,
        le=60,
        description="How long finding the servers of one address may take in whole.",
    )
    question_timeout_s: float = Field(
        default=3.0, ge=0.1, le=60, description="How long one question may take, with all name servers."
    )
    cache_size: int = Field(default=4096, ge=16, le=1_000_000, description="Answers that are remembered.")
    min_ttl_s: Seconds = Field(
        default=5.0, description="An answer is believed at least so long, whatever its TTL."
    )
    max_ttl_s: Seconds = Field(default=86_400.0, description="An answer is believed at most so long.")
    max_negative_ttl_s: Seconds = Field(
        default=300.0,
        description="That there is no such name or record is believed at most so long (RFC 2308).",
    )
    stale_s: Seconds = Field(
        default=3600.0,
        description="While no name server answers, what was known serves so long past its time (RFC 8767); "
        "0: never.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.question_timeout_s > self.timeout_s:
            seen = f"{self.question_timeout_s:g}, with timeout_s = {self.timeout_s:g}"
            raise wrong("not more than timeout_s", seen=seen, at="question_timeout_s")
        if self.min_ttl_s > min(self.max_ttl_s, self.max_negative_ttl_s):
            seen = f"{self.min_ttl_s:g}"
            raise wrong("not more than max_ttl_s and max_negative_ttl_s", seen=seen, at="min_ttl_s")
        return self
