"""Texts between extensions, in virtual time: who may write, where it goes, what the writer is told."""

from __future__ import annotations

import asyncio
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.conformance.torture import TORTURE
from tests.link.memory_network import Weather
from tests.link.phones import Party
from tests.link.stage import DOMAIN, EPOCH, HOST, Stage
from tests.link.talking import talking
from tests.link.virtual_time import virtual
from trunkline.base.story import Story
from trunkline.call.party import Party as Identity
from trunkline.call.target import Target
from trunkline.message.policy import TextPolicy
from trunkline.message.queue import TextQueue
from trunkline.model.text import Text
from trunkline.net.flow import Flow
from trunkline.pbx import text_door
from trunkline.pbx.text_delivery import TextDelivery
from trunkline.pbx.text_door import TextDoor, refusal_of
from trunkline.pbx.text_fork import text_of
from trunkline.proto.sip.digest_client import Account, DigestClient
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Request, Response, parse_message
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.uri import SipUri
from trunkline.store.errors import StoreUnavailableError

HELLO = "Grüße, 1002!".encode()


class Inbox:
    """A phone's door for texts; ``answers`` with a status, or not at all when it is 0."""

    methods = frozenset({"MESSAGE"})

    def __init__(self, party: Party) -> None:
        self.texts: list[Request] = []
        self.answers = 200
        party.endpoint.set_doors([party, self])

    def claim(self, incoming: Incoming, _flow: Flow) -> bool:
        incoming.begin()
        self.texts.append(incoming.request)
        if self.answers:
            incoming.respond(self.answers)
        return True


class TextShelf:
    """Where texts are kept: written a moment later, or not at all when ``broken``."""

    def __init__(self, stage: Stage) -> None:
        self._loop = stage.loop
        self.texts: dict[str, Text] = {}
        self.broken = False

    async def keep(self, text: Text) -> None:
        await asyncio.sleep(0.01)
        if self.broken:
            raise StoreUnavailableError("the disk is full")
        self.texts[text.id] = text

    def gone(self, text: Text) -> None:
        self._loop.call_later(0.01, self.texts.pop, text.id, None)


class TextStage(Stage):
    """The exchange with its door for texts."""

    def __init__(self, weather: Weather | None = None, seed: int = 1, keep_s: float = 0.0) -> None:
        super().__init__(weather, seed)
        self.journal = TextShelf(self)
        self.kept_over: list[tuple[str, int, str]] = []
        self.delivery = TextDelivery(self.directory, self.context, self._targets)
        self.queue = self.make_queue(keep_s)
        self.told: list[tuple[str, str, int, str]] = []
        self.strangers: list[str] = []
        self.texts = TextDoor(
            self.directory,
            lambda _tenant, number: len(self.contacts.get(number, ())),
            self.door.authenticator,
            self.context,
            self.queue,
            lambda source, _story: self.strangers.append(source),
            self._tell,
        )
        self.endpoint.set_doors([self.door, self.texts])

    def make_queue(self, keep_s: float) -> TextQueue:
        """A queue over what the shelf holds."""
        queue = TextQueue(
            self.delivery,
            self.journal,
            self.endpoint.wheel,
            now=self.endpoint.now,
            wall=self.wall,
            spawn=self.context.spawn,
            policy=TextPolicy(keep_s),
            on_over=lambda text, status, story: self.kept_over.append(
                (text.receiver, status, story.last_code)
            ),
        )
        queue.restore(self.journal.texts.values())
        return queue

    def _tell(self, sender: str, receiver: str, status: int, story: Story) -> None:
        self.told.append((sender, receiver, status, story.last_code))

    async def write(self, party: Party, to: str, body: bytes = HELLO, **rest: Any) -> Response:
        """Write a text as a phone does: again with credentials when it is asked for them."""
        endpoint = party.endpoint
        draft = Draft(
            "MESSAGE",
            rest.pop("uri", f"sip:{to}@{HOST}"),
            rest.pop("from_", f'"Nobody" <sip:anybody@else.test>;tag={endpoint.ids.tag()}'),
            f"<sip:{to}@{HOST}>",
            endpoint.ids.call_id(),
            1,
            body=body,
            content_type=rest.pop("content_type", "text/plain;charset=utf-8"),
            **rest,
        )
        flow = party.node.flow_to("UDP", HOST, 5060)
        return await endpoint.request(draft, flow, authorizer=party.authorizer())


