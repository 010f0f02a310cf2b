"""RFC 3263: records in, ordered hops out."""

from __future__ import annotations

import pytest

from tests.unit.net.dns.zone import ALL, ONLY_UDP, V4, V6, Zone, naptr, srv
from trunkline.base.errors import RemoteProtocolError
from trunkline.net.dns.records import Hop, Naptr, NotLocated
from trunkline.net.dns.selection import MAX_HOPS, Ours

ONE, TWO, SIX = "192.0.2.1", "192.0.2.2", "2001:db8::1"
NO_UDP: Ours = {"TCP": frozenset({V4}), "TLS": frozenset({V4})}


# A host that is an address


@pytest.mark.rfc("3263", "4.1")
@pytest.mark.parametrize(
    ("uri", "hop"),
    [
        (f"sip:bob@{ONE}", "udp 192.0.2.1:5060"),
        (f"sip:bob@{ONE}:5070", "udp 192.0.2.1:5070"),
        (f"sip:bob@{ONE};transport=tcp", "tcp 192.0.2.1:5060"),
        (f"sip:bob@{ONE};transport=TLS", "tls 192.0.2.1:5061"),
        (f"sips:bob@{ONE}", "tls 192.0.2.1:5061"),
        (f"sips:bob@{ONE}:5091;transport=tcp", "tls 192.0.2.1:5091"),
        (f"sip:bob@[{SIX}]", f"udp [{SIX}]:5060"),
        (f"sip:bob@a.test;maddr={TWO}", "udp 192.0.2.2:5060"),
    ],
)
def test_an_address_needs_no_name_server(uri: str, hop: str) -> None:
    zone = Zone({})
    assert zone.trial(uri) == [hop]
    assert zone.rounds == []


def test_an_address_goes_by_a_transport_that_has_its_family() -> None:
    ours: Ours = {"UDP": frozenset({V4}), "TCP": frozenset({V6})}
    assert Zone({}).trial(f"sip:[{SIX}]", ours) == [f"tcp [{SIX}]:5060"]


def test_the_hop_names_the_domain_that_the_certificate_must_have() -> None:
    zone = Zone({"_sips._tcp.a.test": [srv("edge.b.test", 5061)], "edge.b.test": [ONE]})
    assert zone.hops("sips:a.test") == [Hop("TLS", ONE, 5061, "a.test")]


# A name with a port


@pytest.mark.rfc("3263", "4.1")
@pytest.mark.rfc("3263", "4.2")
@pytest.mark.parametrize(
    ("uri", "hop"),
    [
        ("sip:a.test:5070", "udp 192.0.2.1:5070"),
        ("sip:a.test:5070;transport=tcp", "tcp 192.0.2.1:5070"),
        ("sips:a.test:5071", "tls 192.0.2.1:5071"),
    ],
)
def test_with_a_port_only_addresses_are_asked_for(uri: str, hop: str) -> None:
    zone = Zone(
        {
            "a.test": [ONE, naptr("SIP+D2T", "_sip._tcp.a.test")],
            "_sip._udp.a.test": [srv("b.test")],
            "b.test": [TWO],
        }
    )
    assert zone.trial(uri) == [hop]
    assert zone.rounds == [["a.test A", "a.test AAAA"]]


# A transport without a port


@pytest.mark.rfc("3263", "4.2")
def test_a_named_transport_asks_for_its_srv_records_alone() -> None:
    zone = Zone(
        {
            "a.test": [ONE, naptr("SIP+D2U", "_sip._udp.a.test")],
            "_sip._tcp.a.test": [srv("b.test", 5080)],
            "b.test": [TWO],
        }
    )
    assert zone.trial("sip:a.test;transport=tcp") == ["tcp 192.0.2.2:5080"]
    assert zone.rounds == [["_sip._tcp.a.test SRV", "a.test A", "a.test AAAA"], ["b.test A", "b.test AAAA"]]


