"""Presence, registrations and waiting messages in virtual time (RFC 3856, 3903, 3680, 3842)."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from tests.link.phones import Party
from tests.link.stage import DOMAIN, HOST
from tests.link.virtual_time import virtual
from tests.link.watching import MINUTE, EventStage
from trunkline.net.flow import Flow
from trunkline.pbx.events.message_summary import Waiting
from trunkline.pbx.events.plane import EventPolicy
from trunkline.pbx.events.publications import MOST_OF_ONE
from trunkline.pbx.events.publish import MAX_BODY
from trunkline.proto.sip.digest_client import Account, DigestClient
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Request, Response
from trunkline.proto.sip.transaction.incoming import Incoming

pytestmark = pytest.mark.rule("T-38")


def pidf(basic: str, note: str = "", identity: str = "t1", extra: str = "") -> bytes:
    """A document as phones publish it."""
    return (
        '<?xml version="1.0"?><presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:1001@else.test">'
        f'<tuple id="{identity}"><status><basic>{basic}</basic></status></tuple>'
        f"{f'<note>{note}</note>' if note else ''}{extra}</presence>"
    ).encode()


async def publish(
    stage: EventStage, party: Party, body: bytes = b"", expires: int | None = 600, etag: str = "", **rest: Any
) -> Response:
    """One PUBLISH, with credentials when they are asked for."""
    lines = f"Event: {rest.pop('event', 'presence')}\r\n"
    lines += "" if expires is None else f"Expires: {expires}\r\n"
    lines += f"SIP-If-Match: {etag}\r\n" if etag else ""
    endpoint = party.endpoint
    draft = Draft(
        "PUBLISH",
        rest.pop("uri", f"sip:1001@{HOST}"),
        f"<sip:1001@{DOMAIN}>;tag={endpoint.ids.tag()}",
        f"<sip:1001@{DOMAIN}>",
        endpoint.ids.call_id(),
        1,
        extra=lines,
        body=body,
        content_type=rest.pop("content_type", "application/pidf+xml"),
    )
    flow = party.node.flow_to("UDP", HOST, 5060)
    return await endpoint.request(draft, flow, authorizer=party.authorizer())


def basics(body: str) -> list[str]:
    return re.findall(r"basic>(\w+)<", body)


# Presence


@pytest.mark.rfc("3903", "6")
@virtual
async def test_what_is_published_is_told_changed_refreshed_and_removed() -> None:
    stage = EventStage()
    alice, watcher = stage.party(), stage.watcher("1001", "presence")
    await watcher.subscribe()
    await watcher.hears(1)
    assert basics(watcher.bodies[0]) == ["closed"], "nobody is registered, and nothing is published"
    first = await publish(stage, alice, pidf("open", "lunch"))
    assert (first.status, first.headers["Expires"]) == (200, "600")
    await watcher.hears(2)
    assert basics(watcher.bodies[1]) == ["open"]
    assert "lunch" in watcher.bodies[1]
    assert f'entity="sip:1001@{DOMAIN}"' in watcher.bodies[1]
    kept = await publish(stage, alice, etag=first.headers["SIP-ETag"])
    assert kept.headers["SIP-ETag"] != first.headers["SIP-ETag"]
    await asyncio.sleep(3)
    assert len(watcher.heard) == 2, "a refresh changes nothing"
    changed = await publish(stage, alice, pidf("closed"), etag=kept.headers["SIP-ETag"])
    await watcher.hears(3)
    assert basics(watcher.bodies[2]) == ["closed"]
    gone = await publish(stage, alice, expires=0, etag=changed.headers["SIP-ETag"])
    assert (gone.status, gone.headers["Expires"]) == (200, "0")
    stage.register("1001")
    await watcher.hears(4)
    assert basics(watcher.bodies[3]) == ["open"], "the registrar speaks for it again"
    assert "lunch" not in watcher.bodies[3]
    await stage.settle()


@pytest.mark.rfc("3903", "6")
@virtual
async def test_a_publication_expires() -> None:
    stage = EventStage()
    alice, watcher = stage.party(), stage.watcher("1001", "presence")
    assert (await publish(stage, alice, pidf("open"), 60)).status == 200
    await watcher.subscribe()
    await watcher.hears(2, 70)
    assert [basics(body) for body in watcher.bodies] == [["open"], ["closed"]]
    assert stage.events.publications.count == 0
    await stage.settle()


@pytest.mark.rfc("3903", "11.2.1")
@pytest.mark.parametrize("expires", [0, 600])
@virtual
async def test_an_entity_tag_that_names_nothing_is_412(expires: int) -> None:
    stage = EventStage()
    alice = stage.party()
    assert (await publish(stage, alice, pidf("open"), expires, "made-up")).status == 412
    known = await publish(stage, alice, pidf("open"))
    assert (await publish(stage, alice, expires=0, etag=known.headers["SIP-ETag"])).status == 200
    assert (await publish(stage, alice, expires=600, etag=known.headers["SIP-ETag"])).status == 412
    await stage.settle()


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        ({"body": pidf("open"), "event": "dialog"}, 489),
        ({"body": pidf("open"), "event": "nonsense"}, 489),
        ({"body": pidf("open"), "uri": f"sip:1002@{HOST}"}, 403),
        ({"body": pidf("open"), "content_type": "text/plain"}, 415),
        ({"body": b"<presence>"}, 400),
        ({"body": b'<other xmlns="urn:ietf:params:xml:ns:pidf"/>'}, 400),
        ({"body": b""}, 400),
        ({"body": pidf("open"), "expires": 5}, 423),
    ],
)
@virtual
async def test_what_cannot_be_published(rest: dict[str, Any], status: int) -> None:
    stage = EventStage()
    alice = stage.party()
    stage.extension("1002")
    assert (await publish(stage, alice, **rest)).status == status
    assert stage.events.publications.count == 0
    await stage.settle()


@virtual
async def test_publications_are_bounded_in_size_and_number() -> None:
    stage = EventStage()
    alice = stage.party()
    assert (await publish(stage, alice, pidf("open", "x" * MAX_BODY))).status == 413
    for _ in range(MOST_OF_ONE):
        assert (await publish(stage, alice, pidf("open"), 60)).status == 200
    full = await publish(stage, alice, pidf("open"))
    assert (full.status, full.headers["Retry-After"]) == (503, "60")
    await stage.settle(100)
    assert stage.events.publications.count == 0


@virtual
async def test_all_that_one_extension_publishes_fits_into_a_message() -> None:
    stage = EventStage()
    alice, watcher = stage.party(), stage.watcher("1001", "presence")
    large = "x" * (MAX_BODY - 1000)
    first = await publish(stage, alice, pidf("open", large), 60)
    assert (await publish(stage, alice, pidf("open", large), 60)).status == 200
    assert (await publish(stage, alice, pidf("open", large), 60)).status == 503
    small = await publish(stage, alice, pidf("open"), 60, first.headers["SIP-ETag"])
    assert small.status == 200
    assert (await publish(stage, alice, pidf("open", large), 60)).status == 200
    larger = await publish(stage, alice, pidf("open", large), 60, small.headers["SIP-ETag"])
    assert larger.status == 503
    kept = await publish(stage, alice, b"", 60, small.headers["SIP-ETag"])
    assert kept.status == 200, "what was refused has changed nothing"
    await watcher.subscribe(0)
    assert len((await watcher.hears(1)).body) < 40_000
    await stage.settle(100)
    assert stage.events.publications.size == 0


@virtual
async def test_a_stranger_publishes_nothing() -> None:
    stage = EventStage()
    stranger = stage.party()
    stranger.account = DigestClient(Account("1001", "wrong"))
    assert (await publish(stage, stranger, pidf("open"))).status == 401
    assert stage.events.publications.count == 0
    await stage.settle(100)


@pytest.mark.rfc("3903", "6")
@virtual
async def test_what_several_phones_publish_is_told_together() -> None:
    stage = EventStage()
    alice, watcher = stage.party(), stage.watcher("1001", "presence")
    await publish(stage, alice, pidf("closed", "old"))
    person = '<p:person xmlns:p="urn:ietf:params:xml:ns:pidf:data-model" id="p"/>'
    await publish(stage, alice, pidf("open", "new", extra=person))
    await watcher.subscribe(0)
    await watcher.hears(1)
    body = watcher.bodies[0]
    assert basics(body) == ["open", "closed"], "the latest first"
    identities = re.findall(r'tuple id="([^"]+)"', body)
    assert len(set(identities)) == 2, "ids are told apart"
    assert body.index("tuple") < body.index("note") < body.index("person")
    await stage.settle()


@pytest.mark.rfc("4480", "3.2")
@virtual
async def test_who_talks_is_on_the_phone() -> None:
    stage = EventStage()
    alice, bob = stage.party(), stage.party()
    watcher = stage.watcher("1002", "presence")
    stage.register("1002")
    await watcher.subscribe()
    await stage.connect(alice, bob)
    await asyncio.sleep(3)
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await asyncio.sleep(3)
    assert [basics(body) for body in watcher.bodies] == [["open"]] * len(watcher.bodies)
    talks = ["on-the-phone" in body for body in watcher.bodies]
    assert talks[0] is False
    assert True in talks
    assert talks[-1] is False
    await stage.settle()


# Registrations


@pytest.mark.rfc("3680", "4.7.1")
@virtual
async def test_an_extension_is_told_where_it_is_registered() -> None:
    stage = EventStage()
    watcher = stage.watcher("1001", "reg")
    await watcher.subscribe()
    await watcher.hears(1)
    binding = stage.register("1001")
    await watcher.hears(2)
    stage.register("1001", "192.0.2.2")
    await watcher.hears(3)
    stage.location.remove(binding)
    await watcher.hears(4)
    stage.location.remove(stage.location.of("t1", "1001", stage.wall())[0], "expired")
    await watcher.hears(5)
    await watcher.subscribe()
    await watcher.hears(6)
    registrations = [re.search(r'id="1001" state="(\w+)"', body) for body in watcher.bodies]
    assert [found[1] for found in registrations if found] == [
        "init",
        "active",
        "active",
        "active",
        "terminated",
        "init",
    ]
    contacts = [
        re.findall(r'<contact id="1001-([0-9.]+)" state="(\w+)" event="(\w+)"', b) for b in watcher.bodies
    ]
    first, second = "192.0.2.1", "192.0.2.2"
    assert contacts[1] == [(first, "active", "registered")]
    assert sorted(contacts[2]) == [(first, "active", "registered"), (second, "active", "registered")]
    assert contacts[3] == [(second, "active", "registered"), (first, "terminated", "unregistered")]
    assert contacts[4] == [(second, "terminated", "expired")]
    assert contacts[5] == []
    assert [re.search(r'version="(\d+)" state="full"', body) is not None for body in watcher.bodies] == [
        True
    ] * 6
    assert re.findall(r'version="(\d+)" state', "".join(watcher.bodies)) == ["0", "1", "2", "3", "4", "5"]
    await stage.settle()


# Waiting messages that nobody asked about


class Lamp:
    """A phone's door for NOTIFY outside of dialogs."""

    methods = frozenset({"NOTIFY"})

    def __init__(self, party: Party) -> None:
        self.heard: list[Request] = []
        party.endpoint.set_doors([party, self])

    def claim(self, incoming: Incoming, _flow: Flow) -> bool:
        incoming.begin()
        self.heard.append(incoming.request)
        incoming.respond(200)
        return True