def pair(stage: TextStage) -> tuple[Party, Inbox]:
    """Who writes, and the inbox of 1002."""
    alice, bob = stage.party(), stage.party()
    return alice, Inbox(bob)


# What arrives


@pytest.mark.rule("T-33")
@pytest.mark.rule("T-39")
@pytest.mark.rfc("3428", "4")
@virtual
async def test_a_text_arrives_as_it_was_written_from_who_wrote_it() -> None:
    stage = TextStage()
    alice, inbox = pair(stage)
    response = await stage.write(alice, "1002", extra="Subject: x\r\nP-Asserted-Identity: <sip:me@me>\r\n")
    assert response.status == 200
    (text,) = inbox.texts
    assert text.body == HELLO
    headers = text.headers
    assert headers["Content-Type"] == "text/plain;charset=utf-8"
    assert headers["From"].startswith(f'"Number 1001" <sip:1001@{DOMAIN}>;tag=')
    assert headers["To"] == f"<sip:1002@{DOMAIN}>"
    assert headers["Subject"] == "x"
    assert not {"Contact", "P-Asserted-Identity", "Authorization"} & set(headers)
    assert text.max_forwards == 69
    assert stage.told == [("1001", "1002", 200, "text.delivered")]
    await stage.settle()


@pytest.mark.rfc("3428", "7")
@virtual
async def test_the_answer_of_the_phone_is_passed_back() -> None:
    stage = TextStage()
    alice, inbox = pair(stage)
    for status, passed in (
        (202, 202),
        (415, 415),
        (486, 486),
        (603, 603),
        (401, 502),
        (405, 488),
        (503, 480),
    ):
        inbox.answers = status
        assert (await stage.write(alice, "1002")).status == passed
    await stage.settle()


@pytest.mark.rfc("4320", "4.2")
@virtual
async def test_a_silent_phone_is_unavailable_before_its_writer_gives_up() -> None:
    stage = TextStage()
    alice, inbox = pair(stage)
    inbox.answers = 0
    begun = stage.loop.time()
    assert (await stage.write(alice, "1002")).status == 480
    assert stage.loop.time() - begun < 32
    assert len(inbox.texts) == 1, "what is repeated is one text"


@virtual
async def test_all_contacts_get_it_and_the_first_that_takes_it_decides() -> None:
    stage = TextStage()
    alice, bob = stage.party(), stage.party()
    carol = stage.party("1002")
    inboxes = [Inbox(bob), Inbox(carol)]
    inboxes[0].answers = 486
    assert (await stage.write(alice, "1002")).status == 200
    assert [len(inbox.texts) for inbox in inboxes] == [1, 1]
    inboxes[1].answers = 480
    assert (await stage.write(alice, "1002")).status == 486, "the best of two refusals"
    inboxes[0].answers, inboxes[1].answers = 0, 202
    begun = stage.loop.time()
    assert (await stage.write(alice, "1002")).status == 202
    assert stage.loop.time() - begun < 1
    inboxes[1].answers = 603
    assert (await stage.write(alice, "1002")).status == 603
    assert stage.loop.time() - begun < 2


@virtual
async def test_a_contact_that_cannot_be_reached_does_not_keep_the_others_from_it() -> None:
    stage = TextStage()
    alice, inbox = pair(stage)
    stage.contacts["1002"].insert(0, Target("sip:1002@nowhere.invalid"))
    assert (await stage.write(alice, "1002")).status == 200
    stage.contacts["1002"].pop()
    assert (await stage.write(alice, "1002")).status == 480
    assert len(inbox.texts) == 1
    await stage.settle()


