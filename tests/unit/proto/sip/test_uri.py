"""URIs: parsing, escapes, equivalence."""

from __future__ import annotations

import pytest

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.escapes import escape_user, unescape
from trunkline.proto.sip.uri import SipUri, Target, bare_host, parse_uri
from trunkline.proto.sip.uri_equivalence import equivalent


def test_all_parts_of_a_sip_uri_are_read() -> None:
    uri = parse_uri("SIP:Alice:secret@Example.COM:5070;Transport=TCP;lr?Subject=hi&Priority=urgent")
    assert (uri.scheme, uri.user, uri.password, uri.host, uri.port) == (
        "sip",
        "Alice",
        "secret",
        "example.com",
        5070,
    )
    assert dict(uri.params) == {"transport": "TCP", "lr": None}
    assert uri.headers == "Subject=hi&Priority=urgent"
    assert str(uri) == "SIP:Alice:secret@Example.COM:5070;Transport=TCP;lr?Subject=hi&Priority=urgent"
    assert uri.aor == "Alice@example.com"


@pytest.mark.rfc("4475", "3.1.1")
@pytest.mark.parametrize(
    ("text", "user", "host", "port"),
    [
        ("sip:example.com", "", "example.com", None),
        ("sips:+1234@10.0.0.1:5061", "+1234", "10.0.0.1", 5061),
        ("sip:sips%3Auser%40example.com@example.net", "sips:user@example.com", "example.net", None),
        ("sip:%75se%72@example.com", "user", "example.com", None),
        ("sip:I%20have%20spaces@example.net", "I have spaces", "example.net", None),
        ("sip:null-%00-null@example.com", "null-\x00-null", "example.com", None),
        ("sip:user;par=u%40example.net@example.com", "user;par=u@example.net", "example.com", None),
        ("sip:[2001:db8::10]", "", "[2001:db8::10]", None),
        ("sip:[2001:DB8::10]:5070", "", "[2001:db8::10]", 5070),
        ("sip:[2001:db8::10:5070]", "", "[2001:db8::10:5070]", None),
        ("sip:user@[2001:db8:::192.0.2.1]", "user", "[2001:db8:::192.0.2.1]", None),
        ("sip:ted@[::ffff:192.0.2.2]", "ted", "[::ffff:192.0.2.2]", None),
        ("sip:J%C3%BCrgen@host_1.example", "Jürgen", "host_1.example", None),
        ("sip:#31#100@example.com", "#31#100", "example.com", None),
    ],
)
def test_unusual_but_valid_uris_are_read(text: str, user: str, host: str, port: int | None) -> None:
    uri = parse_uri(text)
    assert (uri.user, uri.host, uri.port) == (user, host, port)
    assert str(uri) == text


def test_the_widest_user_part_of_the_torture_tests_is_read() -> None:
    user = "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    password = "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    uri = parse_uri(f"sip:{user}:{password}@example.com")
    assert (uri.user, uri.password) == (user, password)


