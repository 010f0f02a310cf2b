"""Two tenants with the same numbers: neither watches, tells or publishes anything of the other."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.stage import DOMAIN, PASSWORD
from tests.link.test_presence import pidf, publish
from tests.link.virtual_time import virtual
from tests.link.watching import EventStage, Watcher
from trunkline.model.extension import Extension
from trunkline.model.tenant import Tenant
from trunkline.pbx.events.message_summary import Waiting
from trunkline.proto.sip.digest_client import Account, DigestClient

OTHER = "other.test"
EVENTS = ("dialog", "presence", "reg", "message-summary")

pytestmark = [pytest.mark.rule("T-33"), pytest.mark.rule("T-38")]


def two_tenants() -> EventStage:
    """The stage's tenant, and another with an extension 1001 that has a password of its own."""
    stage = EventStage()
    stage.directory.put_tenant(stage.directory.entry_of(Tenant("t2", "Other", (OTHER,))))
    stage.directory.put(Extension("t2", "1001", "1001", "Somebody else", "another secret"))
    return stage


def stranger(stage: EventStage, event: str) -> Watcher:
    """A phone of the other tenant."""
    watcher = stage.watcher("1001", event)
    watcher.party.account = DigestClient(Account("1001", "another secret"))
    return watcher


@pytest.mark.parametrize("event", EVENTS)
@virtual
async def test_a_phone_of_one_tenant_may_not_watch_those_of_another(event: str) -> None:
    stage = two_tenants()
    watcher = stranger(stage, event)
    assert (await watcher.subscribe(uri=f"sip:1001@{DOMAIN}")).status == 401
    assert (await watcher.subscribe(uri=f"sip:1001@{OTHER}")).status == 200
    await watcher.hears(1)
    await asyncio.sleep(3)
    stage.register("1001")
    stage.events.mailboxes.put("t1", "1001", Waiting(1))
    alice = stage.party("1001")
    alice.account = DigestClient(Account("1001", PASSWORD))
    mine = f"sip:1001@{DOMAIN}"
    assert (await publish(stage, alice, pidf("open"), 60, uri=mine)).status == 200
    await asyncio.sleep(5)
    assert len(watcher.heard) == 1, "equal numbers are not the same extension"
    theirs = stage.register("1001", "192.0.2.2", tenant="t2")
    stage.events.mailboxes.put("t2", "1001", Waiting(2))
    await watcher.hears(2)
    assert "192.0.2.1" not in "".join(watcher.bodies)
    assert (theirs.contact in watcher.bodies[-1]) is (event == "reg")
    assert ("Voice-Message: 2/0" in watcher.bodies[-1]) is (event == "message-summary")
    await stage.settle()


@virtual
async def test_a_subscription_of_one_tenant_is_not_refreshed_by_another() -> None:
    stage = two_tenants()
    watcher = stage.watcher("1001", "message-summary")
    assert (await watcher.subscribe(uri=f"sip:1001@{DOMAIN}")).status == 200
    right = watcher.party.account
    watcher.party.account = DigestClient(Account("1001", "another secret"))
    assert (await watcher.subscribe(0)).status == 401
    assert stage.events.notifier.count == 1
    watcher.party.account = right
    assert (await watcher.subscribe(0)).status == 200
    await stage.settle()


@virtual
async def test_nobody_publishes_for_an_extension_of_another_tenant() -> None:
    stage = two_tenants()
    watcher = stranger(stage, "presence")
    refused = await publish(stage, watcher.party, pidf("open"), 60, uri=f"sip:1001@{DOMAIN}")
    assert refused.status == 401
    assert (await publish(stage, watcher.party, pidf("open"), 60, uri=f"sip:1001@{OTHER}")).status == 200
    assert not stage.events.publications.of("t1", "1001")
    await stage.settle(100)


@virtual
async def test_a_stranger_gets_the_same_bytes_for_every_number() -> None:
    stage = two_tenants()
    answers = set()
    for number in ("1001", "4711", "9196", "%00", "a" * 60):
        party = stage.party()
        party.account = None
        watcher = Watcher(stage, party, "1001")
        response = await watcher.subscribe(uri=f"sip:{number}@{DOMAIN}")
        challenge = response.headers["WWW-Authenticate"]
        answers.add((response.status, response.reason, len(challenge), tuple(response.headers)))
    assert len(answers) == 1
    await stage.settle(100)
