"""Bindings made, listed, renewed and ended (RFC 3261 §10.3)."""

from __future__ import annotations

import pytest

from tests.unit.registrar.office import NOW, FakeFlow, Office, Phone
from trunkline.proto.sip.message import Response


def contacts_in(response: Response) -> list[str]:
    assert response.status == 200, response
    return response.values("Contact")


@pytest.mark.rfc("3261", "10.3")
async def test_a_contact_is_bound_and_told_with_what_was_granted(office: Office, phone: Phone) -> None:
    response = await phone.register("<sip:301@10.0.0.7:5062>", "Expires: 600\r\n")
    assert contacts_in(response) == ["<sip:301@10.0.0.7:5062>;expires=600"]
    assert response.headers["Date"] == "Fri, 15 Jan 2027 08:00:00 GMT"
    (binding,) = office.location.all_of("a", "301")
    assert binding.received == "198.51.100.7:5062"
    assert binding.flow == phone.flow.token
    assert (binding.registered_at, binding.expires_at) == (NOW, NOW + 600)
    assert office.codes() == ["register.bound"]


async def test_the_first_request_is_challenged_and_changes_nothing(office: Office, phone: Phone) -> None:
    phone.challenged(phone.contact())
    assert office.contacts() == []
    assert office.journal.written == []
    assert office.stories == []


@pytest.mark.parametrize(
    ("contact", "header", "granted"),
    [
        ("<sip:301@h>", "Expires: 60\r\n", 60),
        ("<sip:301@h>;expires=61", "Expires: 600\r\n", 61),
        ("<sip:301@h>", "", 3600),
        ("<sip:301@h>;expires=4294967295", "", 7200),
        ("<sip:301@h>", "Expires: 99999999999999999999\r\n", 7200),
        ("<sip:301@h>", "Expires: soon\r\n", 3600),
        ("<sip:301@h>;expires=soon", "", 3600),
    ],
)
async def test_what_is_granted_is_asked_for_clamped_or_the_default(
    phone: Phone, contact: str, header: str, granted: int
) -> None:
    assert contacts_in(await phone.register(contact, header)) == [f"<sip:301@h>;expires={granted}"]


@pytest.mark.rfc("3261", "10.3")
async def test_too_brief_an_interval_is_423_with_the_least(office: Office, phone: Phone) -> None:
    response = await phone.register("<sip:301@h>, <sip:301@i>;expires=59")
    assert (response.status, response.headers["Min-Expires"]) == (423, "60")
    assert office.contacts() == []
    assert office.codes() == ["register.refused"]


@pytest.mark.rfc("3261", "10.2.1.2")
async def test_several_contacts_are_listed_best_first(office: Office, phone: Phone) -> None:
    response = await phone.register("<sip:1@h>;q=0.3, <sip:2@h>;q=1.0, <sip:3@h>;q=0.75")
    assert [line.partition(">")[0] for line in contacts_in(response)] == ["<sip:2@h", "<sip:3@h", "<sip:1@h"]
    assert contacts_in(response)[1:] == ["<sip:3@h>;expires=3600;q=0.75", "<sip:1@h>;expires=3600;q=0.3"]
    assert office.contacts() == ["sip:2@h", "sip:3@h", "sip:1@h"]


async def test_of_equal_preference_the_newest_is_first(office: Office, phone: Phone) -> None:
    await phone.register("<sip:old@h>")
    office.now += 1
    await phone.register("<sip:new@h>")
    assert office.contacts() == ["sip:new@h", "sip:old@h"]


async def test_a_refresh_prolongs_without_waiting_for_a_commit(office: Office, phone: Phone) -> None:
    await phone.register()
    office.now += 1000
    office.journal.held = True
    response = phone.send(phone.answered(phone.contact(), "Expires: 900\r\n"))
    assert response is not None
    assert contacts_in(response) == ["<sip:301@10.0.0.7:5062>;expires=900"]
    assert office.journal.written == [("new", "sip:301@10.0.0.7:5062"), ("refresh", "sip:301@10.0.0.7:5062")]
    assert len(office.stories) == 1
    assert office.door.counters.refreshed == 1