@pytest.mark.rfc("4475", "3.1.1.3")
def test_parameters_are_unescaped_once() -> None:
    uri = parse_uri("sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31")
    assert dict(uri.params) == {"lr": None, "name": "value%41"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com",
        "sip:",
        "sip:@example.com",
        "sip:a@",
        "sip:a b@example.com",
        "sip: a@example.com",
        "sip:2001:db8::10",
        "sip:user@2001:db8::10",
        "sip:[2001:db8::10",
        "sip:a@b@c",
        "sip:a@ex ample.com",
        "sip:a@exämple.com",
        "sip:a@example.com:65536",
        "sip:a@example.com:+1",
        "sip:a@example.com:",
        "sip:a@example.com;;",
        "sip:a@example.com;a=b c",
        "sip:50%@example.com",
        "sip:50%zz@example.com",
        "<sip:a@example.com>",
        "sip:a@example.com\r\nVia: x",
        'sip:"a"@example.com',
        "1sip:a@b",
        "tel:",
        "tel:+1 555",
        "urn:x y",
    ],
)
def test_malformed_uris_are_an_error(text: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_uri(text)
    assert caught.value.reason.isprintable()


def test_a_tel_uri_keeps_its_number_and_parameters() -> None:
    uri = parse_uri("tel:+1-201-555-0123;phone-context=example.com")
    assert (uri.scheme, uri.user, uri.host) == ("tel", "+1-201-555-0123", "")
    assert uri.params["phone-context"] == "example.com"
    assert not uri.is_sip


@pytest.mark.rfc("4475", "3.3.3")
@pytest.mark.parametrize(
    "text", ["soap.beep://192.0.2.103:3002", "isbn:2983792873", "name:John_Smith", "urn:service:sos"]
)
def test_other_schemes_are_kept_as_text(text: str) -> None:
    uri = parse_uri(text)
    assert uri.scheme == text.partition(":")[0]
    assert uri.opaque == text.partition(":")[2]
    assert str(uri) == text


def test_a_parsed_uri_is_shared_and_its_parameters_cannot_change() -> None:
    uri = parse_uri("sip:a@example.com;lr")
    assert parse_uri("sip:a@example.com;lr") is uri
    with pytest.raises(TypeError):
        uri.params["lr"] = "x"  # type: ignore[index]


def test_a_new_uri_is_escaped_and_can_be_parsed_again() -> None:
    uri = SipUri.sip("a b@c:ü\r\n", "2001:db8::1", 5060, {"transport": "tcp", "x": None})
    assert str(uri) == "sip:a%20b%40c%3A%C3%BC%0D%0A@[2001:db8::1]:5060;transport=tcp;x"
    again = parse_uri(str(uri))
    assert again.user == "a b@c:ü\r\n"
    assert equivalent(uri, again)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("sip:a@example.com", Target("example.com", None, "udp")),
        ("sip:a@example.com:5070;transport=TCP", Target("example.com", 5070, "tcp")),
        ("sip:a@example.com;maddr=192.0.2.1", Target("192.0.2.1", None, "udp")),
        ("sip:a@[2001:db8::1]", Target("2001:db8::1", None, "udp")),
        ("sips:a@example.com;transport=tcp", Target("example.com", None, "tls")),
        ("sips:a@example.com;transport=ws", Target("example.com", None, "wss")),
    ],
)
def test_the_target_of_a_uri_is_host_port_and_transport(text: str, target: Target) -> None:
    assert parse_uri(text).target == target


def test_brackets_are_taken_off_an_ipv6_reference_only() -> None:
    assert bare_host("[::1]") == "::1"
    assert bare_host("example.com") == "example.com"


EQUAL = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    ("tel:+1-201-555-0123", "tel:+12015550123"),
    ("urn:service:sos", "URN:service:sos"),
    ("sip:a%3Bb@c.d", "sip:a%3bb@c.d"),
]
DIFFERENT = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("sip:a@b.c", "sips:a@b.c"),
    ("sip:a@b.c", "sip:b.c"),
    ("sip:a%3Bb@c.d", "sip:a;b@c.d"),
    ("sip:%00@c.d", "sip:%00%00@c.d"),
    ("tel:+12015550123", "tel:+12015550123;ext=5"),
]


@pytest.mark.rfc("3261", "19.1.4")
@pytest.mark.parametrize(("a", "b"), EQUAL)
def test_equivalent_uris_are_equivalent_both_ways(a: str, b: str) -> None:
    assert equivalent(parse_uri(a), parse_uri(b))
    assert equivalent(parse_uri(b), parse_uri(a))


@pytest.mark.rfc("3261", "19.1.4")
@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_different_uris_are_different_both_ways(a: str, b: str) -> None:
    assert not equivalent(parse_uri(a), parse_uri(b))
    assert not equivalent(parse_uri(b), parse_uri(a))


def test_bytes_that_are_no_utf8_survive_escaping() -> None:
    assert unescape("%FF%41") == "\udcffA"
    assert escape_user("\udcffA") == "%FFA"