@pytest.mark.parametrize("seed", range(20))
@virtual
async def test_under_loss_a_text_arrives_once_and_its_writer_knows(seed: int) -> None:
    stage = TextStage(Weather(loss=0.2, duplicate=0.1, late=0.2), seed)
    alice, inbox = pair(stage)
    response = await stage.write(alice, "1002")
    assert response.status in {200, 408, 480}
    if response.status == 200:
        assert len(inbox.texts) == 1
    await stage.settle()


# Who may write, and to whom


@virtual
async def test_a_stranger_learns_nothing() -> None:
    stage = TextStage()
    pair(stage)
    answers = []
    for user, to in (("1001", "1002"), ("1001", "9999"), ("nobody", "1002")):
        stranger = stage.party()
        stranger.account = DigestClient(Account(user, "wrong"))
        answers.append(await stage.write(stranger, to))
    assert {answer.status for answer in answers} == {401}
    assert len({tuple(sorted(answer.headers)) for answer in answers}) == 1
    assert len(set(stage.strangers)) == 3
    assert not stage.told
    await stage.settle()


@pytest.mark.parametrize(
    ("to", "status", "code"),
    [("1003", 480, "text.failed"), ("4711", 404, "text.failed"), ("9196", 404, "text.failed")],
)
@virtual
async def test_who_cannot_be_written_to(to: str, status: int, code: str) -> None:
    stage = TextStage()
    alice, _inbox = pair(stage)
    stage.extension("1003")
    assert (await stage.write(alice, to)).status == status
    assert stage.told == [("1001", to, status, code)]
    await stage.settle()


@pytest.mark.rule("T-39")
@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"body": b"x" * 1301}, 513),
        ({"extra": "Require: 100rel\r\n"}, 420),
        ({"uri": "tel:1002"}, 416),
        ({"max_forwards": 0}, 483),
        ({"to": "two words@"}, 400),
    ],
)
@pytest.mark.rfc("3428", "8")
@virtual
async def test_what_is_refused_of_anybody(change: dict[str, Any], status: int) -> None:
    stage = TextStage()
    alice, inbox = pair(stage)
    response = await stage.write(alice, **({"to": "1002"} | change))
    assert response.status == status
    assert not inbox.texts
    await stage.settle()


@pytest.mark.rule("T-39")
@virtual
async def test_connections_carry_longer_texts_than_datagrams() -> None:
    request = parse_message(
        b"MESSAGE sip:1002@a SIP/2.0\r\nContent-Type: text/plain\r\nl: 70000\r\n\r\n" + b"x" * 70_000
    )
    assert isinstance(request, Request)
    assert refusal_of(request, reliable=True) == (513, "")
    request.body = request.body[:65_536]
    assert refusal_of(request, reliable=True) is None
    assert refusal_of(request, reliable=False) == (513, "")
    request.body = request.body[:1_300]
    assert refusal_of(request, reliable=False) is None


@pytest.mark.rfc("3261", "20.15")
def test_a_body_of_unknown_kind_is_refused() -> None:
    request = parse_message(b"MESSAGE sip:1002@a SIP/2.0\r\nl: 1\r\n\r\nx")
    assert isinstance(request, Request)
    assert refusal_of(request, reliable=False) == (400, "")


@pytest.mark.rfc("4475", "3.1.1.11")
def test_a_text_of_several_binary_parts_passes_unchanged() -> None:
    request = parse_message(TORTURE["mpart01"].data)
    assert isinstance(request, Request)
    assert refusal_of(request, reliable=True) is None
    parties = Identity("1001", "a"), Identity("1002", "a")
    text = text_of(request, "t", *parties, at=EPOCH, keep_s=1.0, call_id="c@a", hops=70)
    assert text.body == request.body
    assert text.content_type == request.headers["Content-Type"]
    assert b"\x00" in text.body


# Bounds, and what else goes on


@virtual
async def test_one_writer_does_not_keep_the_others_from_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_door, "MOST_OF_ONE", 2)
    stage = TextStage()
    alice, inbox = pair(stage)
    carol = stage.party()
    inbox.answers = 0
    waiting = [asyncio.ensure_future(stage.write(alice, "1002")) for _ in range(2)]
    await asyncio.sleep(1)
    refused = await stage.write(alice, "1002")
    assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
    monkeypatch.setattr(text_door, "MOST_IN_FLIGHT", 2)
    assert (await stage.write(carol, "1002")).status == 503
    inbox.answers = 200
    assert [answer.status for answer in await asyncio.gather(*waiting)] == [480, 480]
    assert len(inbox.texts) == 1, (
        "the second waited behind the first, and not for longer than its writer could"
    )
    assert stage.texts.in_flight == 0
    assert (await stage.write(alice, "1002")).status == 200


