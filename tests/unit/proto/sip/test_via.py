"""Via: parsing the topmost one and stamping it."""

from __future__ import annotations

import pytest

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.via import parse_top_via, stamp_via


@pytest.mark.parametrize(
    ("value", "transport", "sent_by", "branch"),
    [
        ("SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1", "UDP", "10.0.0.1", "z9hG4bK1"),
        (
            "SIP/2.0/tcp Host.Example.COM:5070;rport;branch=z9hG4bK1",
            "TCP",
            "host.example.com:5070",
            "z9hG4bK1",
        ),
        ("SIP/2.0/UDP 192.0.2.2", "UDP", "192.0.2.2", ""),
        ("SIP/2.0/UDP 192.0.2.2;hidden;BRANCH=old", "UDP", "192.0.2.2", "old"),
        (
            "SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en",
            "UNKNOWN",
            "t4.example.com",
            "z9hG4bKasd0f3en",
        ),
        ("SIP/2.0/TLS-SCTP h;branch=z9hG4bK1", "TLS-SCTP", "h", "z9hG4bK1"),
        ("SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b;branch=z9hG4bK2", "UDP", "a", "z9hG4bK1"),
        ("SIP/2.0/UDP a;branch=z9hG4bK1\nSIP/2.0/UDP b;branch=z9hG4bK2", "UDP", "a", "z9hG4bK1"),
        ("SIP  /   2.0 /UDP 192.0.2.2;branch=390skdjuw", "UDP", "192.0.2.2", "390skdjuw"),
        (
            "SIP  / 2.0  / TCP     spindle.example.com   ; branch  =   z9hG4bK9ikj8  , x",
            "TCP",
            "spindle.example.com",
            "z9hG4bK9ikj8",
        ),
        ("SIP/2.0/UDP host : 5070 ;branch=z9hG4bK1", "UDP", "host:5070", "z9hG4bK1"),
        (
            "SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111",
            "UDP",
            "[2001:db8::9:1]:6050",
            "z9hG4bKas3-111",
        ),
        (
            "SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3",
            "UDP",
            "[2001:db8::9:1]",
            "z9hG4bKas3",
        ),
        (
            "SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3",
            "UDP",
            "[2001:db8::9:1]",
            "z9hG4bKas3",
        ),
        ("SIP/2.0/UDP 2001:DB8::9:1;branch=z9hG4bK1", "UDP", "[2001:db8::9:1]", "z9hG4bK1"),
        (
            "SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~",
            "TCP",
            "host1.example.com",
            "z9hG4bK-.!%66*_+`'~",
        ),
        ('SIP/2.0/UDP h;x="a,b";branch=z9hG4bK1', "UDP", "h", "z9hG4bK1"),
        ("SIP/2.0/UDP h:0;branch=z9hG4bK1==", "UDP", "h:0", "z9hG4bK1=="),
    ],
)
@pytest.mark.rule("T-40")
def test_the_topmost_via_is_read(value: str, transport: str, sent_by: str, branch: str) -> None:
    via = parse_top_via(value)
    assert (via.transport, via.sent_by, via.branch) == (transport, sent_by, branch)
    assert (via.params.get("branch") or "") == branch