async def test_a_refresh_by_another_flow_moves_the_binding_to_it(office: Office, phone: Phone) -> None:
    await phone.register()
    phone.flow = FakeFlow("203.0.113.9", 40000)
    await phone.register()
    (binding,) = office.location.all_of("a", "301")
    assert binding.flow == phone.flow.token
    assert binding.received == "203.0.113.9:40000"


async def test_an_ipv6_phone_is_shown_with_brackets(office: Office, phone: Phone) -> None:
    phone.flow = FakeFlow("2001:db8::7", 5062)
    await phone.register()
    assert office.location.all_of("a", "301")[0].received == "[2001:db8::7]:5062"


@pytest.mark.rfc("3261", "10.3")
async def test_a_lower_cseq_of_the_same_call_id_is_500_and_changes_nothing(
    office: Office, phone: Phone
) -> None:
    phone.cseq = 10
    await phone.register()
    (binding,) = office.location.all_of("a", "301")
    response = await phone.register(extra="Expires: 120\r\n", cseq=5)
    assert response.status == 500
    assert binding.expires_at == NOW + 3600


async def test_an_equal_cseq_is_answered_alike_and_changes_nothing(office: Office, phone: Phone) -> None:
    await phone.register()
    (binding,) = office.location.all_of("a", "301")
    response = await phone.register(extra="Expires: 120\r\n", cseq=binding.cseq)
    assert contacts_in(response) == ["<sip:301@10.0.0.7:5062>;expires=3600"]
    assert binding.expires_at == NOW + 3600
    assert office.door.counters.refreshed == 0


async def test_another_call_id_may_begin_with_any_cseq(office: Office, phone: Phone) -> None:
    phone.cseq = 1000
    await phone.register()
    phone.call_id, phone.cseq = "c2", 0
    assert contacts_in(await phone.register(extra="Expires: 120\r\n")) == [
        "<sip:301@10.0.0.7:5062>;expires=120"
    ]
    (binding,) = office.location.all_of("a", "301")
    assert (binding.call_id, binding.cseq) == ("c2", 2)


@pytest.mark.rfc("3261", "10.2.2")
async def test_a_contact_is_removed_by_an_expiry_of_zero(office: Office, phone: Phone) -> None:
    await phone.register("<sip:1@h>, <sip:2@h>")
    response = await phone.register("<sip:1@h>;expires=0")
    assert contacts_in(response) == ["<sip:2@h>;expires=3600"]
    assert ("gone", "sip:1@h") in office.journal.written
    assert office.codes()[-1] == "register.unbound"
    assert office.door.counters.removed == 1


async def test_removing_what_is_not_bound_is_no_error(office: Office, phone: Phone) -> None:
    response = await phone.register("<sip:1@h>", "Expires: 0\r\n")
    assert response.status == 200
    assert "Contact" not in response.headers
    assert office.journal.written == []


@pytest.mark.rfc("3261", "10.2.2")
async def test_a_wildcard_with_expiry_zero_removes_all(office: Office, phone: Phone) -> None:
    await phone.register("<sip:1@h>, <sip:2@h>")
    response = await phone.register("*", "Expires: 0\r\n")
    assert response.status == 200
    assert office.contacts() == []
    assert "Contact" not in response.headers


@pytest.mark.parametrize(
    ("contact", "extra"),
    [
        ("*", ""),
        ("*", "Expires: 60\r\n"),
        ("*", "Expires: none\r\n"),
        ("*, <sip:1@h>", "Expires: 0\r\n"),
        ("<sip:1@h>, *", "Expires: 0\r\n"),
    ],
)
async def test_a_wildcard_in_any_other_way_is_400(
    office: Office, phone: Phone, contact: str, extra: str
) -> None:
    await phone.register("<sip:1@h>")
    assert (await phone.register(contact, extra)).status == 400
    assert office.contacts() == ["sip:1@h"]


async def test_a_wildcard_out_of_order_is_500_and_removes_nothing(office: Office, phone: Phone) -> None:
    phone.cseq = 10
    await phone.register("<sip:1@h>")
    assert (await phone.register("*", "Expires: 0\r\n", cseq=3)).status == 500
    assert office.contacts() == ["sip:1@h"]


