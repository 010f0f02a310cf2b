"""``[dns]``: what may be written, and what is said about the rest."""

from __future__ import annotations

from typing import Any

import pytest

from trunkline.app.finding import dns_settings
from trunkline.app.settings import Dns
from trunkline.app.settings.file import parse_settings
from trunkline.base.errors import ConfigError


def parse(**dns: Any) -> Dns:
    return parse_settings({"dns": dns}, "f.toml")[0].dns


def test_the_systems_name_servers_are_the_default() -> None:
    assert parse().servers == ()
    assert dns_settings(parse()).servers == ()


def test_name_servers_are_addresses_with_or_without_a_port() -> None:
    found = parse(
        servers=["192.0.2.53", "192.0.2.54:5353", "2001:db8::53", "[2001:db8::54]:5353", "192.0.2.53:53"]
    )
    assert dns_settings(found).servers == (
        ("192.0.2.53", 53),
        ("192.0.2.54", 5353),
        ("2001:db8::53", 53),
        ("2001:db8::54", 5353),
    )
    assert parse(servers="192.0.2.53").servers == ("192.0.2.53:53",)


def test_every_setting_reaches_the_lookups() -> None:
    values: dict[str, Any] = {
        "timeout_s": 4.0,
        "question_timeout_s": 1.5,
        "cache_size": 100,
        "min_ttl_s": 1.0,
        "max_ttl_s": 600.0,
        "max_negative_ttl_s": 60.0,
        "stale_s": 0.0,
    }
    chosen = dns_settings(parse(**values))
    assert {name: getattr(chosen, name) for name in values} == values
    assert set(values) | {"servers"} == set(Dns.model_fields)


@pytest.mark.parametrize(
    ("dns", "key", "seen", "expected", "hint"),
    [
        (
            {"servers": ["dns.example"]},
            "dns.servers",
            "dns.example",
            "IP addresses",
            "no name to be looked up",
        ),
        ({"servers": ["192.0.2.300"]}, "dns.servers", "192.0.2.300", "IP addresses", "no host"),
        ({"servers": ["192.0.2.1:0"]}, "dns.servers", "192.0.2.1:0", "IP addresses", "port 0"),
        (
            {"servers": ["192.0.2.1:dns"]},
            "dns.servers",
            "192.0.2.1:dns",
            "IP addresses",
            "a port is a number",
        ),
        ({"servers": [53]}, "dns.servers", "53", "IP addresses", ""),
        ({"servers": 53}, "dns.servers", "53", "a list of IP addresses", ""),
        ({"servers": [f"192.0.2.{n}" for n in range(9)]}, "dns.servers", "9 of them", "at most 8", ""),
        ({"timeout_s": 0}, "dns.timeout_s", "0", "at least 0.1", ""),
        (
            {"timeout_s": 1, "question_timeout_s": 2},
            "dns.question_timeout_s",
            "2, with timeout_s = 1",
            "not more than timeout_s",
            "",
        ),
        ({"min_ttl_s": 301}, "dns.min_ttl_s", "301", "not more than max_ttl_s and max_negative_ttl_s", ""),
        ({"cache_size": 1}, "dns.cache_size", "1", "at least 16", ""),
        (
            {"server": ["192.0.2.1"]},
            "dns.server",
            "an unknown key",
            "one of servers",
            "did you mean servers?",
        ),
    ],
)
def test_a_wrong_setting_is_named(dns: dict[str, Any], key: str, seen: str, expected: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(**dns)
    found = caught.value
    assert (found.key, found.seen) == (key, seen)
    assert expected in found.expected
    assert hint in found.hint
