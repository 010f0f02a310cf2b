"""Addresses in From, To, Contact and Route."""

from __future__ import annotations

import pytest

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.name_addr import NameAddr, parse_addresses, parse_contacts, parse_name_addr, tag_of
from trunkline.proto.sip.numbers import UINT32_MAX


@pytest.mark.parametrize(
    ("value", "display", "uri", "params"),
    [
        ("<sip:a@b>", "", "sip:a@b", {}),
        ("sip:a@b", "", "sip:a@b", {}),
        ("sip:a@b;tag=1", "", "sip:a@b", {"tag": "1"}),
        ("<sip:a@b;x=1>;tag=2", "", "sip:a@b;x=1", {"tag": "2"}),
        ('"Alice" <sip:a@b>;tag=1', "Alice", "sip:a@b", {"tag": "1"}),
        ("Alice Example <sip:a@b>", "Alice Example", "sip:a@b", {}),
        ("caller<sip:caller@example.com>;tag=323", "caller", "sip:caller@example.com", {"tag": "323"}),
        (
            '"J Rosenberg \\\\\\""       <sip:jdrosen@example.com> ; tag = 98asjd8',
            'J Rosenberg \\"',
            "sip:jdrosen@example.com",
            {"tag": "98asjd8"},
        ),
        ('"Bell, Alexander <x@y>" <sip:a@b>', "Bell, Alexander <x@y>", "sip:a@b", {}),
        ('"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:a@b>', "BEL:\x07 NUL:\x00 DEL:\x7f", "sip:a@b", {}),
        ("Jürgen Größe <sip:a@b>", "Jürgen Größe", "sip:a@b", {}),
        ('"%Z%45" <sip:resource@example.com>', "%Z%45", "sip:resource@example.com", {}),
        (
            'token1~` token2\'+_ token3*%!.- <sip:m@example.com>;x="日本"',
            "token1~` token2'+_ token3*%!.-",
            "sip:m@example.com",
            {"x": "日本"},
        ),
        ('""<sip:a@b>', "", "sip:a@b", {}),
        ("<http://www.example.com>;tag=3234233", "", "http://www.example.com", {"tag": "3234233"}),
        (
            "sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n",
            "",
            "sip:vivekg@chair-dnrc.example.com",
            {"tag": "1918181833n"},
        ),
        ("sip:+1@gw1.example.net;unknownparam", "", "sip:+1@gw1.example.net", {"unknownparam": None}),
        (
            "<sip:user@example.com?Route=%3Csip:sip.example.com%3E>",
            "",
            "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
            {},
        ),
    ],
)
@pytest.mark.rule("T-40")
def test_an_address_is_display_name_uri_and_parameters(
    value: str, display: str, uri: str, params: dict[str, str | None]
) -> None:
    address = parse_name_addr(value)
    assert (address.display, address.uri, address.params) == (display, uri, params)
    assert str(address) == value
    assert address.tag == params.get("tag")
    assert tag_of(value) == params.get("tag")


MALFORMED = [
    "",
    "<sip:a@b",
    "sip:a@b>",
    '"Mr. J. User <sip:j.user@example.com>',
    "Bell, Alexander <sip:a@b>;tag=43",
    '"Watson, Thomas" < sip:t.watson@example.org >',
    "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
    "<a@b>",
    "<sip:a@b> <sip:c@d>",
    "<sip:a@b>x",
    "<sip:a@b>;;;;",
    '"a" "b" <sip:a@b>',
    "<sip:a@b>;tag=",
    "<sip:a@b>;tag",
    "<sip:a@b\r\nVia: x>",
    "*",
]


@pytest.mark.rfc("4475", "3.1.2")
@pytest.mark.parametrize("value", MALFORMED)
def test_a_malformed_address_has_no_tag_but_an_error(value: str) -> None:
    with pytest.raises(RemoteProtocolError):
        tag_of(value)


@pytest.mark.parametrize("value", [each for each in MALFORMED if "tag" not in each])
def test_a_malformed_address_is_an_error(value: str) -> None:
    with pytest.raises(RemoteProtocolError, match="malformed"):
        parse_name_addr(value)


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("<sip:a@b>", None),
        ("<sip:a@b;tag=uri>", None),
        ("<sip:a@b;tag=uri>;tag=header", "header"),
        ('"x>;tag=evil" <sip:a@b>;tag=good', "good"),
        ('"x\\">;tag=evil" <sip:a@b>', None),
        ('<sip:a@b>;x=">;tag=evil";tag=good', "good"),
        ('<sip:a@b>;x=";tag=evil"', None),
        ("<sip:a@b>;TAG=Big", "Big"),
        ("<sip:a@b>;tag=1;tag=2", "1"),
        ("<sip:a@b>;tag=a/b=@c", "a/b=@c"),
        ('<sip:a@b>;tag="quoted"', "quoted"),
        ("sip:a@b;tag=x;y=z", "x"),
    ],
)
@pytest.mark.rule("T-40")
def test_no_quoting_smuggles_a_tag(value: str, tag: str | None) -> None:
    assert tag_of(value) == tag
    assert parse_name_addr(value).tag == tag


def test_contacts_of_several_headers_are_read_in_order() -> None:
    value = '"Bell, A" <sip:a@b;transport=tcp>;expires=60;q=0.5, sip:c@d;q=1\n<sip:e@f>'
    contacts = parse_contacts(value)
    assert [contact.uri for contact in contacts] == ["sip:a@b;transport=tcp", "sip:c@d", "sip:e@f"]
    assert [contact.q for contact in contacts] == [500, 1000, 1000]
    assert [contact.expires for contact in contacts] == [60, None, None]
    assert contacts[0].address.params["transport"] == "tcp"


@pytest.mark.rfc("3261", "10.2.2")
def test_a_star_may_only_stand_alone() -> None:
    assert [contact.is_wildcard for contact in parse_contacts(" * ")] == [True]
    assert not parse_contacts("<sip:a@b>")[0].is_wildcard
    for value in ("*, <sip:a@b>", "<sip:a@b>\n*", "*;expires=0"):
        with pytest.raises(RemoteProtocolError):
            parse_contacts(value)


@pytest.mark.rfc("3261", "20.10")
def test_expires_of_a_contact_is_bounded_and_3600_when_malformed() -> None:
    assert parse_name_addr("<sip:a@b>;expires=280297596632815").expires == UINT32_MAX
    assert parse_name_addr("<sip:a@b>;expires=soon").expires == 3600
    assert parse_name_addr("<sip:a@b>;expires").expires == 3600


def test_a_malformed_q_is_an_error() -> None:
    with pytest.raises(RemoteProtocolError, match="q is not"):
        _ = parse_name_addr("<sip:a@b>;q=7").q


def test_a_route_list_is_read_in_order() -> None:
    routes = parse_addresses("<sip:p1.example.com;lr>,<sip:p2.example.com;lr>\n<sip:p3.example.com>")
    assert [route.uri for route in routes] == [
        "sip:p1.example.com;lr",
        "sip:p2.example.com;lr",
        "sip:p3.example.com",
    ]


def test_a_new_address_is_written_so_that_it_reads_back() -> None:
    address = NameAddr('Say "hi", \\ all', "sip:a@b", {"tag": "1", "+sip.instance": "<urn:x>"})
    again = parse_name_addr(str(address))
    assert (again.display, again.uri, again.params) == (address.display, address.uri, address.params)