@pytest.mark.rfc("3261", "10.2.3")
@pytest.mark.parametrize("contact", [None, "", ","])
async def test_a_query_lists_and_changes_nothing(office: Office, phone: Phone, contact: str | None) -> None:
    await phone.register("<sip:1@h>")
    office.now += 100
    assert contacts_in(await phone.register(contact, "Expires: 60\r\n")) == ["<sip:1@h>;expires=3500"]
    assert len(office.journal.written) == 1


async def test_an_expired_contact_is_gone_at_once_and_swept_later(office: Office, phone: Phone) -> None:
    await phone.register("<sip:1@h>", "Expires: 60\r\n")
    office.now += 60
    assert "Contact" not in (await phone.register(None)).headers
    assert office.contacts() == []
    assert office.location.count == 1
    assert [binding.contact for binding in office.location.sweep(office.now)] == ["sip:1@h"]
    assert office.location.count == 0


async def test_a_contact_that_comes_back_after_it_expired_is_new(office: Office, phone: Phone) -> None:
    await phone.register("<sip:1@h>", "Expires: 60\r\n")
    office.now += 61
    office.journal.held = True
    assert phone.send(phone.answered("<sip:1@h>")) is None
    office.journal.let_go()
    await office.settle()
    assert office.contacts() == ["sip:1@h"]
    office.location.sweep(office.now)
    assert office.contacts() == ["sip:1@h"]


async def test_more_contacts_than_allowed_are_403_and_none_is_bound(office: Office, phone: Phone) -> None:
    assert (await phone.register(", ".join(f"<sip:{n}@h>" for n in range(10)))).status == 200
    assert (await phone.register("<sip:10@h>")).status == 403
    assert len(office.contacts()) == 10
    assert (await phone.register("<sip:0@h>;expires=0, <sip:10@h>")).status == 200
    assert "sip:10@h" in office.contacts()


async def test_a_request_with_a_thousand_contacts_is_refused_before_they_are_compared(
    office: Office, phone: Phone
) -> None:
    assert (await phone.register(", ".join(f"<sip:{n}@h>;expires=0" for n in range(1000)))).status == 403


@pytest.mark.rfc("3261", "19.1.4")
@pytest.mark.parametrize(
    "again",
    [
        "<sip:301@HOST.example:5062>",
        "<SIP:%33%301@host.example:5062>",
        "sip:301@host.example:5062",
        '"My" <sip:301@host.example:5062;ob>',
    ],
)
async def test_an_equivalent_contact_is_the_same_binding(office: Office, phone: Phone, again: str) -> None:
    await phone.register("<sip:301@host.example:5062>")
    await phone.register(again)
    assert office.contacts() == ["sip:301@host.example:5062"]
    assert office.door.counters.refreshed == 1


@pytest.mark.parametrize(
    "other",
    ["<sip:301@host.example>", "<sip:301@host.example:5062;transport=tcp>", "<sips:301@host.example:5062>"],
)
async def test_a_contact_that_is_not_equivalent_is_another_binding(
    office: Office, phone: Phone, other: str
) -> None:
    await phone.register("<sip:301@host.example:5062>")
    await phone.register(other)
    assert len(office.contacts()) == 2


async def test_the_same_contact_twice_in_a_request_is_bound_once(office: Office, phone: Phone) -> None:
    await phone.register("<sip:1@h>, <sip:1@H>")
    assert office.contacts() == ["sip:1@h"]
    await phone.register("<sip:1@h>, <sip:1@h>")
    assert office.door.counters.refreshed == 1
    await phone.register("<sip:1@h>;expires=0, <sip:1@h>;expires=0")
    assert office.contacts() == []
    assert office.journal.written.count(("gone", "sip:1@h")) == 1


@pytest.mark.parametrize(
    "contact",
    [
        "<tel:+4930123>",
        "<mailto:a@b>",
        "<http://h/>",
        "<sip:@h>",
        "<sip:a@h:99999>",
        "<sip:a@h:port>",
        "<sip:%zz@h>",
        "<sip:a b@h>",
        "<sip:a@h",
        "sip:a@h>",
        '"unclosed <sip:a@h>',
        "<>",
        "nonsense",
        "<sip:a@h>;q=2",
        "<sip:a@h>;q=nan",
        "<sip:a@h>;;;",
        f"<sip:{'a' * 2000}@h>",
        f"<sip:a@h;x={'a' * 2000}>;q=1",
        f'<sip:a@h>;+sip.instance="<{"i" * 300}>"',
        '<sip:a@h>;+sip.instance="<i>";reg-id=0',
        '<sip:a@h>;+sip.instance="<i>";reg-id=x',
        "<sip:ok@h>, <tel:1>",
    ],
)
async def test_a_contact_that_cannot_be_called_is_400_and_binds_nothing(
    office: Office, phone: Phone, contact: str
) -> None:
    response = await phone.register(contact)
    assert response.status == 400
    assert response.reason != "Bad Request", "a phone's owner is told what was wrong"
    assert office.contacts() == []
    assert office.journal.written == []


