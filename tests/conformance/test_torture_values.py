"""What an element reads out of the torture messages: RFC 4475 and RFC 5118, value by value."""

from __future__ import annotations

import pytest

from tests.conformance.torture import TORTURE, Vector, params
from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.credentials import parse_credentials
from trunkline.proto.sip.dialog import Dialog, contact_uri
from trunkline.proto.sip.grammar import split_list
from trunkline.proto.sip.message import Message, Request, Response, parse_message
from trunkline.proto.sip.name_addr import parse_addresses, parse_contacts, parse_name_addr
from trunkline.proto.sip.uri import parse_uri


def request(name: str) -> Request:
    message = parse_message(TORTURE[name].data)
    assert isinstance(message, Request)
    return message


def response(name: str) -> Response:
    message = parse_message(TORTURE[name].data)
    assert isinstance(message, Response)
    return message


def vias(message: Message) -> list[str]:
    return split_list(message.headers["Via"])


@pytest.mark.rfc(4475, "3.1.1.1")
def test_wsinv_is_read_through_all_its_white_space() -> None:
    invite = request("wsinv")
    assert (invite.method, invite.uri) == ("INVITE", "sip:vivekg@chair-dnrc.example.com;unknownparam")
    assert (invite.to_tag, invite.from_tag) == ("1918181833n", "98asjd8")
    assert invite.max_forwards == 68
    assert invite.cseq == (9, "INVITE")
    assert invite.headers["Subject"] == ""
    assert (invite.via.host, invite.via.branch) == ("192.0.2.2", "390skdjuw")
    assert len(vias(invite)) == 3
    (route,) = parse_addresses(invite.headers["Route"])
    assert route.uri == "sip:services.example.com;lr;unknownwith=value;unknown-no-value"
    assert contact_uri(invite.headers["Contact"]) == "sip:jdrosen@example.com"
    assert parse_name_addr(invite.headers["To"]).uri == "sip:vivekg@chair-dnrc.example.com"
    assert parse_name_addr(invite.headers["From"]).display == 'J Rosenberg \\"'
    assert len(invite.body) == 150


@pytest.mark.rfc(4475, "3.1.1.2")
def test_intmeth_keeps_its_method_display_name_and_nul() -> None:
    message = request("intmeth")
    assert message.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert message.cseq == (139122385, message.method)
    assert parse_name_addr(message.headers["To"]).display == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert parse_uri(message.uri).is_sip
    assert parse_name_addr(message.headers["From"]).address.is_sip


@pytest.mark.rfc(4475, "3.1.1.3")
def test_esc01_is_unescaped_once() -> None:
    invite = request("esc01")
    address = parse_uri(invite.uri)
    assert (address.user, address.host) == ("sips:user@example.com", "example.net")
    (contact,) = parse_contacts(invite.headers["Contact"])
    assert contact.address.params["name"] == "value%41"


@pytest.mark.rfc(4475, "3.1.1.4")
def test_escnull_is_never_cut_at_a_nul() -> None:
    register = request("escnull")
    assert parse_name_addr(register.headers["To"]).address.aor == "null-\x00-null@example.com"
    users = [contact.address.user for contact in parse_contacts(register.headers["Contact"])]
    assert users == ["\x00", "\x00\x00"]


@pytest.mark.rfc(4475, "3.1.1.5")
def test_esc02_leaves_percent_signs_where_they_are_no_escapes() -> None:
    message = request("esc02")
    assert message.method == "RE%47IST%45R"
    assert parse_name_addr(message.headers["To"]).display == "%Z%45"
    assert len(parse_contacts(message.headers["Contact"])) == 2
    assert "C%6fntact" in message.headers


@pytest.mark.rfc(4475, "3.1.1.6")
def test_lwsdisp_needs_no_space_before_its_bracket() -> None:
    assert parse_name_addr(request("lwsdisp").headers["From"]).display == "caller"


@pytest.mark.rfc(4475, "3.1.1.7")
def test_longreq_keeps_its_34_vias_and_long_values() -> None:
    invite = request("longreq")
    assert len(vias(invite)) == 34
    caller = parse_name_addr(invite.headers["From"]).address
    assert caller.user == "amazinglylongcallername" * 5
    assert invite.call_id.startswith("longreq.onereallyreally")
    assert invite.echo.count("Via: ") == 34


@pytest.mark.rfc(4475, "3.1.1.8")
def test_dblreq_ends_where_its_content_length_says() -> None:
    register = request("dblreq")
    assert (register.method, register.body) == ("REGISTER", b"")


@pytest.mark.rfc(4475, "3.1.1.9")
def test_semiuri_has_parameters_in_its_user() -> None:
    address = parse_uri(request("semiuri").uri)
    assert (address.user, address.host, dict(address.params)) == ("user;par=u@example.net", "example.com", {})


@pytest.mark.rfc(4475, "3.1.1.10")
def test_transports_may_be_unknown() -> None:
    assert [via.split()[0] for via in vias(request("transports"))] == [
        f"SIP/2.0/{transport}" for transport in ("UDP", "SCTP", "TLS", "UNKNOWN", "TCP")
    ]


@pytest.mark.rfc(4475, "3.1.1.11")
def test_mpart01_keeps_every_octet_of_its_body() -> None:
    message = request("mpart01")
    assert len(message.body) == int(message.headers["Content-Length"])
    assert b"\x00" in message.body
    assert message.body.rstrip().endswith(b"--")


@pytest.mark.rfc(4475, "3.1.1.12")
def test_unreason_keeps_a_reason_phrase_in_utf8() -> None:
    message = response("unreason")
    assert (message.status, message.reason[:4]) == (200, "= 2*")
    assert message.reason.encode() in TORTURE["unreason"].data


