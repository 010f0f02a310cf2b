"""Lists of extensions under one subscription, in virtual time (RFC 4662)."""

from __future__ import annotations

import asyncio
import email
import re
from email.message import Message

import pytest

from tests.link.stage import DOMAIN
from tests.link.virtual_time import virtual
from tests.link.watching import MINUTE, EventStage, Watcher
from trunkline.model.extension import Extension
from trunkline.pbx.events.plane import EventPolicy
from trunkline.proto.sip.message import Request

pytestmark = [pytest.mark.rule("T-38"), pytest.mark.rfc("4662", "5")]

POLICY = EventPolicy(MINUTE, lists={(DOMAIN, "desk"): ("1001", "1002", "1009")})
KNOWS = "Supported: eventlist\r\n"


def parts(notify: Request) -> list[Message]:
    """The parts of a list's document, as any reader of MIME has them."""
    head = f"MIME-Version: 1.0\r\nContent-Type: {notify.headers['Content-Type']}\r\n\r\n"
    read = email.message_from_bytes(head.encode() + notify.body)
    assert read.is_multipart()
    payload = read.get_payload()
    assert isinstance(payload, list)
    return payload  # type: ignore[return-value]


def text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


async def watched(event: str = "dialog") -> tuple[EventStage, Watcher]:
    """1003 watches the list desk; alice and bob are in it, and 1009, whom there is not."""
    stage = EventStage(policy=POLICY)
    stage.party(), stage.party()
    watcher = stage.watcher("desk", event)
    response = await watcher.subscribe(extra=KNOWS)
    assert response.status == 200
    assert response.headers["Require"] == "eventlist"
    await watcher.hears(1)
    return stage, watcher


@virtual
async def test_a_list_is_told_whole_with_who_is_missing() -> None:
    stage, watcher = await watched()
    first = watcher.heard[0]
    assert first.headers["Require"] == "eventlist"
    assert first.headers["Content-Type"].startswith('multipart/related;type="application/rlmi+xml";')
    rlmi, *bodies = parts(first)
    assert rlmi.get_content_type() == "application/rlmi+xml"
    assert f'uri="sip:desk@{DOMAIN}" version="0" fullState="true"' in text(rlmi)
    assert re.findall(r'resource uri="sip:(\d+)@[^"]+"><instance id="1" state="(\w+)"', text(rlmi)) == [
        ("1001", "active"),
        ("1002", "active"),
        ("1009", "terminated"),
    ]
    named = re.findall(r'cid="([^"]+)"', text(rlmi))
    assert [part["Content-ID"] for part in bodies] == [f"<{cid}>" for cid in named]
    assert {part.get_content_type() for part in bodies} == {"application/dialog-info+xml"}
    await stage.settle()


@virtual
async def test_a_call_of_a_member_is_told_and_each_member_has_its_versions() -> None:
    stage, watcher = await watched()
    alice, bob, _ = stage.parties
    await stage.connect(alice, bob)
    await asyncio.sleep(3)
    bodies = [text(part) for part in parts(watcher.heard[-1])]
    assert [body.count("<state>confirmed</state>") for body in bodies] == [0, 1, 1]
    assert f'version="{len(watcher.heard) - 1}"' in bodies[1]
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_members_that_come_and_go_are_told() -> None:
    stage, watcher = await watched("presence")
    stage.directory.put(Extension("t1", "9", "1009", "Carol", "secret enough"))
    stage.register("1009")
    await watcher.hears(2)
    assert "terminated" not in text(parts(watcher.heard[1])[0])
    assert "open" in text(parts(watcher.heard[1])[3])
    stage.directory.remove("t1", "1009")
    stage.events.gone("t1", "1009")
    await watcher.hears(3)
    assert len(parts(watcher.heard[2])) == 3
    await stage.settle()


@virtual
async def test_who_does_not_know_lists_is_asked_to() -> None:
    stage = EventStage(policy=POLICY)
    watcher = stage.watcher("desk")
    refused = await watcher.subscribe()
    assert (refused.status, refused.headers["Require"]) == (421, "eventlist")
    assert (await stage.watcher("nowhere").subscribe(extra=KNOWS)).status == 404
    assert (await stage.watcher("desk", "message-summary").subscribe(extra=KNOWS)).status == 403
    await stage.settle(100)


@virtual
async def test_the_end_of_a_list_is_the_end_of_all_its_watching() -> None:
    stage, watcher = await watched()
    assert len(stage.events.notifier.watchers("dialog", "t1", "1002")) == 1
    await watcher.subscribe(0)
    await watcher.hears(2)
    assert watcher.states[-1] == "terminated;reason=timeout"
    await asyncio.sleep(1)
    assert not stage.events.notifier.watchers("dialog", "t1", "1002")
    await stage.settle()
