"""Dialogs: RFC 3261 §12."""

from __future__ import annotations

import json

import pytest

from tests.unit.proto.sip.samples import request, response
from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.dialog import MAX_ROUTES, Dialog, contact_uri, dialog_key, first_hop, strict_route
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Request, check_request, parse_message

VIA = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx;rport"
TWO_ROUTES = "<sip:p1.example.com;lr>, <sip:p2.example.com;lr>\n<sip:p3.example.com;lr>"
ROUTES = ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>", "<sip:p3.example.com;lr>"]


def uas(**changed: str | None) -> Dialog:
    return Dialog.of_request(request("INVITE", **changed), "local", "flow-1")


def uac(status: int = 200, **changed: str | None) -> Dialog:
    answer = response(status, "INVITE", **{"Contact": "<sip:200@192.0.2.9>", **changed})
    return Dialog.of_response(invite(), answer, "f1", "flow-1")


def invite() -> Draft:
    return Draft(
        "INVITE", "sip:200@example.com", "<sip:100@example.com>;tag=f1", "<sip:200@example.com>", "c1", 7
    )


def sent(draft: Draft) -> Request:
    message = parse_message(draft.render(VIA))
    assert isinstance(message, Request)
    check_request(message)
    return message


def in_dialog(method: str, cseq: int, contact: str | None = "<sip:moved@192.0.2.99>") -> Request:
    return request(method, CSeq=f"{cseq} {method}", Contact=contact)


@pytest.mark.rfc(3261, "12.1.1")
def test_the_uas_takes_route_set_in_order_target_tags_and_remote_number() -> None:
    dialog = uas(Record_Route=TWO_ROUTES, CSeq="42 INVITE")
    assert dialog.route == "".join(f"Route: {route}\r\n" for route in ROUTES)
    assert dialog.target == "sip:100@192.0.2.7:5062"
    assert (dialog.local_tag, dialog.remote_tag) == ("local", "f1")
    assert (dialog.local_seq, dialog.remote_seq) == (0, 42)
    assert dialog.early
    bye = sent(dialog.request("BYE"))
    assert bye.values("Route") == ROUTES
    assert (bye.method, bye.uri, bye.cseq) == ("BYE", "sip:100@192.0.2.7:5062", (1, "BYE"))
    assert (bye.from_tag, bye.to_tag) == ("local", "f1")
    assert bye.headers["To"] == '"Ann" <sip:100@example.com>;tag=f1'


@pytest.mark.rfc(3261, "12.1.2")
def test_the_uac_reverses_the_route_set_and_counts_on_from_its_invite() -> None:
    dialog = uac(Record_Route=TWO_ROUTES)
    bye = sent(dialog.request("BYE"))
    assert bye.values("Route") == ROUTES[::-1]
    assert (bye.uri, bye.cseq) == ("sip:200@192.0.2.9", (8, "BYE"))
    assert (bye.from_tag, bye.to_tag) == ("f1", "t1")
    assert (dialog.remote_seq, dialog.early) == (None, False)


@pytest.mark.rfc(3261, "12.1.2")
def test_a_provisional_makes_an_early_dialog_and_may_leave_the_first_target() -> None:
    dialog = uac(180, Contact=None)
    assert dialog.early
    assert dialog.target == "sip:200@example.com"


@pytest.mark.rfc(3261, "12.1.1")
@pytest.mark.parametrize(
    "contact", [None, "", "*", "<sip:a b>", "nonsense", '"unclosed <sip:a@b>', ",", "<>", "<:x>"]
)
def test_a_request_without_usable_contact_makes_no_dialog(contact: str | None) -> None:
    with pytest.raises(RemoteProtocolError):
        uas(Contact=contact)


@pytest.mark.parametrize(
    ("contact", "uri"),
    [
        ("<sip:a@b>", "sip:a@b"),
        ("<sip:a@b;transport=tcp>;q=0.5", "sip:a@b;transport=tcp"),
        ('"A, <B>" <sip:a@b>;x="<,>"', "sip:a@b"),
        ("sip:a@b;expires=5", "sip:a@b"),
        ("<sip:a@b>, <sip:c@d>", "sip:a@b"),
        ("<sip:a@b>\n<sip:c@d>", "sip:a@b"),
        ("<sip:a@[2001:db8::1]:5070>", "sip:a@[2001:db8::1]:5070"),
    ],
)
def test_the_target_is_the_uri_of_the_first_contact(contact: str, uri: str) -> None:
    assert contact_uri(contact) == uri


