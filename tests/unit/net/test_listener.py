"""Listener records: urls, advertised addresses, what stands in Via and Contact."""

from __future__ import annotations

import pytest

from trunkline.base.errors import ConfigError
from trunkline.net.listener import Listener, host_port, split_host_port


def no_route(_remote_host: str) -> str | None:
    return None


@pytest.mark.parametrize(
    ("url", "transport", "host", "port"),
    [
        ("udp:127.0.0.1:5060", "UDP", "127.0.0.1", 5060),
        ("UDP:127.0.0.1", "UDP", "127.0.0.1", 5060),
        ("tcp:[::1]:5070", "TCP", "::1", 5070),
        ("tcp:[0:0:0:0:0:0:0:1]", "TCP", "::1", 5060),
        ("tcp:::1", "TCP", "::1", 5060),
        ("udp:10.0.0.1:0", "UDP", "10.0.0.1", 0),
        ("tls:10.0.0.1", "TLS", "10.0.0.1", 5061),
        ("ws:10.0.0.1", "WS", "10.0.0.1", 5066),
        ("WSS:[::1]", "WSS", "::1", 5067),
    ],
)
def test_a_url_tells_transport_address_and_port(url: str, transport: str, host: str, port: int) -> None:
    listener = Listener(url)
    assert (listener.transport, listener.host, listener.port) == (transport, host, port)
    assert (listener.name, listener.role, listener.wildcard) == (url, "phones", False)
    assert listener.sent_by == listener.contact_host_port == host_port(host, port)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "udp",
        "udp:",
        "sctp:127.0.0.1:5060",
        "udp:localhost:5060",
        "udp:127.0.0.1:",
        "udp:127.0.0.1:x",
        "udp:127.0.0.1:65536",
        "udp:127.0.0.1:-1",
        "udp:127.0.0.1:\u0665",
        "udp:[::1:5060",
        "udp:[::1]5060",
        "udp:[127.0.0.1]:5060",
        "udp:1.2.3:5060",
        "udp://127.0.0.1:5060",
    ],
)
def test_a_wrong_url_is_refused_with_what_is_expected(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Listener(url, source="trunkline.toml")
    assert caught.value.seen == repr(url)
    assert "TRANSPORT:ADDRESS:PORT" in str(caught.value)
    assert str(caught.value).startswith("trunkline.toml: sip.listen")


def test_the_scope_of_a_link_local_listener_is_not_told() -> None:
    listener = Listener("udp:[fe80::1%eth0]:5060")
    assert (listener.host, listener.sent_by) == ("fe80::1%eth0", "[fe80::1]:5060")


def test_a_wrong_role_is_refused() -> None:
    with pytest.raises(ConfigError, match="'phones' or 'trunk'"):
        Listener("udp:127.0.0.1:5060", role="phone")


@pytest.mark.parametrize(
    ("advertise", "sent_by"),
    [
        ("203.0.113.5", "203.0.113.5:5061"),
        ("203.0.113.5:5080", "203.0.113.5:5080"),
        ("sip.example.com", "sip.example.com:5061"),
        ("[2001:db8::5]:5080", "[2001:db8::5]:5080"),
        ("2001:db8::5", "[2001:db8::5]:5061"),
    ],
)
def test_an_advertised_address_is_told_to_everybody(advertise: str, sent_by: str) -> None:
    listener = Listener("udp:0.0.0.0:0", advertise=advertise, source_address=no_route)
    listener.bound(5061)
    assert listener.sent_by == listener.sent_by_for("10.0.0.1") == sent_by
    assert host_port(listener.advertised_host, listener.advertised_port) == sent_by


@pytest.mark.parametrize("advertise", ["a b", "sip.example.com:0", "x:y", "évil", "a\r\nb", ":5060", "[::1"])
def test_a_wrong_advertised_address_is_refused(advertise: str) -> None:
    with pytest.raises(ConfigError, match=r"sip\.listen\.advertise"):
        Listener("udp:0.0.0.0:0", advertise=advertise, source_address=no_route)


def test_a_wildcard_tells_each_remote_the_address_it_is_reached_from_and_asks_once() -> None:
    asked: list[str] = []

    def source_address(remote_host: str) -> str | None:
        asked.append(remote_host)
        return "10.0.0.2" if remote_host.startswith("10.") else "192.168.0.2"

    listener = Listener("udp:0.0.0.0:0", source_address=source_address)
    listener.bound(5062)
    asked.clear()
    for _ in range(3):
        assert listener.sent_by_for("10.0.0.9") == "10.0.0.2:5062"
        assert listener.sent_by_for("192.168.0.9") == "192.168.0.2:5062"
    assert asked == ["10.0.0.9", "192.168.0.9"]
    listener.forget_routes()
    listener.sent_by_for("10.0.0.9")
    assert len(asked) == 3


def test_what_a_wildcard_remembers_is_bounded() -> None:
    listener = Listener("udp:0.0.0.0:5060", source_address=lambda remote_host: remote_host)
    for number in range(10_000):
        assert listener.sent_by_for(f"10.0.{number // 256}.{number % 256}").startswith("10.0.")
    assert len(listener._sent_by_remote) <= 4096


@pytest.mark.parametrize(("url", "loopback"), [("udp:0.0.0.0", "127.0.0.1"), ("udp:[::]", "::1")])
def test_a_wildcard_without_any_route_tells_the_loopback_address(url: str, loopback: str) -> None:
    listener = Listener(url, source_address=no_route)
    assert listener.advertised_host == loopback
    assert listener.sent_by_for("10.0.0.1") == listener.sent_by


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:1", ("a", 1)),
        ("a", ("a", None)),
        ("[::1]:1", ("::1", 1)),
        ("[::1]", ("::1", None)),
        ("::1", ("::1", None)),
    ],
)
def test_host_and_port_are_told_apart(text: str, expected: tuple[str, int | None]) -> None:
    assert split_host_port(text) == expected


@pytest.mark.parametrize(
    "text", ["", ":1", "a:", "a:b", "[a]:1", "[::1", "[::1]:", "[::1]x", "1:2:x", "a:1e1"]
)
def test_what_is_no_host_and_port_raises_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (the text is the message)
        split_host_port(text)