async def test_a_wrong_contact_leaves_the_right_ones_beside_it_untouched(
    office: Office, phone: Phone
) -> None:
    await phone.register("<sip:1@h>")
    assert (await phone.register("<sip:1@h>;expires=120, <sip:2@h>;q=7")).status == 400
    assert office.location.all_of("a", "301")[0].expires_at == NOW + 3600


@pytest.mark.rfc("5626", "6")
@pytest.mark.rule("T-30")
async def test_the_same_instance_and_reg_id_replace_their_old_contact(office: Office, phone: Phone) -> None:
    flow = ';+sip.instance="<urn:uuid:1>";reg-id=1'
    response = await phone.register(f"<sip:301@h:1000>{flow}")
    assert contacts_in(response) == [f"<sip:301@h:1000>;expires=3600{flow}"]
    await phone.register(f"<sip:301@h:2000>{flow}")
    assert office.contacts() == ["sip:301@h:2000"]
    assert office.journal.written[-2:] == [("gone", "sip:301@h:1000"), ("new", "sip:301@h:2000")]


@pytest.mark.rule("T-30")
async def test_other_flows_and_other_phones_are_bindings_of_their_own(office: Office, phone: Phone) -> None:
    for flow in (
        ';+sip.instance="<urn:uuid:1>";reg-id=1',
        ';+sip.instance="<urn:uuid:1>";reg-id=2',
        ';+sip.instance="<urn:uuid:2>";reg-id=1',
    ):
        await phone.register(f"<sip:301@h>{flow}")
    assert len(office.contacts()) == 3


@pytest.mark.rfc("3327", "5.3")
@pytest.mark.rule("T-30")
async def test_a_path_is_kept_and_told(office: Office, phone: Phone) -> None:
    path = "<sip:edge.a.test;lr>, <sip:core.a.test;lr>"
    response = await phone.register(extra=f"Supported: path\r\nPath: {path}\r\n")
    assert response.status == 200
    assert response.headers["Path"] == path
    assert office.location.all_of("a", "301")[0].path == path


@pytest.mark.rule("T-30")
async def test_a_path_that_the_phone_does_not_know_of_is_420(office: Office, phone: Phone) -> None:
    response = await phone.register(extra="Path: <sip:edge.a.test;lr>\r\n")
    assert (response.status, response.headers["Unsupported"]) == (420, "path")
    assert office.contacts() == []


@pytest.mark.parametrize("path", ["nonsense", "<tel:1>", "<sip:a@h", f"<sip:{'a' * 2000}>"])
async def test_a_malformed_path_is_400(office: Office, phone: Phone, path: str) -> None:
    assert (await phone.register(extra=f"Supported: path\r\nPath: {path}\r\n")).status == 400
    assert office.contacts() == []


@pytest.mark.rfc("3261", "8.2.2.3")
async def test_what_is_required_and_not_supported_is_420(office: Office, phone: Phone) -> None:
    response = await phone.register(extra="Require: gruu, path, pref\r\nRequire: outbound, timer\r\n")
    assert (response.status, response.headers["Unsupported"]) == (420, "pref, timer")
    assert office.contacts() == []


async def test_a_malformed_require_is_400(phone: Phone) -> None:
    assert (await phone.register(extra="Require: a b\r\n")).status == 400


async def test_what_is_kept_of_a_phone_is_bounded(office: Office, phone: Phone) -> None:
    await phone.register(extra=f"User-Agent: {'x' * 5000}\r\n")
    assert len(office.location.all_of("a", "301")[0].user_agent) == 128
    phone.call_id = "c" * 300
    assert (await phone.register()).status == 400