@pytest.mark.parametrize(
    "contact",
    ["<sip:a@b\nc>", "<sip:a@b\nX:\t1>", "<sip:a@b\tSIP/2.0>", "<sip:a@b\x00>", "<sip:a@b\x7f>", "<sip:a@b"],
)
def test_no_target_can_break_out_of_its_request_line(contact: str) -> None:
    with pytest.raises(RemoteProtocolError):
        contact_uri(contact)


@pytest.mark.rule("T-15")
@pytest.mark.parametrize(
    "route",
    ["nonsense", "<sip:a b>", "<p1.example.com>", '"x <sip:a>', "<sip:a@b@c:999999>", "<sip:a>\n<sip:b"],
)
def test_a_malformed_record_route_is_refused_while_the_peer_can_be_told(route: str) -> None:
    with pytest.raises(RemoteProtocolError):
        uas(Record_Route=route)
    with pytest.raises(RemoteProtocolError):
        uac(Record_Route=route)


def test_a_route_set_is_bounded() -> None:
    routes = ", ".join(["<sip:p;lr>"] * MAX_ROUTES)
    assert len(sent(uas(Record_Route=routes).request("BYE")).values("Route")) == MAX_ROUTES
    with pytest.raises(RemoteProtocolError, match="33 Record-Route"):
        uas(Record_Route=f"{routes}, <sip:p;lr>")


@pytest.mark.rfc(3261, "12.2.1.1")
@pytest.mark.rule("T-15")
@pytest.mark.parametrize(
    "strict", ["<sip:strict.example.com>", "<sip:a;lr@strict.example.com>", "<sip:s;lrx=1?a=b>"]
)
def test_a_strict_router_gets_itself_as_request_uri_and_the_target_as_last_route(strict: str) -> None:
    dialog = uas(Record_Route=f"{strict}, <sip:p2;lr>")
    bye = sent(dialog.request("BYE"))
    assert bye.uri == strict[1:-1].partition("?")[0]
    assert bye.values("Route") == ["<sip:p2;lr>", "<sip:100@192.0.2.7:5062>"]


@pytest.mark.rfc(3261, "12.2.1.1")
@pytest.mark.parametrize(
    "loose", ["<sip:p;lr>", "<sip:p;LR>", "<sip:p;x=1;lr=on>", '"Name" <sip:p;lr;r2=on>']
)
def test_a_loose_router_leaves_the_target_in_the_request_uri(loose: str) -> None:
    bye = sent(uas(Record_Route=loose).request("BYE"))
    assert bye.uri == "sip:100@192.0.2.7:5062"
    assert bye.values("Route") == [loose]


@pytest.mark.rfc(3261, "8.1.2")
def test_a_request_is_sent_to_its_first_route_or_its_target() -> None:
    assert first_hop("sip:t", "") == "sip:t"
    assert first_hop("sip:t", "Route: <sip:p1;lr>\r\nRoute: <sip:p2>\r\n") == "sip:p1;lr"
    assert strict_route("sip:t", "Route: <sip:p1>\r\n") == ("sip:p1", "Route: <sip:t>\r\n")


@pytest.mark.rfc(3261, "12.2.1.1")
def test_each_request_counts_up_and_an_ack_keeps_the_number_of_its_invite() -> None:
    dialog = uac()
    assert [sent(dialog.request(method)).cseq[0] for method in ("INFO", "INVITE")] == [8, 9]
    assert sent(dialog.request("ACK", cseq=9)).cseq == (9, "ACK")
    assert sent(dialog.request("BYE")).cseq == (10, "BYE")


def test_a_request_takes_what_a_draft_takes() -> None:
    info = sent(
        uac().request(
            "INFO", body=b"x", content_type="text/plain", extra="Subject: y\r\n", contact="<sip:me>"
        )
    )
    assert (info.body, info.headers["Content-Type"], info.headers["Subject"], info.headers["Contact"]) == (
        b"x",
        "text/plain",
        "y",
        "<sip:me>",
    )