@virtual
async def test_a_draining_exchange_still_passes_texts_on() -> None:
    stage = TextStage()
    alice, inbox = pair(stage)
    stage.endpoint.draining = True
    assert (await stage.write(alice, "1002")).status == 200
    assert len(inbox.texts) == 1
    await stage.settle()


@virtual
async def test_allow_names_message() -> None:
    stage = TextStage()
    assert "MESSAGE" in stage.endpoint.capabilities


@pytest.mark.rfc("3428", "4")
@virtual
async def test_a_text_within_a_call_goes_to_the_other_party() -> None:
    stage = TextStage()
    alice, bob = await talking(stage)
    response = await alice.dialogue.request("MESSAGE", body=HELLO, content_type="text/plain")
    assert response.status == 200
    assert (bob.requests[-1].method, bob.requests[-1].body) == ("MESSAGE", HELLO)
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_text_within_a_call_to_a_service_is_read_by_nobody() -> None:
    stage = TextStage()
    alice = stage.party()
    stage.dial(alice, "9196")
    await alice.until("answered")
    response = await alice.dialogue.request("MESSAGE", body=HELLO, content_type="text/plain")
    assert response.status in {488, 500}
    alice.dialogue.hang_up()
    await stage.settle()


# Texts for who is away


WEEK_S = 604_800.0
TENANT = "t1"


async def kept(stage: TextStage, alice: Party, *bodies: bytes) -> None:
    """Texts to 1002, whom nobody finds: each is accepted, and written down."""
    for body in bodies:
        assert (await stage.write(alice, "1002", body)).status == 202
    assert [text.body for text in stage.journal.texts.values()] == list(bodies)


def away(stage: TextStage, number: str = "1002") -> list[Target]:
    """Take the contacts of an extension away; what was there comes back by ``returns``."""
    taken, stage.contacts[number] = stage.contacts[number], []
    return taken


def returns(stage: TextStage, contacts: list[Target], number: str = "1002") -> None:
    """The phone registers again."""
    stage.contacts[number] = contacts
    stage.queue.wake(TENANT, number)


@pytest.mark.rule("T-39")
@pytest.mark.rfc("3428", "7")
@virtual
async def test_texts_wait_for_who_is_away_and_come_in_order_with_the_time_they_were_written() -> None:
    stage = TextStage(keep_s=WEEK_S)
    alice, inbox = pair(stage)
    contacts = away(stage)
    wrote_at = stage.wall()
    await kept(stage, alice, b"one", b"two", b"three")
    await asyncio.sleep(3600)
    assert not inbox.texts
    returns(stage, contacts)
    await asyncio.sleep(1)
    assert [text.body for text in inbox.texts] == [b"one", b"two", b"three"]
    written = parsedate_to_datetime(inbox.texts[0].headers["Date"]).timestamp()
    assert abs(written - wrote_at) < 60
    assert not stage.journal.texts
    assert stage.kept_over == [("1002", 200, "text.delivered")] * 3
    await stage.settle()


@pytest.mark.rule("T-39")
@pytest.mark.rfc("3428", "8")
@virtual
async def test_one_text_at_a_time_is_on_its_way_to_a_reader() -> None:
    stage = TextStage(keep_s=WEEK_S)
    alice, inbox = pair(stage)
    carol = stage.party()
    inbox.answers = 0
    both = [asyncio.ensure_future(stage.write(one, "1002", b"from each")) for one in (alice, carol)]
    answered = await both[1]
    assert (answered.status, len(inbox.texts)) == (202, 1), "it is kept before its writer's patience ends"
    assert (await both[0]).status == 202, "a silent phone is away"
    assert len(inbox.texts) == 1
    inbox.answers = 200
    stage.queue.wake(TENANT, "1002")
    await asyncio.sleep(1)
    assert len(inbox.texts) == 3
    assert inbox.texts[1].call_id == inbox.texts[0].call_id, (
        "the same text, whatever became of the first copy"
    )
    await stage.settle()