@pytest.mark.rfc("3263", "4.2")
@pytest.mark.parametrize(
    ("uri", "hop"),
    [
        ("sip:a.test;transport=tcp", "tcp 192.0.2.1:5060"),
        ("sip:a.test;transport=tls", "tls 192.0.2.1:5061"),
        ("sips:a.test;transport=tcp", "tls 192.0.2.1:5061"),
    ],
)
def test_without_srv_records_the_name_itself_is_asked_at_the_default_port(uri: str, hop: str) -> None:
    assert Zone({"a.test": [ONE]}).trial(uri) == [hop]


# NAPTR


@pytest.mark.rule("T-31")
@pytest.mark.rfc("3263", "4.1")
def test_naptr_picks_the_transport_and_srv_the_servers() -> None:
    zone = Zone(
        {
            "a.test": [
                naptr("SIP+D2T", "_sip._tcp.a.test", order=50),
                naptr("SIP+D2U", "_sip._udp.a.test", order=90),
                ONE,
            ],
            "_sip._tcp.a.test": [srv("b.test", 5080)],
            "_sip._udp.a.test": [srv("b.test", 5090)],
            "b.test": [TWO],
        }
    )
    assert zone.trial("sip:a.test") == ["tcp 192.0.2.2:5080"]


@pytest.mark.rfc("3403", "4.1")
def test_preference_orders_the_rules_of_the_lowest_order_that_fits() -> None:
    zone = Zone(
        {
            "a.test": [
                naptr("SIP+D2S", "_sip._sctp.a.test", order=1),
                naptr("SIP+D2T", "_sip._tcp.a.test", order=2, preference=20),
                naptr("SIP+D2U", "_sip._udp.a.test", order=2, preference=10),
                naptr("SIPS+D2T", "_sips._tcp.a.test", order=3),
            ],
            "_sip._tcp.a.test": [srv("b.test")],
            "_sip._udp.a.test": [srv("b.test")],
            "_sips._tcp.a.test": [srv("b.test", 5061)],
            "b.test": [ONE],
        }
    )
    assert zone.trial("sip:a.test") == ["udp 192.0.2.1:5060", "tcp 192.0.2.1:5060"]


@pytest.mark.rfc("3263", "4.1")
def test_sips_follows_no_rule_but_those_for_sips() -> None:
    zone = Zone(
        {
            "a.test": [
                naptr("SIP+D2U", "_sip._udp.a.test", order=1),
                naptr("SIP+D2T", "_sip._tcp.a.test", order=2),
                naptr("sips+d2t", "_sips._tcp.b.test", order=3),
            ],
            "_sip._udp.a.test": [srv("c.test")],
            "_sips._tcp.b.test": [srv("c.test", 5071)],
            "c.test": [ONE],
        }
    )
    assert zone.trial("sips:a.test") == ["tls 192.0.2.1:5071"]


@pytest.mark.rfc("3263", "4.1")
def test_a_sip_uri_follows_a_rule_for_sips_when_there_is_tls() -> None:
    zone = Zone(
        {
            "a.test": [
                naptr("SIPS+D2T", "_sips._tcp.a.test", order=1),
                naptr("SIP+D2U", "_sip._udp.a.test", 2),
            ],
            "_sips._tcp.a.test": [srv("b.test", 5061)],
            "_sip._udp.a.test": [srv("b.test")],
            "b.test": [ONE],
        }
    )
    assert zone.trial("sip:a.test") == ["tls 192.0.2.1:5061"]
    assert zone.trial("sip:a.test", ONLY_UDP) == ["udp 192.0.2.1:5060"]


@pytest.mark.rfc("7118", "6")
def test_rules_for_browsers_and_for_other_protocols_are_passed_over() -> None:
    zone = Zone(
        {
            "a.test": [
                naptr("SIP+D2W", "_sip._ws.a.test", order=1),
                naptr("SIPS+D2W", "_sips._ws.a.test", order=1),
                naptr("E2U+sip", "_e2u.a.test", order=1),
                Naptr(1, 1, "u", "SIP+D2U", "", "!^.*$!sip:x@b.test!"),
                Naptr(1, 1, "s", "SIP+D2U", "_sip._udp.a.test", "!a!b!"),
                naptr("SIP+D2U", "", order=1),
            ],
            "_sip._udp.a.test": [srv("b.test")],
            "b.test": [ONE],
        }
    )
    # As if there were no NAPTR at all: the SRV records of each transport.
    assert zone.trial("sip:a.test") == ["udp 192.0.2.1:5060"]


