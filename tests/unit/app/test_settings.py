"""Settings: defaults, spellings, what follows from the host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from trunkline.app.addresses import HostAddresses, HostPort
from trunkline.app.from_settings import listeners_of, tls_settings
from trunkline.app.settings import Listener, Settings
from trunkline.app.settings.file import ALL_IPV4, Loaded, load_settings, parse_settings
from trunkline.app.settings.reference import reference
from trunkline.app.settings.values import PortRange
from trunkline.base.errors import ConfigError
from trunkline.net import CertificateFiles, ListenerTls, SelfSigned

HOST = HostAddresses("192.0.2.7", "2001:db8::7", binds_ipv6=True)
ONLY_IPV4 = HostAddresses("192.0.2.7")
ROOT = Path(__file__).parents[3]


def load(text: str, tmp_path: Path, host: HostAddresses = ONLY_IPV4, name: str = "t.toml") -> Loaded:
    file = tmp_path / name
    file.write_text(text)
    return load_settings(file, tmp_path, host=host, env={})


def urls(loaded: Loaded) -> list[str]:
    return [listener.url for listener in loaded.settings.sip.listen]


PORTS = [("udp", 5060), ("tcp", 5060), ("tls", 5061), ("ws", 5066), ("wss", 5067)]


def test_without_a_file_it_listens_on_every_transport_of_every_family() -> None:
    settings = load_settings(host=HOST, env={}).settings
    assert [listener.url for listener in settings.sip.listen] == [
        f"{transport}:{host}:{port}" for host in (ALL_IPV4, "[::]") for transport, port in PORTS
    ]
    assert settings.domain == "192.0.2.7"
    assert [listener.advertised for listener in settings.sip.listen] == [
        HostPort(host, port) for host in ("192.0.2.7", "2001:db8::7") for _, port in PORTS
    ]
    assert settings.media.address == "0.0.0.0"  # noqa: S104  (the default under test)
    assert settings.media.advertise == "192.0.2.7"
    assert settings.metrics.address == HostPort("127.0.0.1", 9090)


def test_a_host_without_ipv6_gets_no_ipv6_listener() -> None:
    assert [one.url for one in load_settings(host=ONLY_IPV4, env={}).settings.sip.listen] == [
        f"{transport}:0.0.0.0:{port}" for transport, port in PORTS
    ]


def test_everything_follows_a_listener_on_one_address(tmp_path: Path) -> None:
    settings = load('[sip]\nlisten = ["udp:127.0.0.1:0"]', tmp_path).settings
    assert settings.domain == "127.0.0.1"
    assert settings.sip.listen[0].advertised == HostPort("127.0.0.1", 0)
    assert (settings.media.address, settings.media.advertise) == ("127.0.0.1", "127.0.0.1")


def test_an_advertised_address_reaches_signalling_media_and_domain(tmp_path: Path) -> None:
    settings = load('[sip]\nadvertise = "203.0.113.5"', tmp_path, HOST).settings
    assert settings.domain == "203.0.113.5"
    assert settings.media.advertise == "203.0.113.5"
    shown = [listener.advertised.host for listener in settings.sip.listen]
    assert shown == ["203.0.113.5"] * 5 + ["2001:db8::7"] * 5


def test_an_advertised_port_is_for_udp_and_tcp_alone(tmp_path: Path) -> None:
    text = """
    [sip]
    advertise = "pbx.example:5070"
    listen = ["udp:10.0.0.1", "tls:10.0.0.1", { url = "wss:10.0.0.1", advertise = "pbx.example:443" }]
    """
    shown = [listener.advertised for listener in load(text, tmp_path).settings.sip.listen]
    assert shown == [HostPort("pbx.example", port) for port in (5070, 5061, 443)]


def test_certificates_and_who_may_connect_are_read(tmp_path: Path) -> None:
    text = """
    [sip]
    listen = [
        { url = "tls:10.0.0.1", certificate = "a.pem", client_certificate = "require", client_ca = "ca.pem" },
        { url = "wss:10.0.0.1", origins = ["https://Phone.example"] },
    ]
    [sip.tls]
    certificate = "/etc/pbx.pem"
    key = "/etc/pbx.key"
    [[sip.tls.certificates]]
    certificate = "/etc/other.pem"
    """
    settings = load(text, tmp_path).settings
    tls, wss = listeners_of(settings, "0000")
    assert tls.tls == ListenerTls(
        CertificateFiles(Path("a.pem"), Path("a.pem"), "sip.listen[0]"),
        "require",
        Path("ca.pem"),
        "sip.listen[0]",
    )
    assert (wss.tls.certificate, wss.origins) == (None, ("https://phone.example",))
    shared = tls_settings(settings, tmp_path, ONLY_IPV4)
    assert shared.certificates == (
        CertificateFiles(Path("/etc/pbx.pem"), Path("/etc/pbx.key"), "sip.tls"),
        CertificateFiles(Path("/etc/other.pem"), Path("/etc/other.pem"), "sip.tls.certificates[0]"),
    )


def test_a_certificate_of_our_own_is_for_every_name_that_phones_use(tmp_path: Path) -> None:
    text = 'domain = "pbx.example"\n[sip]\nlisten = ["tls:0.0.0.0", "wss:[::1]", "udp:10.0.0.9"]'
    wanted = tls_settings(load(text, tmp_path).settings, tmp_path, ONLY_IPV4).self_signed
    assert wanted == SelfSigned(
        tmp_path / "tls" / "self-signed.pem", ("pbx.example", "192.0.2.7", "::1", "localhost", "127.0.0.1")
    )


def test_an_advertised_port_and_name_are_kept(tmp_path: Path) -> None:
    text = (
        '[sip]\nadvertise = "pbx.example:5070"\nlisten = ["udp:10.0.0.1"]\n[media]\nadvertise = "203.0.113.9"'
    )
    settings = load(text, tmp_path).settings
    assert settings.sip.listen[0].advertised == HostPort("pbx.example", 5070)
    assert settings.domain == "pbx.example"
    assert settings.media.advertise == "203.0.113.9"


def test_listeners_are_texts_or_tables(tmp_path: Path) -> None:
    text = """
    domain = "Example.COM"
    [sip]
    listen = [
        "TCP:[::1]:5070",
        { url = "udp:192.0.2.1", role = "trunk", advertise = "[2001:db8::1]", name = "out" },
    ]
    """
    loaded = load(text, tmp_path)
    assert urls(loaded) == ["tcp:[::1]:5070", "udp:192.0.2.1:5060"]
    assert loaded.settings.domain == "example.com"
    first, second = loaded.settings.sip.listen
    assert (first.transport, first.address) == ("tcp", HostPort("::1", 5070))
    assert (second.role, second.name, second.advertised) == ("trunk", "out", HostPort("2001:db8::1", 5060))


def test_json_is_read_too(tmp_path: Path) -> None:
    assert load(json.dumps({"domain": "a.example"}), tmp_path, name="t.json").settings.domain == "a.example"
    assert load('  {"domain": "b.example"}', tmp_path, name="config").settings.domain == "b.example"


def test_camel_case_is_understood(tmp_path: Path) -> None:
    settings = load(
        '{"sip": {"ringTimeoutS": 20, "registration": {"minExpiresS": 30}}}', tmp_path, name="a.json"
    )
    assert settings.settings.sip.ring_timeout_s == 20
    assert settings.settings.sip.registration.min_expires_s == 30


def test_the_published_sip_port_stands_for_listeners(tmp_path: Path) -> None:
    loaded = load('{"server": {"sipPort": 5062, "trunkPort": 5080}}', tmp_path, name="a.json")
    assert urls(loaded) == ["udp:0.0.0.0:5062", "tcp:0.0.0.0:5062"]
    assert loaded.notices == ("server.trunkPort is not active yet in this version (the trunk side)",)


def test_sections_of_the_published_gateway_are_taken(tmp_path: Path) -> None:
    text = """
    [server]
    host = "0.0.0.0"
    port = 8080
    [auth]
    secret = "hunter2"
    [database]
    path = "/data/gateway.db"
    [apns]
    key_id = "ABCDE12345"
    [fcm]
    service_account_path = "/data/f.json"
    [sip]
    transport = "udp"
    local_port = 5064
    """
    loaded = load(text, tmp_path)
    assert urls(loaded) == ["udp:0.0.0.0:5064"]
    assert loaded.settings.api.listen == "0.0.0.0:8080"
    assert loaded.settings.push.apns.key_id == "ABCDE12345"
    assert [notice.split()[0] for notice in loaded.notices] == [
        "this", "database.path", "mobile.domains",
    ]  # fmt: skip
    assert "hunter2" not in str(loaded)


@pytest.mark.parametrize(
    ("name", "text", "where", "said"),
    [
        ("a.toml", "domain = x\n", "line 1, column 10", "Invalid value"),
        ("a.json", '{"domain": }', "line 1, column 12", "Expecting value"),
        ("a.json", "[]", "line 1", "list"),
        ("a.json", "[" * 100_000, "the file", "too deep"),
    ],
)
def test_a_broken_file_is_named_with_the_place(
    tmp_path: Path, name: str, text: str, where: str, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text, tmp_path, name=name)
    assert caught.value.source == str(tmp_path / name)
    assert caught.value.key == where
    assert said in caught.value.seen


def test_a_missing_file_and_no_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_settings(tmp_path / "none.toml", tmp_path, host=HOST, env={})
    (tmp_path / "b.toml").write_bytes(b"domain = '\xff'")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_settings(tmp_path / "b.toml", tmp_path, host=HOST, env={})


def test_options_win_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text('domain = "a.example"\nnode = 3\n[sip]\nlisten = ["udp:10.0.0.1"]')
    options = {"domain": "b.example", "sip.listen": ["tcp:10.0.0.2"], "log.level": "debug"}
    settings = load_settings(tmp_path / "t.toml", tmp_path, options, ONLY_IPV4, {}).settings
    assert (settings.domain, settings.node, settings.log.level) == ("b.example", 3, "debug")
    assert [one.url for one in settings.sip.listen] == ["tcp:10.0.0.2:5060"]


@pytest.mark.parametrize(
    ("key", "value", "option"),
    [
        ("domain", "a b", "--domain"),
        ("sip.listen", ["upd:1.2.3.4"], "--listen"),
        ("metrics.listen", "x", "--metrics"),
        ("log.level", "loud", "--log-level"),
    ],
)
def test_a_wrong_option_is_named_as_it_was_given(key: str, value: Any, option: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(overrides={key: value}, host=HOST, env={})
    assert (caught.value.source, caught.value.key) == ("command line", option)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Settings().domain = "x"


def test_the_default_port_range_and_metrics_off() -> None:
    settings, _notices = parse_settings({"metrics": {"listen": "off"}}, "f")
    assert settings.media.ports == PortRange(10_000, 20_000)
    assert len(settings.media.ports) == 10_001
    assert settings.metrics.address is None
    assert Listener(url="udp:localhost").url == "udp:127.0.0.1:5060"


def test_the_committed_reference_is_up_to_date() -> None:
    page = (ROOT / "docs/reference/configuration.md").read_text()
    assert page == reference(), (
        "run: python -m trunkline.app.settings.reference > docs/reference/configuration.md"
    )