@pytest.mark.rfc(4475, "3.1.1.13")
def test_noreason_has_none() -> None:
    message = response("noreason")
    assert (message.status, message.reason) == (100, "")


@pytest.mark.rfc(4475, "3.1.2.13")
def test_regbadct_is_refused_by_whoever_reads_its_contact() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_contacts(request("regbadct").headers["Contact"])
    assert caught.value.status == 400


@pytest.mark.parametrize("vector", params("unkscm", "novelsc"))
def test_a_request_uri_of_another_scheme_is_known_to_be_none_of_ours(vector: Vector) -> None:
    assert not parse_uri(request(vector.name).uri).is_sip


@pytest.mark.rfc(4475, "3.3.4")
def test_unksm2_has_addresses_that_are_no_sip_uris() -> None:
    register = request("unksm2")
    addresses = [parse_name_addr(register.headers[name]).address for name in ("To", "From", "Contact")]
    assert [address.scheme for address in addresses] == ["isbn", "http", "name"]


@pytest.mark.rfc(4475, "3.3.5")
def test_bext01_names_what_it_requires() -> None:
    assert split_list(request("bext01").headers["Require"]) == [
        "nothingSupportsThis",
        "nothingSupportsThisEither",
    ]


@pytest.mark.rfc(4475, "3.3.6")
def test_invut_names_its_content_type() -> None:
    assert request("invut").headers["Content-Type"] == "application/unknownformat"


@pytest.mark.rfc(4475, "3.3.7")
def test_regaut01_has_credentials_of_no_scheme_of_ours() -> None:
    value = request("regaut01").headers["Authorization"]
    assert value.split()[0] == "NoOneKnowsThisScheme"
    assert parse_credentials(value) is None


@pytest.mark.rfc(4475, "3.3.11")
def test_zeromf_may_go_no_further() -> None:
    assert request("zeromf").max_forwards == 0


@pytest.mark.parametrize(
    ("name", "uri_params", "params"),
    [("cparam01", {}, {"unknownparam": None}), ("cparam02", {"unknownparam": None}, {})],
)
@pytest.mark.rfc(4475, "3.3.12")
def test_a_parameter_belongs_to_the_uri_only_inside_its_brackets(
    name: str, uri_params: dict[str, None], params: dict[str, None]
) -> None:
    (contact,) = parse_contacts(request(name).headers["Contact"])
    assert (dict(contact.address.params), contact.params) == (uri_params, params)


@pytest.mark.rfc(4475, "3.3.14")
def test_regescrt_keeps_the_headers_of_its_contact_in_the_contact() -> None:
    register = request("regescrt")
    (contact,) = parse_contacts(register.headers["Contact"])
    assert contact.address.headers == "Route=%3Csip:sip.example.com%3E"
    assert "Route" not in register.headers


@pytest.mark.rfc(4475, "3.3.15")
def test_sdp01_names_what_it_accepts() -> None:
    assert split_list(request("sdp01").headers["Accept"]) == ["text/nobodyKnowsThis"]


@pytest.mark.rfc(4475, "3.4.1")
def test_inv2543_makes_a_dialog_without_branch_from_tag_or_content_length() -> None:
    invite = request("inv2543")
    assert (invite.via.branch, invite.from_tag, invite.max_forwards) == ("", None, 70)
    assert invite.body.startswith(b"v=0\r\n")
    assert (
        parse_addresses(invite.headers["Record-Route"])[0].uri
        == "sip:UserB@example.com;maddr=ss1.example.com"
    )
    with pytest.raises(RemoteProtocolError, match="Contact"):
        Dialog.of_request(invite, "local", "flow")


@pytest.mark.parametrize(
    ("name", "host", "port"),
    [
        ("ipv6-good", "[2001:db8::10]", None),
        ("port-ambiguous", "[2001:db8::10:5070]", None),
        ("port-unambiguous", "[2001:db8::10]", 5070),
    ],
)
@pytest.mark.rfc(5118, "4.3")
def test_a_port_stands_behind_the_bracket(name: str, host: str, port: int | None) -> None:
    address = parse_uri(request(name).uri)
    assert (address.host, address.port) == (host, port)


@pytest.mark.parametrize("vector", params("via-received-param-with-delim", "via-received-param-no-delim"))
def test_received_is_an_ipv6_address_with_and_without_brackets(vector: Vector) -> None:
    via = request(vector.name).via
    assert via.host == "[2001:db8::9:1]"
    assert via.reply_address == ("2001:db8::9:255", 5060)


@pytest.mark.rfc(5118, "4.7")
def test_vias_of_both_families_stay_as_they_came() -> None:
    message = request("mult-ip-in-header")
    assert [via.split(";")[0].split()[1] for via in vias(message)] == [
        "[2001:db8::9:1]:6050",
        "192.0.2.1",
        "[2001:db8::9:255]",
    ]
    assert any("received=192.0.2.200" in via for via in vias(message))


@pytest.mark.rfc(5118, "4.9")
def test_an_ipv4_mapped_address_is_an_address() -> None:
    invite = request("ipv4-mapped-ipv6.framed")
    assert (invite.via.host, invite.via.port) == ("[::ffff:192.0.2.10]", 19823)
    assert parse_uri(contact_uri(invite.headers["Contact"])).host == "[::ffff:192.0.2.2]"


@pytest.mark.parametrize(
    "vector", params("ipv6-bug-abnf-3-colons.framed", "ipv6-correct-abnf-2-colons.framed")
)
def test_two_and_three_colons_are_taken(vector: Vector) -> None:
    assert parse_uri(request(vector.name).uri).is_sip
    assert request(vector.name).via.host