@pytest.mark.rfc("3403", "4.1")
def test_a_rule_may_lead_to_addresses_at_once() -> None:
    zone = Zone({"a.test": [naptr("SIP+D2T", "b.test", flags="A")], "b.test": [ONE]})
    assert zone.trial("sip:a.test") == ["tcp 192.0.2.1:5060"]


@pytest.mark.rfc("3263", "4.2")
def test_a_rule_without_srv_records_behind_it_falls_back_to_the_domain_itself() -> None:
    zone = Zone({"a.test": [naptr("SIP+D2T", "_sip._tcp.b.test"), ONE]})
    assert zone.trial("sip:a.test") == ["tcp 192.0.2.1:5060"]


# SRV without NAPTR


@pytest.mark.rule("T-31")
@pytest.mark.rfc("3263", "4.1")
def test_without_naptr_each_transport_is_asked_for_in_one_round() -> None:
    zone = Zone(
        {
            "_sip._udp.a.test": [srv("b.test", 5080)],
            "_sip._tcp.a.test": [srv("b.test", 5090)],
            "b.test": [ONE],
            "a.test": [TWO],
        }
    )
    assert zone.trial("sip:a.test") == ["udp 192.0.2.1:5080", "tcp 192.0.2.1:5090"]
    assert zone.rounds == [
        [
            "_sip._udp.a.test SRV",
            "_sip._tcp.a.test SRV",
            "_sips._tcp.a.test SRV",
            "a.test NAPTR",
            "a.test A",
            "a.test AAAA",
        ],
        ["b.test A", "b.test AAAA"],
    ]


def test_only_what_we_can_send_by_is_asked_for() -> None:
    zone = Zone({"_sip._tcp.a.test": [srv("a.test")], "a.test": [ONE, SIX]})
    assert zone.trial("sip:a.test", ONLY_UDP) == ["udp 192.0.2.1:5060"]
    assert zone.rounds == [["_sip._udp.a.test SRV", "a.test NAPTR", "a.test A"]]


@pytest.mark.rfc("3263", "4.1")
def test_without_any_record_but_addresses_sip_is_udp_and_sips_is_tls() -> None:
    zone = Zone({"a.test": [ONE]})
    assert zone.trial("sip:a.test") == ["udp 192.0.2.1:5060"]
    assert zone.trial("sips:a.test") == ["tls 192.0.2.1:5061"]
    assert zone.trial("sip:a.test", NO_UDP) == ["tcp 192.0.2.1:5060"]


@pytest.mark.rfc("2782", "Target")
def test_a_lone_dot_says_that_there_is_no_service() -> None:
    zone = Zone({"_sip._udp.a.test": [srv("", 0)], "a.test": [ONE]})
    for uri in ("sip:a.test", "sip:a.test;transport=udp"):
        with pytest.raises(NotLocated, match=r"a\.test says in its SRV records that it has no SIP service"):
            zone.hops(uri)
    assert zone.trial("sip:a.test;transport=tcp") == ["tcp 192.0.2.1:5060"]


@pytest.mark.rfc("2782", "Target")
def test_a_transport_that_is_denied_leaves_the_others() -> None:
    zone = Zone({"_sip._udp.a.test": [srv("", 0)], "_sip._tcp.a.test": [srv("a.test")], "a.test": [ONE]})
    assert zone.trial("sip:a.test") == ["tcp 192.0.2.1:5060"]


@pytest.mark.rfc("2782", "Target")
def test_naptr_to_a_lone_dot_is_no_service_either() -> None:
    zone = Zone({"a.test": [ONE, naptr("SIP+D2U", "_sip._udp.a.test")], "_sip._udp.a.test": [srv("", 0)]})
    with pytest.raises(NotLocated, match="no SIP service"):
        zone.hops("sip:a.test")


def test_a_target_that_is_an_address_is_taken_at_its_word() -> None:
    zone = Zone({"_sip._udp.a.test": [srv("192.0.2.9", 5070)]})
    assert zone.trial("sip:a.test") == ["udp 192.0.2.9:5070"]