@pytest.mark.rule("T-39")
@virtual
async def test_a_phone_that_is_registered_and_silent_is_tried_again_and_again() -> None:
    stage = TextStage(keep_s=WEEK_S)
    alice, inbox = pair(stage)
    inbox.answers = 0
    await kept(stage, alice, b"one")
    await asyncio.sleep(300)
    inbox.answers = 200
    await asyncio.sleep(300)
    assert len(inbox.texts) > 2
    assert not stage.journal.texts
    await stage.settle()


@pytest.mark.rule("T-39")
@virtual
async def test_what_was_kept_outlives_a_crash() -> None:
    stage = TextStage(keep_s=WEEK_S)
    alice, inbox = pair(stage)
    contacts = away(stage)
    await kept(stage, alice, b"one", b"two")
    stage.queue = stage.make_queue(WEEK_S)
    stage.contacts["1002"] = contacts
    stage.queue.start()
    await asyncio.sleep(1)
    assert [text.body for text in inbox.texts] == [b"one", b"two"]
    assert not stage.journal.texts
    await stage.settle()


@pytest.mark.rule("T-39")
@pytest.mark.parametrize("content_type", ["message/cpim", "message/imdn+xml", 'multipart/mixed;boundary="7"'])
@virtual
async def test_wrapped_texts_and_receipts_are_untouched(content_type: str) -> None:
    stage = TextStage(keep_s=WEEK_S)
    alice, inbox = pair(stage)
    body = b"From: <sip:a@b>\r\nDateTime: 2026-11-22T00:00:00Z\r\nimdn.Message-ID: x\r\n\r\n\x00\xff"
    contacts = away(stage)
    assert (await stage.write(alice, "1002", body, content_type=content_type)).status == 202
    returns(stage, contacts)
    await asyncio.sleep(1)
    (text,) = inbox.texts
    assert (text.body, text.headers["Content-Type"]) == (body, content_type)
    await stage.settle()


@pytest.mark.rule("T-39")
@virtual
async def test_that_somebody_types_is_not_kept() -> None:
    stage = TextStage(keep_s=WEEK_S)
    alice, inbox = pair(stage)
    away(stage)

    async def typing() -> int:
        kind = "application/im-iscomposing+xml"
        return (await stage.write(alice, "1002", b"<isComposing/>", content_type=kind)).status

    assert await typing() == 480
    await kept(stage, alice, b"one")
    assert await typing() == 480
    assert len(stage.journal.texts) == 1
    assert not inbox.texts
    stage.queue.drop(TENANT, "1002")
    await stage.settle()


@pytest.mark.rule("T-39")
@virtual
async def test_a_text_that_nobody_fetched_in_time_is_forgotten() -> None:
    stage = TextStage(keep_s=WEEK_S)
    alice, inbox = pair(stage)
    contacts = away(stage)
    assert (await stage.write(alice, "1002", b"soon stale", extra="Expires: 60\r\n")).status == 202
    assert (await stage.write(alice, "1002", b"fresh")).status == 202
    await asyncio.sleep(120)
    returns(stage, contacts)
    await asyncio.sleep(1)
    assert [text.body for text in inbox.texts] == [b"fresh"]
    assert stage.kept_over == [("1002", 408, "text.expired"), ("1002", 200, "text.delivered")]
    await stage.settle()


@virtual
async def test_a_refusal_of_a_kept_text_is_final_and_the_next_one_goes() -> None:
    stage = TextStage(keep_s=WEEK_S)
    alice, inbox = pair(stage)
    contacts = away(stage)
    await kept(stage, alice, b"one", b"two")
    inbox.answers = 415
    returns(stage, contacts)
    await asyncio.sleep(1)
    assert len(inbox.texts) == 2
    assert stage.kept_over == [("1002", 415, "text.refused")] * 2
    assert not stage.journal.texts
    await stage.settle()


