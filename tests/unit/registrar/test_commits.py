"""A new binding counts once it is on disk: the phone may rely on its 200 after our restart."""

from __future__ import annotations

import pytest

from tests.unit.registrar.office import FakeFlow, Office, Phone
from trunkline.base.errors import TrunklineError


async def test_the_200_to_a_new_binding_waits_for_its_commit(office: Office, phone: Phone) -> None:
    office.journal.held = True
    assert phone.send(phone.answered(phone.contact())) is None
    await office.settle()
    assert phone.flow.last.status == 401
    assert office.contacts() == []
    office.journal.let_go()
    await office.settle()
    assert phone.flow.last.status == 200
    assert len(office.contacts()) == 1


async def test_the_200_to_a_removal_waits_as_well(office: Office, phone: Phone) -> None:
    await phone.register()
    office.journal.held = True
    assert phone.send(phone.answered(phone.contact(), "Expires: 0\r\n")) is None
    office.journal.let_go()
    await office.settle()
    assert phone.flow.last.status == 200
    assert office.contacts() == []


async def test_a_retransmission_during_the_commit_is_absorbed_and_after_it_answered_again(
    office: Office, phone: Phone
) -> None:
    office.journal.held = True
    data = phone.answered(phone.contact())
    for _ in range(3):
        assert phone.send(data) is None
    office.journal.let_go()
    await office.settle()
    sent = len(phone.flow.sent)
    again = phone.send(data)
    assert again is not None
    assert again.status == 200
    assert phone.flow.sent[sent - 1] == phone.flow.sent[sent]
    assert len(office.contacts()) == 1
    assert [what for what, _ in office.journal.written] == ["new"]


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_journal_that_fails_makes_503_and_no_binding(
    office: Office, phone: Phone, at_once: bool
) -> None:
    office.journal.error, office.journal.raises_at_once = TrunklineError("the disk is full"), at_once
    response = await phone.register()
    assert response.status == 503
    assert response.headers["Retry-After"] == "10"
    assert "disk" not in str(response.headers)
    assert office.contacts() == []
    assert office.door.counters.registered == 0
    assert [step.code for step in office.stories[-1][1].steps] == ["register.not_kept", "register.refused"]


async def test_after_a_failure_the_phone_gets_in_with_its_next_request(office: Office, phone: Phone) -> None:
    office.journal.error = TrunklineError("the disk is full")
    await phone.register()
    office.journal.error = None
    assert (await phone.register()).status == 200
    assert len(office.contacts()) == 1


async def test_a_failure_takes_back_what_was_written_and_renews_nothing(office: Office, phone: Phone) -> None:
    await phone.register("<sip:1@h>")
    (binding,) = office.location.all_of("a", "301")
    before = binding.expires_at
    office.now += 100
    office.journal.error = TrunklineError("the disk is full")
    assert (await phone.register("<sip:1@h>, <sip:2@h>")).status == 503
    assert binding.expires_at == before
    assert office.contacts() == ["sip:1@h"]
    assert office.journal.written[-2:] == [("new", "sip:2@h"), ("gone", "sip:2@h")]


async def test_what_comes_during_a_commit_waits_for_it(office: Office, phone: Phone) -> None:
    """The same phone again, in another transaction: it finds the binding that is being made."""
    office.journal.held = True
    other = Phone(office, flow=FakeFlow("203.0.113.9"))
    other.call_id = "c2"
    messages = [phone.answered(phone.contact()), other.answered(other.contact())]
    assert phone.send(messages[0]) is None
    assert other.send(messages[1]) is None
    await office.settle()
    assert [what for what, _ in office.journal.written] == ["new"]
    office.journal.let_go()
    await office.settle()
    assert (phone.flow.last.status, other.flow.last.status) == (200, 200)
    assert [what for what, _ in office.journal.written] == ["new", "refresh"]
    assert len(office.contacts()) == 1


async def test_a_refusal_after_waiting_is_answered_too(office: Office, phone: Phone) -> None:
    office.journal.held = True
    other = Phone(office, flow=FakeFlow("203.0.113.9"))
    other.call_id = "c2"
    messages = [phone.answered(phone.contact()), other.answered("<tel:1>")]
    phone.send(messages[0])
    other.send(messages[1])
    office.journal.let_go()
    await office.settle()
    assert (phone.flow.last.status, other.flow.last.status) == (200, 400)


async def test_another_user_does_not_wait(office: Office, phone: Phone) -> None:
    other = Phone(office, "302")
    await other.register()
    office.journal.held = True
    phone.send(phone.answered(phone.contact()))
    response = other.send(other.answered(other.contact()))
    assert response is not None
    assert response.status == 200
    office.journal.let_go()


async def test_over_a_connection_nothing_is_kept_after_the_answer(office: Office, phone: Phone) -> None:
    phone.flow = FakeFlow(reliable=True)
    await phone.register()
    assert not office.endpoint.layer.servers