def test_priorities_come_in_order_each_with_all_its_addresses() -> None:
    zone = Zone(
        {
            "_sip._udp.a.test": [srv("c.test", priority=20), srv("b.test", priority=10)],
            "b.test": [ONE, SIX],
            "c.test": [TWO],
        }
    )
    assert zone.trial("sip:a.test") == [f"udp [{SIX}]:5060", "udp 192.0.2.1:5060", "udp 192.0.2.2:5060"]


# Addresses


def test_addresses_without_a_listener_of_their_family_are_left_out() -> None:
    ours: Ours = {"UDP": frozenset({V4})}
    assert Zone({"a.test": [SIX, ONE]}).trial("sip:a.test:5060", ours) == ["udp 192.0.2.1:5060"]
    with pytest.raises(NotLocated, match=r"a\.test has no address that a UDP listener of ours can reach"):
        Zone({"a.test": [SIX]}).hops("sip:a.test:5060", ours)


@pytest.mark.rfc("6724", "6")
def test_an_address_without_a_route_comes_last() -> None:
    zone = Zone({"a.test": [SIX, ONE]})
    hops = zone.hops("sip:a.test:5060", source_of=lambda address: None if ":" in address else "192.0.2.99")
    assert [hop.address for hop in hops] == [ONE, SIX]


def test_one_place_is_tried_once_and_not_more_than_some() -> None:
    many = [f"192.0.2.{number}" for number in range(1, 60)]
    zone = Zone({"_sip._udp.a.test": [srv("b.test"), srv("b.test")], "b.test": many})
    hops = zone.hops("sip:a.test")
    assert len(hops) == len(set(hops)) == MAX_HOPS


def test_routes_are_asked_for_only_as_long_as_places_are_wanted() -> None:
    """Each costs a socket, and a hostile zone could name two thousand addresses for one call."""
    servers = [f"s{number}.a.test" for number in range(32)]
    zone = Zone(
        {"_sip._udp.a.test": [srv(name) for name in servers]}
        | {name: [f"198.51.{at}.{host}" for host in range(64)] for at, name in enumerate(servers)}
    )
    asked: list[str] = []

    def source_of(address: str) -> str:
        asked.append(address)
        return address

    hops = zone.hops("sip:a.test", source_of=source_of)
    assert len(hops) == MAX_HOPS
    assert len(asked) == 64


# What cannot be


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("sip:a.test;transport=sctp", "is reached by SCTP, and the transports to send by are: UDP, TCP, TLS"),
        ("sip:a.test;transport=ws", "is reached by WS"),
        ("sips:a.test;transport=udp", "sips: over UDP cannot be, expected TLS"),
        ("sip:a.test:0", "port 0"),
        ("tel:+15550100", "tel: is no scheme"),
        ("sip:a..test", "is no host name"),
        (f"sip:{'a' * 64}.test", "is no host name"),
        (f"sip:{'a.' * 126}test", "is no host name"),
        ("sip:a.test", r"a\.test has no address"),
    ],
)
def test_the_error_says_why_nothing_was_found(uri: str, why: str) -> None:
    with pytest.raises(NotLocated, match=why):
        Zone({}).hops(uri)


def test_without_tls_sips_is_refused() -> None:
    with pytest.raises(NotLocated, match="is reached by TLS, and the transports to send by are: UDP"):
        Zone({"a.test": [ONE]}).hops("sips:a.test", ONLY_UDP)


def test_a_name_server_that_fails_is_named_as_the_cause() -> None:
    with pytest.raises(NotLocated, match=r"a\.test cannot be looked up: a\.test A: no name server answers"):
        Zone({}, failing=["a.test"]).hops("sip:a.test")


def test_name_servers_that_choke_on_naptr_and_srv_do_not_hide_the_addresses() -> None:
    zone = Zone({"a.test": [ONE]}, failing=["a.test NAPTR", "_sip._udp.a.test", "_sip._tcp.a.test"])
    assert zone.trial("sip:a.test") == ["udp 192.0.2.1:5060"]


def test_a_malformed_uri_is_the_peers_fault() -> None:
    with pytest.raises(RemoteProtocolError):
        Zone({}).hops("sip:a.test:99999", ALL)