@pytest.mark.rfc("4475", "3.1.2.1")
@pytest.mark.parametrize(
    "value",
    [
        "",
        "garbage",
        ",SIP/2.0/UDP a",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "SIP/3.0/UDP a",
        "SIP/2.0 a",
        "SIP/2.0/UDP 192.0.2.15;;,;,,",
        "SIP/2.0/UDP a b",
        "SIP/2.0/UDP a:70000;branch=z9hG4bK1",
        "SIP/2.0/UDP a:x;branch=z9hG4bK1",
        "SIP/2.0/UDP [::1;branch=z9hG4bK1",
        'SIP/2.0/UDP a;x="open',
        "SIP/2.0/UDP a;branch=z9\x00",
    ],
)
def test_a_malformed_via_is_an_error(value: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_top_via(value)
    with pytest.raises(RemoteProtocolError):
        stamp_via(value, "192.0.2.1", 5060)


BELOW = ", SIP / 2.0/TCP  b ;branch=z9hG4bK2\nSIP/2.0/UDP c;rport"


@pytest.mark.rfc("3581", "4")
@pytest.mark.parametrize("below", ["", BELOW])
@pytest.mark.parametrize(
    ("top", "stamped"),
    [
        ("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
        ("SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1", "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;received=192.0.2.1"),
        ("SIP/2.0/UDP Phone;branch=z9hG4bK1", "SIP/2.0/UDP Phone;branch=z9hG4bK1;received=192.0.2.1"),
        (
            "SIP/2.0/UDP 10.0.0.1;rport;branch=z1",
            "SIP/2.0/UDP 10.0.0.1;rport=40000;branch=z1;received=192.0.2.1",
        ),
        (
            "SIP/2.0/UDP 192.0.2.1;branch=z1;rport",
            "SIP/2.0/UDP 192.0.2.1;branch=z1;rport=40000;received=192.0.2.1",
        ),
        (
            "SIP/2.0/UDP 10.0.0.1;RPORT;branch=z1",
            "SIP/2.0/UDP 10.0.0.1;branch=z1;rport=40000;received=192.0.2.1",
        ),
        (
            "SIP/2.0/UDP 10.0.0.1;rport=1;branch=z1",
            "SIP/2.0/UDP 10.0.0.1;branch=z1;rport=40000;received=192.0.2.1",
        ),
        ("SIP/2.0/UDP 192.0.2.1;received=6.6.6.6;branch=z1", "SIP/2.0/UDP 192.0.2.1;branch=z1"),
        (
            "SIP/2.0/UDP 10.0.0.1;Received=6.6.6.6;rport;rport=2",
            "SIP/2.0/UDP 10.0.0.1;rport=40000;received=192.0.2.1",
        ),
        ("SIP/2.0/UDP 10.0.0.1;rportx;branch=z1", "SIP/2.0/UDP 10.0.0.1;rportx;branch=z1;received=192.0.2.1"),
        ("SIP/2.0/UDP a;x=received;branch=z1", "SIP/2.0/UDP a;x=received;branch=z1;received=192.0.2.1"),
        ('SIP/2.0/UDP a;x=";rport=1;";rport', 'SIP/2.0/UDP a;x=";rport=1;";rport=40000;received=192.0.2.1'),
    ],
)
@pytest.mark.rule("T-40")
def test_the_topmost_via_is_stamped_and_the_others_are_left(top: str, stamped: str, below: str) -> None:
    assert stamp_via(top + below, "192.0.2.1", 40000) == stamped + below
    via = parse_top_via(top + below)
    assert stamp_via(top + below, "192.0.2.1", 40000, via=via) == stamped + below


def test_a_spaced_via_is_written_anew_and_the_others_are_left() -> None:
    value = "SIP  / 2.0  / TCP     spindle   ; branch  =   z9hG4bK9 , SIP  /    2.0   / UDP  b"
    assert (
        stamp_via(value, "192.0.2.1", 1)
        == "SIP/2.0/TCP spindle;branch=z9hG4bK9;received=192.0.2.1, SIP  /    2.0   / UDP  b"
    )


def test_rport_can_be_forced_by_policy() -> None:
    stamped = stamp_via("SIP/2.0/UDP 192.0.2.1;branch=z1", "192.0.2.1", 40000, force_rport=True)
    assert stamped == "SIP/2.0/UDP 192.0.2.1;branch=z1;rport=40000;received=192.0.2.1"


@pytest.mark.rfc("5118", "4.5")
@pytest.mark.rule("T-40")
def test_ipv6_sources_are_written_without_brackets_and_zone() -> None:
    assert stamp_via("SIP/2.0/UDP [2001:DB8::1];rport", "2001:db8::1", 9) == (
        "SIP/2.0/UDP [2001:DB8::1];rport=9;received=2001:db8::1"
    )
    assert stamp_via("SIP/2.0/UDP [2001:DB8::1]", "2001:db8::1", 9) == "SIP/2.0/UDP [2001:DB8::1]"
    assert stamp_via("SIP/2.0/UDP a", "fe80::1%eth0", 9) == "SIP/2.0/UDP a;received=fe80::1"


@pytest.mark.rfc("3261", "18.2.2")
@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("SIP/2.0/UDP a;branch=z1", ("a", 5060)),
        ("SIP/2.0/TLS a;branch=z1", ("a", 5061)),
        ("SIP/2.0/UDP a:5070;received=192.0.2.1", ("192.0.2.1", 5070)),
        ("SIP/2.0/UDP a:5070;received=192.0.2.1;rport=4", ("192.0.2.1", 4)),
        ("SIP/2.0/UDP [::1];maddr=6.6.6.6", ("::1", 5060)),
        ("SIP/2.0/UDP a;received=[2001:db8::9:255]", ("2001:db8::9:255", 5060)),
    ],
)
def test_an_answer_finds_its_way_by_the_stamped_via(value: str, address: tuple[str, int]) -> None:
    assert parse_top_via(value).reply_address == address


def test_a_hostile_number_of_marks_costs_linear_time() -> None:
    value = "SIP/2.0/UDP a" + ";rport=1;received=b" * 3000
    assert stamp_via(value, "192.0.2.1", 9) == "SIP/2.0/UDP a;rport=9;received=192.0.2.1"


@pytest.mark.rule("T-26")
@pytest.mark.rfc("6223", "4.3")
@pytest.mark.parametrize(
    ("value", "stamped"),
    [
        ("SIP/2.0/UDP h;branch=b;keep;rport", "SIP/2.0/UDP h;branch=b;keep=25;rport=7;received=192.0.2.1"),
        ("SIP/2.0/TCP h;keep;branch=b", "SIP/2.0/TCP h;keep=120;branch=b;received=192.0.2.1"),
        ("SIP/2.0/WSS h;Keep;branch=b", "SIP/2.0/WSS h;keep=120;branch=b;received=192.0.2.1"),
        ("SIP/2.0/UDP h;rport=1;keep;branch=b", "SIP/2.0/UDP h;keep=25;branch=b;rport=7;received=192.0.2.1"),
        ("SIP/2.0/UDP h;keep=9;branch=b", "SIP/2.0/UDP h;keep=9;branch=b;received=192.0.2.1"),
        ("SIP/2.0/UDP h;keeper;branch=b", "SIP/2.0/UDP h;keeper;branch=b;received=192.0.2.1"),
        (
            "SIP/2.0/UDP h;branch=b,SIP/2.0/UDP i;keep",
            "SIP/2.0/UDP h;branch=b;received=192.0.2.1,SIP/2.0/UDP i;keep",
        ),
    ],
)
def test_who_offers_to_keep_the_way_open_is_told_how_often(value: str, stamped: str) -> None:
    assert stamp_via(value, "192.0.2.1", 7) == stamped