@pytest.mark.rfc(3261, "12.2.2")
def test_a_number_below_one_seen_is_answered_500() -> None:
    dialog = uas(CSeq="42 INVITE")
    dialog.accept(in_dialog("INFO", 50))
    with pytest.raises(RemoteProtocolError) as caught:
        dialog.accept(in_dialog("INFO", 49))
    assert caught.value.status == 500
    assert dialog.remote_seq == 50


@pytest.mark.rfc(3261, "12.2.2")
def test_numbers_may_be_left_out_and_the_same_one_may_come_again() -> None:
    dialog = uas(CSeq="42 INVITE")
    for number in (43, 50, 50, 2**32 - 1):
        dialog.accept(in_dialog("INFO", number))
        assert dialog.remote_seq == number


@pytest.mark.rfc(3261, "12.2.2")
def test_the_first_request_of_the_peer_may_have_any_number() -> None:
    dialog = uac()
    dialog.accept(in_dialog("BYE", 0))
    assert dialog.remote_seq == 0


@pytest.mark.rfc(3261, "12.2.2")
@pytest.mark.rule("T-15")
@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY", "REFER"])
def test_a_target_refresh_moves_the_target(method: str) -> None:
    dialog = uas()
    dialog.accept(in_dialog(method, 2))
    assert dialog.target == "sip:moved@192.0.2.99"


@pytest.mark.rule("T-15")
@pytest.mark.parametrize("method", ["BYE", "INFO", "OPTIONS", "MESSAGE", "PRACK", "invite"])
def test_no_other_request_moves_the_target(method: str) -> None:
    dialog = uas()
    dialog.accept(in_dialog(method, 2))
    assert dialog.target == "sip:100@192.0.2.7:5062"


@pytest.mark.rfc(3261, "12.2.2")
def test_a_target_refresh_without_contact_or_out_of_order_changes_nothing() -> None:
    dialog = uas(CSeq="5 INVITE")
    dialog.accept(in_dialog("INVITE", 6, contact=None))
    with pytest.raises(RemoteProtocolError):
        dialog.accept(in_dialog("INVITE", 4))
    with pytest.raises(RemoteProtocolError):
        dialog.accept(in_dialog("INVITE", 7, contact="<sip:a b>"))
    assert dialog.target == "sip:100@192.0.2.7:5062"


@pytest.mark.rfc(3261, "12.2.1.2")
def test_the_2xx_of_a_target_refresh_moves_the_target() -> None:
    dialog = uac()
    dialog.refresh_target(response(200, "INVITE", Contact="<sip:moved@192.0.2.99>"))
    assert dialog.target == "sip:moved@192.0.2.99"
    dialog.refresh_target(response(200, "INVITE"))
    assert dialog.target == "sip:moved@192.0.2.99"


@pytest.mark.rfc(3261, "12")
def test_both_sides_find_a_dialog_by_call_id_and_tags() -> None:
    assert uas().key == dialog_key("c1@192.0.2.7", "local", "f1")
    assert uac().key == dialog_key("c1", "f1", "t1")
    assert len({dialog_key("c", "a", "b"), dialog_key("c", "b", "a"), dialog_key("b", "a", "c")}) == 3


@pytest.mark.rfc(3261, "12.1.1")
def test_an_rfc_2543_peer_without_from_tag_has_a_dialog_too() -> None:
    dialog = uas(From="<sip:100@example.com>", Via="SIP/2.0/UDP 192.0.2.7")
    assert dialog.remote_tag == ""
    assert sent(dialog.request("BYE")).to_tag is None


def test_a_dialog_survives_being_written_down_as_json() -> None:
    dialog = uas(Record_Route=TWO_ROUTES, From='"Jörg \udcff\x00" <sip:100@example.com>;tag=f1')
    dialog.accept(in_dialog("INVITE", 2))
    dialog.early = False
    dialog.request("INFO")
    restored = Dialog.restore(json.loads(json.dumps(dialog.snapshot())))
    assert restored.snapshot() == dialog.snapshot()
    assert restored.key == dialog.key
    assert restored.request("BYE").render(VIA) == dialog.request("BYE").render(VIA)
    with pytest.raises(RemoteProtocolError):
        restored.accept(in_dialog("INFO", 1))
