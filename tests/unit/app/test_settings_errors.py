"""Every way for a setting to be wrong, and what the error says."""

from __future__ import annotations

from typing import Any

import pytest

from trunkline.app.settings.errors import ConfigErrors
from trunkline.app.settings.file import parse_settings
from trunkline.base.errors import ConfigError


def error(raw: dict[str, Any]) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_settings(raw, "f.toml")
    return caught.value


@pytest.mark.parametrize(
    ("raw", "key", "seen", "expected", "hint"),
    [
        (
            {"domian": "x"},
            "domian",
            "an unknown key",
            "one of domain, data, node, exchange",
            "did you mean domain?",
        ),
        ({"sip": {"lisen": []}}, "sip.lisen", "an unknown key", "one of listen, ", "did you mean listen?"),
        ({"zzz": 1}, "zzz", "an unknown key", "one of domain", ""),
        ({"sip": 5}, "sip", "5", "a table", ""),
        ({"domain": "two words"}, "domain", "'two words'", "a domain such as", ""),
        ({"domain": ["a"]}, "domain", "a list", "a domain such as", ""),
        ({"domain": "1.2.3.400"}, "domain", "'1.2.3.400'", "a domain such as", ""),
        ({"node": 256}, "node", "256", "at most 255", ""),
        ({"node": -1}, "node", "-1", "at least 0", ""),
        ({"node": "1"}, "node", "'1'", "a whole number", ""),
        ({"node": True}, "node", "True", "a whole number", ""),
        ({"node": 1.5}, "node", "1.5", "a whole number", ""),
        ({"sip": {"listen": 5}}, "sip.listen", "5", "a list of TRANSPORT:HOST:PORT", ""),
        ({"sip": {"listen": [5]}}, "sip.listen[0]", "5", "a table", ""),
        (
            {"sip": {"listen": ["upd:1.2.3.4"]}},
            "sip.listen[0].url",
            "'upd:1.2.3.4'",
            "TRANSPORT",
            "mean udp?",
        ),
        (
            {"sip": {"listen": ["sctp:1.2.3.4"]}},
            "sip.listen[0].url",
            "'sctp:1.2.3.4'",
            "TRANSPORT",
            "",
        ),
        ({"sip": {"listen": ["x:1.2.3.4"]}}, "sip.listen[0].url", "'x:1.2.3.4'", "TRANSPORT", "tls, ws, wss"),
        (
            {"sip": {"listen": [{"url": "tcp:1.2.3.4", "certificate": "a.pem"}]}},
            "sip.listen[0].certificate",
            "a.pem",
            "only with tls or wss",
            "",
        ),
        (
            {"sip": {"listen": [{"url": "tls:1.2.3.4", "client_certificate": "require"}]}},
            "sip.listen[0].client_ca",
            "nothing",
            "authorities of clients",
            "client_certificate is require",
        ),
        (
            {"sip": {"listen": [{"url": "tcp:1.2.3.4", "client_certificate": "request"}]}},
            "sip.listen[0].client_certificate",
            "request",
            "only with tls or wss",
            "",
        ),
        (
            {"sip": {"listen": [{"url": "tls:1.2.3.4", "client_certificate": "maybe"}]}},
            "sip.listen[0].client_certificate",
            "'maybe'",
            "one of 'none', 'request', 'require'",
            "",
        ),
        (
            {"sip": {"listen": [{"url": "ws:1.2.3.4", "origins": ["https://a.example/page"]}]}},
            "sip.listen[0].origins",
            "'https://a.example/page'",
            "without a path",
            "",
        ),
        (
            {"sip": {"listen": [{"url": "tls:1.2.3.4", "origins": "https://a.example"}]}},
            "sip.listen[0].origins",
            "https://a.example",
            "only with ws or wss",
            "",
        ),
        (
            {"sip": {"listen": [{"url": "tls:1.2.3.4", "key": "k.pem"}]}},
            "sip.listen[0].certificate",
            "nothing",
            "belongs to the key",
            "",
        ),
        ({"sip": {"tls": {"key": "k.pem"}}}, "sip.tls.certificate", "nothing", "belongs to the key", ""),
        ({"sip": {"tls": {"ca": 5}}}, "sip.tls.ca", "5", "the path of a PEM file", ""),
        (
            {"sip": {"tls": {"certificates": [{}]}}},
            "sip.tls.certificates[0].certificate",
            "nothing",
            "a value",
            "",
        ),
        (
            {"sip": {"listen": ["udp:a.example"]}},
            "sip.listen[0].url",
            "'udp:a.example'",
            "TRANSPORT",
            "IP address",
        ),
        ({"sip": {"listen": ["udp:::1"]}}, "sip.listen[0].url", "'udp:::1'", "TRANSPORT", "in brackets"),
        ({"sip": {"listen": ["udp:[::1"]}}, "sip.listen[0].url", "'udp:[::1'", "TRANSPORT", "in brackets"),
        (
            {"sip": {"listen": ["udp:1.2.3.4:x"]}},
            "sip.listen[0].url",
            "'udp:1.2.3.4:x'",
            "TRANSPORT",
            "0 to 65535",
        ),
        ({"sip": {"listen": ["udp"]}}, "sip.listen[0].url", "'udp'", "TRANSPORT", ""),
        ({"sip": {"listen": [{"role": "trunk"}]}}, "sip.listen[0].url", "nothing", "a value", ""),
        (
            {"sip": {"listen": [{"url": "udp:1.2.3.4", "role": "trunc"}]}},
            "sip.listen[0].role",
            "'trunc'",
            "one of 'phones', 'trunk'",
            "did you mean trunk?",
        ),
        (
            {"sip": {"listen": [{"url": "udp:1.2.3.4", "naem": "x"}]}},
            "sip.listen[0].naem",
            "an unknown key",
            "one of url, role, advertise, name",
            "did you mean name?",
        ),
        (
            {"sip": {"listen": ["udp:1.2.3.4", "udp:1.2.3.4:5060"]}},
            "sip.listen",
            "udp:1.2.3.4:5060",
            "each",
            "",
        ),
        ({"sip": {"advertise": "a b"}}, "sip.advertise", "'a b'", "a host or host:port", "without spaces"),
        ({"sip": {"advertise": 5}}, "sip.advertise", "5", "a host or host:port", ""),
        ({"sip": {"graceS": "10"}}, "sip.graceS", "'10'", "a number", ""),
        ({"sip": {"grace_s": -1}}, "sip.grace_s", "-1", "at least 0", ""),
        ({"sip": {"grace_s": float("inf")}}, "sip.grace_s", "inf", "a finite number", ""),
        ({"sip": {"ring_timeout_s": 0}}, "sip.ring_timeout_s", "0", "at least 1", ""),
        ({"sip": {"nat": "yes"}}, "sip.nat", "'yes'", "true or false", ""),
        ({"sip": {"max_contacts": 101}}, "sip.max_contacts", "101", "at most 100", ""),
        (
            {"sip": {"sdpProfile": "conservativ"}},
            "sip.sdpProfile",
            "'conservativ'",
            "one of",
            "mean conservative?",
        ),
        (
            {"sip": {"registration": {"min_expires_s": 9999}}},
            "sip.registration",
            "9999, 3600 and 3600",
            "min_exp",
            "",
        ),
        ({"media": {"ports": "20000-10000"}}, "media.ports", "'20000-10000'", "FIRST-LAST", ""),
        ({"media": {"ports": "80-90"}}, "media.ports", "'80-90'", "from 1024", ""),
        ({"media": {"ports": "10001-10002"}}, "media.ports", "'10001-10002'", "an even and an odd", ""),
        ({"media": {"ports": 10000}}, "media.ports", "10000", "FIRST-LAST", ""),
        ({"media": {"address": "a.example"}}, "media.address", "'a.example'", "an IP address", ""),
        ({"media": {"advertise": 1}}, "media.advertise", "1", "an IP address", ""),
        ({"media": {"workers": 0}}, "media.workers", "0", "at least 1", ""),
        ({"metrics": {"listen": 9090}}, "metrics.listen", "9090", "HOST:PORT", ""),
        (
            {"metrics": {"listen": "127.0.0.1"}},
            "metrics.listen",
            "'127.0.0.1'",
            "HOST:PORT",
            "port is missing",
        ),
        ({"metrics": {"listen": "on"}}, "metrics.listen", "'on'", "HOST:PORT", ""),
        ({"log": {"level": "debgu"}}, "log.level", "'debgu'", "one of 'debug'", "did you mean debug?"),
        ({"log": {"format": "xml"}}, "log.format", "'xml'", "one of 'auto'", ""),
        (
            {"sip": {"listen": [], "Listen": []}},
            "sip.Listen",
            "a list",
            "one of listen and Listen, not both",
            "",
        ),
        ({"server": {"sipPort": "5060"}}, "server.sipPort", "'5060'", "a port from 0 to 65535", ""),
        ({"server": {"sipPort": 1}, "sip": {"listen": []}}, "sip.listen", "a list", "an alias for it", ""),
        ({"server": {"sipport": 1}}, "server.sipport", "an unknown key", "one of host", "mean sipPort?"),
    ],
)
def test_a_wrong_setting_is_named(raw: dict[str, Any], key: str, seen: str, expected: str, hint: str) -> None:
    found = error(raw)
    assert not isinstance(found, ConfigErrors), str(found)
    assert found.source == "f.toml"
    assert found.key == key
    assert found.seen == seen
    assert expected in found.expected
    assert hint in found.hint


def test_all_wrong_settings_are_listed() -> None:
    found = error({"node": 999, "sip": {"nat": 1}, "nod": 1})
    assert isinstance(found, ConfigErrors)
    assert {one.key for one in found.errors} == {"node", "sip.nat", "nod"}
    assert len(str(found).splitlines()) == 3
    assert all(line.startswith("f.toml: ") for line in str(found).splitlines())


@pytest.mark.parametrize(
    "raw",
    [
        {"media": {"password": "hunter2"}},
        {"sip": {"advertise": {"secret": "hunter2"}}},
        {"sip": {"listen": [[{"token": "hunter2"}]]}},
        {"apiKey": "hunter2"},
    ],
)
def test_no_secret_stands_in_an_error(raw: dict[str, Any]) -> None:
    assert "hunter2" not in str(error(raw))


def test_a_long_value_is_shortened() -> None:
    assert len(error({"domain": "x " * 500}).seen) == 60