@virtual
async def test_a_phone_that_comes_back_while_the_old_place_is_tried_gets_it_at_once() -> None:
    stage = TextStage(keep_s=WEEK_S)
    alice, inbox = pair(stage)
    inbox.answers = 0
    writing = asyncio.ensure_future(stage.write(alice, "1002"))
    await asyncio.sleep(2)
    inbox.answers = 200
    stage.queue.wake(TENANT, "1002")
    assert (await writing).status == 202
    await asyncio.sleep(1)
    assert not stage.journal.texts
    await stage.settle()


@virtual
async def test_a_text_that_cannot_be_written_down_is_not_accepted() -> None:
    stage = TextStage(keep_s=WEEK_S)
    alice, _inbox = pair(stage)
    away(stage)
    stage.journal.broken = True
    assert (await stage.write(alice, "1002")).status == 500
    assert stage.queue.count == 0
    stage.journal.broken = False
    await kept(stage, alice, b"later")
    stage.queue.drop(TENANT, "1002")
    await stage.settle()


@virtual
async def test_no_more_wait_for_one_reader_than_may() -> None:
    stage = TextStage(keep_s=WEEK_S)
    alice, _inbox = pair(stage)
    away(stage)
    stage.queue.policy = TextPolicy(WEEK_S, most_of_one=2)
    await kept(stage, alice, b"one", b"two")
    assert (await stage.write(alice, "1002")).status == 480
    (state,) = stage.queue.lanes(TENANT)
    assert (state.receiver, state.count) == ("1002", 2)
    assert stage.queue.drop(TENANT, "1002") == 2
    await asyncio.sleep(1)
    assert not stage.journal.texts
    assert not list(stage.queue.lanes())
    await stage.settle()


@pytest.mark.rule("T-30")
@pytest.mark.rfc("5626", "7")
@pytest.mark.parametrize(("status", "reached"), [(430, 200), (408, 200), (0, 200), (486, 486)])
@virtual
async def test_a_text_takes_the_next_flow_of_a_phone_whose_first_one_failed(
    status: int, reached: int
) -> None:
    stage = TextStage()
    writer = stage.party()
    first, second = Inbox(stage.party()), Inbox(stage.party("1002"))
    first.answers = status
    node = stage.network.nodes[HOST, 5060]
    ways = stage.contacts["1002"]
    for way, host in zip(ways, ("10.0.0.2", "10.0.0.3"), strict=True):
        way.flow = node.flow_to("UDP", host, 5060)
    ways[0].others = (ways.pop(),)
    assert (await stage.write(writer, "1002")).status == reached
    assert len(first.texts) == 1
    assert len(second.texts) == (reached == 200)
    await stage.settle()


@pytest.mark.rule("T-30")
@pytest.mark.rfc("5627", "6.1")
@virtual
async def test_a_text_to_a_gruu_goes_to_that_phone_alone_and_waits_for_it() -> None:
    stage = TextStage(keep_s=WEEK_S)
    alice, bob = stage.party(), stage.party()
    inboxes = [Inbox(bob), Inbox(stage.party("1002"))]
    second = [stage.contacts["1002"][1]]

    def find(_tenant: str, uri: SipUri) -> tuple[str, list[Target]] | None:
        return ("1002", second) if uri.params.get("gr") == "2" else None

    stage.texts.find_phone = stage.delivery.find_phone = find
    assert (await stage.write(alice, "1002", uri=f"sip:1002@{HOST};gr=2")).status == 200
    assert (await stage.write(alice, "1002", uri=f"sip:hidden@{HOST};gr=2")).status == 200
    assert (await stage.write(alice, "1002", uri=f"sip:hidden@{HOST};gr=3")).status == 404
    phone, second = second, []
    assert (await stage.write(alice, "1002", b"later", uri=f"sip:1002@{HOST};gr=2")).status == 202
    second = phone
    stage.queue.wake(TENANT, "1002")
    await asyncio.sleep(1)
    assert [len(inbox.texts) for inbox in inboxes] == [0, 3]
    assert inboxes[1].texts[-1].body == b"later"
    await stage.settle()