@pytest.mark.rfc("3842", "5.2")
@virtual
async def test_phones_that_did_not_subscribe_are_told_where_that_is_wanted() -> None:
    stage = EventStage(policy=EventPolicy(MINUTE, unsolicited=True))
    lamp = Lamp(stage.party())
    stage.events.mailboxes.put("t1", "1001", Waiting(2, 8))
    await asyncio.sleep(1)
    (told,) = lamp.heard
    assert told.headers["Event"] == "message-summary"
    assert told.headers["Subscription-State"] == "active"
    assert b"Voice-Message: 2/8 (0/0)\r\n" in told.body
    assert told.to_tag is None
    stage.events.mailboxes.put("t1", "1001", Waiting(2, 8))
    await asyncio.sleep(1)
    assert len(lamp.heard) == 1, "what has not changed is not told"
    target = stage.contacts["1001"][0].uri
    binding = stage.register("1001")
    binding.contact = target
    stage.location.remove(binding)
    stage.location.add(binding)
    await asyncio.sleep(1)
    assert len(lamp.heard) == 2, "a phone that comes is told what waits"
    stage.events.policy = EventPolicy(MINUTE)
    await stage.settle()


@virtual
async def test_by_default_only_subscribers_are_told() -> None:
    stage = EventStage()
    lamp = Lamp(stage.party())
    stage.events.mailboxes.put("t1", "1001", Waiting(1))
    await stage.settle(10)
    assert not lamp.heard


@virtual
async def test_who_has_subscribed_is_told_once() -> None:
    stage = EventStage(policy=EventPolicy(MINUTE, unsolicited=True))
    watcher = stage.watcher("1001", "message-summary")
    lamp = Lamp(watcher.party)
    await watcher.subscribe()
    await watcher.hears(1)
    await asyncio.sleep(2)
    stage.events.mailboxes.put("t1", "1001", Waiting(1))
    await watcher.hears(2)
    assert not lamp.heard
    stage.events.policy = EventPolicy(MINUTE)
    await stage.settle()
