"""Subscriptions in virtual time: how they begin, are refreshed, are told of changes, and end (RFC 6665)."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.link.memory_network import Weather
from tests.link.stage import HOST
from tests.link.virtual_time import virtual
from tests.link.watching import MINUTE, EventStage, Watcher
from trunkline.pbx.events.message_summary import Waiting
from trunkline.pbx.events.plane import EventPolicy
from trunkline.proto.sip.digest_client import Account, DigestClient
from trunkline.ua.subscriptions import NotifierPolicy

MWI = "message-summary"

pytestmark = pytest.mark.rule("T-38")


def mailbox(stage: EventStage, new: int, number: str = "1001") -> None:
    """So many messages wait."""
    stage.events.mailboxes.put("t1", number, Waiting(new))


def voices(watcher: Watcher) -> list[str]:
    """The counts of each NOTIFY."""
    return re.findall(r"Voice-Message: (\S+)", "".join(watcher.bodies))


# Beginning


@pytest.mark.rfc("6665", "4.2.1")
@virtual
async def test_a_subscription_is_granted_and_told_the_state_at_once() -> None:
    stage = EventStage()
    watcher = stage.watcher("1001", MWI)
    response = await watcher.subscribe(600)
    assert response.status == 200
    assert response.headers["Expires"] == "600"
    assert response.headers["Contact"].startswith("<sip:")
    assert response.to_tag
    first = await watcher.hears(1)
    assert first.headers["Event"] == MWI
    assert first.headers["Subscription-State"] == "active;expires=600"
    assert first.headers["Content-Type"] == "application/simple-message-summary"
    assert first.headers["Contact"] == response.headers["Contact"]
    assert first.body.startswith(b"Messages-Waiting: no\r\n")
    assert watcher.at[0] - stage.loop.time() < 0.1
    assert stage.told == [("1001", "subscribe.begun")]
    await watcher.subscribe(0)
    await stage.settle()


@pytest.mark.rfc("6665", "8.2.1")
@virtual
async def test_the_id_of_an_event_is_repeated_and_tells_subscriptions_apart() -> None:
    stage = EventStage()
    watcher = stage.watcher("1001", f"{MWI};id=a7;x=y")
    assert (await watcher.subscribe()).status == 200
    assert (await watcher.hears(1)).headers["Event"] == f"{MWI};id=a7"
    assert (await watcher.subscribe(event=f"{MWI};id=b")).status == 403, "no second usage shares a dialog"
    assert (await watcher.subscribe()).status == 200
    await watcher.hears(2)
    await stage.settle()


@pytest.mark.rfc("6665", "4.4.3")
@virtual
async def test_a_fetch_is_told_the_state_once() -> None:
    stage = EventStage()
    mailbox(stage, 3)
    watcher = stage.watcher("1001", MWI)
    response = await watcher.subscribe(0)
    assert (response.status, response.headers["Expires"]) == (200, "0")
    await watcher.hears(1)
    assert watcher.states == ["terminated;reason=timeout"]
    assert voices(watcher) == ["3/0"]
    await stage.settle(100)


@pytest.mark.rfc("6665", "4.2.1.1")
@virtual
async def test_too_brief_is_423_and_too_long_is_cut() -> None:
    stage = EventStage()
    watcher = stage.watcher("1001", MWI)
    brief = await watcher.subscribe(59)
    assert (brief.status, brief.headers["Min-Expires"]) == (423, "60")
    assert (await watcher.subscribe(10**6)).headers["Expires"] == "3600"
    assert (await watcher.subscribe(None)).headers["Expires"] == "600"
    assert (await watcher.subscribe(1)).status == 423, "neither may a refresh be too brief"
    await stage.settle()


@pytest.mark.rfc("6665", "4.2.1.1")
@pytest.mark.parametrize("event", ["conference", "Conference;id=1"])
@virtual
async def test_an_unknown_package_is_a_bad_event_and_the_known_ones_are_told(event: str) -> None:
    stage = EventStage()
    response = await stage.watcher("1001", event).subscribe()
    assert response.status == 489
    assert response.headers["Allow-Events"] == "dialog, message-summary, presence, reg"
    await stage.settle()


@virtual
async def test_a_malformed_event_is_a_bad_request() -> None:
    stage = EventStage()
    assert (await stage.watcher("1001", "two words").subscribe()).status == 400
    await stage.settle()


@pytest.mark.rfc("6665", "3.1.3")
@virtual
async def test_who_takes_no_such_document_gets_406() -> None:
    stage = EventStage()
    refused = await stage.watcher("1001", MWI, accept="application/pidf+xml, text/*").subscribe()
    assert (refused.status, refused.headers["Accept"]) == (406, "application/simple-message-summary")
    for accept in ("application/*", "*/*;q=0.1", "text/plain, Application/Simple-Message-Summary"):
        watcher = stage.watcher(f"{1000 + len(stage.parties) + 1}", MWI, accept=accept)
        assert (await watcher.subscribe(0)).status == 200
        await watcher.hears(1)
    await stage.settle()


@pytest.mark.parametrize(
    ("number", "event", "status"),
    [("4711", "dialog", 404), ("9196", "presence", 404), ("1002", "reg", 403), ("1002", MWI, 403)],
)
@virtual
async def test_what_nobody_may_watch(number: str, event: str, status: int) -> None:
    stage = EventStage()
    watcher = stage.watcher(number, event)
    stage.extension("1002")
    assert (await watcher.subscribe()).status == status
    assert stage.told == [("1001", "subscribe.refused")]
    await stage.settle(100)


@pytest.mark.rfc("3261", "22")
@virtual
async def test_a_stranger_is_challenged_and_learns_nothing() -> None:
    stage = EventStage()
    statuses = []
    for number, event in (("1001", "dialog"), ("4711", "dialog"), ("1001", "nonsense")):
        stranger = stage.watcher(number, event)
        stranger.party.account = DigestClient(Account("1001", "wrong"))
        statuses.append((await stranger.subscribe()).status)
    assert statuses == [401, 401, 401]
    assert set(stage.strangers) == {party.host for party in stage.parties}
    assert not stage.told
    await stage.settle(100)


@virtual
async def test_a_foreign_domain_scheme_or_extension_is_refused() -> None:
    stage = EventStage()
    watcher = stage.watcher("1001", MWI)
    assert (await watcher.subscribe(uri="tel:1001")).status == 416
    refused = await watcher.subscribe(extra="Require: nonsense\r\n")
    assert (refused.status, refused.headers["Unsupported"]) == (420, "nonsense")
    await stage.settle(100)


# Changes


@pytest.mark.rfc("6665", "4.2.2")
@virtual
async def test_changes_are_told_at_most_once_a_second_and_the_latest_wins() -> None:
    stage = EventStage()
    watcher = stage.watcher("1001", MWI)
    await watcher.subscribe()
    await watcher.hears(1)
    await asyncio.sleep(5)
    for count in (1, 2, 3, 4):
        mailbox(stage, count)
        await asyncio.sleep(0.1)
    await watcher.hears(3)
    await asyncio.sleep(5)
    assert voices(watcher) == ["0/0", "1/0", "4/0"]
    assert watcher.at[2] - watcher.at[1] >= 1.0
    await stage.settle()


@virtual
async def test_what_changes_and_changes_back_is_not_told() -> None:
    stage = EventStage()
    watcher = stage.watcher("1001", MWI)
    await watcher.subscribe()
    await watcher.hears(1)
    await asyncio.sleep(5)
    stage.events.notifier.changed(MWI, "t1", "1001")
    await asyncio.sleep(5)
    assert len(watcher.heard) == 1
    await stage.settle()


@pytest.mark.rfc("6665", "4.2.2")
@virtual
async def test_one_notify_is_on_its_way_at_a_time() -> None:
    stage = EventStage()
    watcher = stage.watcher("1001", MWI)
    watcher.answers = 0
    await watcher.subscribe()
    await watcher.hears(1)
    for count in (1, 2, 3):
        mailbox(stage, count)
        await asyncio.sleep(2)
    await watcher.subscribe()
    assert len({one.cseq[0] for one in watcher.heard}) == 1
    watcher.answers = 200
    await stage.settle()


@virtual
async def test_a_change_while_a_notify_is_on_its_way_is_told_after_it() -> None:
    stage = EventStage()
    watcher = stage.watcher("1001", MWI)
    watcher.on_notify = lambda _request: mailbox(stage, 1)
    await watcher.subscribe()
    await watcher.hears(2)
    assert voices(watcher) == ["0/0", "1/0"]
    assert watcher.at[1] - watcher.at[0] >= 1.0
    await stage.settle()


# Refreshes


@pytest.mark.rfc("6665", "4.2.1")
@virtual
async def test_a_refresh_while_a_notify_is_on_its_way_is_told_right_after_it() -> None:
    stage = EventStage()
    watcher = stage.watcher("1001", MWI)
    watcher.answers = 0
    await watcher.subscribe()
    await watcher.hears(1)
    await watcher.subscribe()
    assert len(watcher.heard) == 1
    watcher.heard.clear()
    watcher.at.clear()
    watcher.late(200)
    await watcher.hears(1, 0.1)
    watcher.late(200)
    await stage.settle()


@pytest.mark.rfc("6665", "4.2.1")
@virtual
async def test_a_refresh_is_told_the_full_state_at_once_and_prolongs() -> None:
    stage = EventStage()
    watcher = stage.watcher("1001", MWI)
    await watcher.subscribe(60)
    for _ in range(4):
        await asyncio.sleep(50)
        assert (await watcher.subscribe(60)).status == 200
    await watcher.hears(5)
    assert watcher.states == ["active;expires=60"] * 5
    assert voices(watcher) == ["0/0"] * 5
    assert stage.told == [("1001", "subscribe.begun")], "refreshes have no story"
    await asyncio.sleep(70)
    assert watcher.states[-1] == "terminated;reason=timeout"
    await stage.settle()


@pytest.mark.rfc("3261", "22.4")
@virtual
async def test_a_refresh_is_challenged_too_and_nobody_else_may_send_it() -> None:
    stage = EventStage()
    watcher = stage.watcher("1001", MWI)
    stage.extension("1009")
    await watcher.subscribe()
    await watcher.hears(1)
    before = len(stage.sent(HOST, "SIP/2.0 401"))
    right = watcher.party.account
    watcher.party.account = None
    assert (await watcher.subscribe()).status == 401
    watcher.party.account = DigestClient(Account("1009", "correct horse battery"))
    assert (await watcher.subscribe(0)).status == 403
    assert len(stage.sent(HOST, "SIP/2.0 401")) > before
    watcher.party.account = right
    assert (await watcher.subscribe()).status == 200
    await watcher.hears(2)
    await stage.settle()


@pytest.mark.rfc("3261", "12.2.2")
@virtual
async def test_a_refresh_moves_the_target_and_an_old_one_is_refused() -> None:
    stage = EventStage()
    watcher = stage.watcher("1001", MWI)
    await watcher.subscribe()
    await watcher.hears(1)
    await watcher.subscribe(contact="<sip:moved@10.0.0.1>")
    assert (await watcher.hears(2)).uri == "sip:moved@10.0.0.1"
    watcher.cseq = 0
    assert (await watcher.subscribe()).status == 500
    await stage.settle()


@virtual
async def test_other_requests_within_the_dialog_are_not_allowed() -> None:
    stage = EventStage()
    watcher = stage.watcher("1001", MWI)
    await watcher.subscribe()
    refused = await watcher.subscribe(method="INFO")
    assert (refused.status, refused.headers["Allow"]) == (405, "SUBSCRIBE")
    await stage.settle()


# Endings


@pytest.mark.rfc("6665", "4.2.1.4")
@virtual
async def test_who_unsubscribes_is_told_the_state_a_last_time() -> None:
    stage = EventStage()
    watcher = stage.watcher("1001", MWI)
    await watcher.subscribe()
    await watcher.hears(1)
    response = await watcher.subscribe(0)
    assert (response.status, response.headers["Expires"]) == (200, "0")
    last = await watcher.hears(2)
    assert watcher.states[-1] == "terminated;reason=timeout"
    assert last.body
    assert (await watcher.subscribe()).status == 481
    await stage.settle(100)


@pytest.mark.rfc("6665", "4.2.2")
@virtual
async def test_a_subscription_that_nobody_refreshes_expires() -> None:
    stage = EventStage()
    watcher = stage.watcher("1001", MWI)
    await watcher.subscribe(60)
    begun = stage.loop.time()
    await watcher.hears(2, 70)
    assert 59.9 <= stage.loop.time() - begun <= 61
    assert watcher.states[-1] == "terminated;reason=timeout"
    mailbox(stage, 1)
    await stage.settle(100)
    assert len(watcher.heard) == 2


@pytest.mark.rfc("5057", "5.1")
@pytest.mark.parametrize(
    ("status", "stays"), [(481, False), (489, False), (404, False), (405, False), (500, True), (403, True)]
)
@virtual
async def test_what_a_refused_notify_means_for_the_subscription(status: int, stays: bool) -> None:
    stage = EventStage()
    watcher = stage.watcher("1001", MWI)
    watcher.answers = status
    await watcher.subscribe(60)
    await watcher.hears(1)
    await asyncio.sleep(2)
    assert bool(stage.events.notifier.count) is stays
    watcher.answers = 200
    mailbox(stage, 1)
    await asyncio.sleep(2)
    assert len(watcher.heard) == (2 if stays else 1)
    await stage.settle(200)


@pytest.mark.rfc("6665", "4.2.2")
@virtual
async def test_a_notify_that_nobody_answers_ends_the_subscription() -> None:
    stage = EventStage()
    watcher = stage.watcher("1001", MWI)
    await watcher.subscribe(3600)
    await watcher.hears(1)
    await asyncio.sleep(2)
    watcher.answers = 0
    mailbox(stage, 1)
    await asyncio.sleep(31)
    assert stage.events.notifier.count == 1
    await asyncio.sleep(2)
    assert stage.events.notifier.count == 0
    assert (await watcher.subscribe()).status == 481
    await stage.settle(100)


@pytest.mark.rfc("3261", "20.33")
@virtual
async def test_who_asks_to_wait_is_told_later() -> None:
    stage = EventStage()
    watcher = stage.watcher("1001", MWI)
    watcher.answers, watcher.extra = 503, "Retry-After: 30 (busy)\r\n"
    await watcher.subscribe()
    await watcher.hears(1)
    watcher.answers = 200
    await watcher.hears(2)
    assert 30 <= watcher.at[1] - watcher.at[0] < 32
    await stage.settle()


@pytest.mark.rfc("6665", "4.1.3")
@virtual
async def test_a_stop_asks_all_to_come_again_and_takes_no_new_ones() -> None:
    stage = EventStage()
    watcher, late = stage.watcher("1001", MWI), stage.watcher("1002", MWI)
    await watcher.subscribe()
    await watcher.hears(1)
    await stage.events.stop()
    await watcher.hears(2)
    assert watcher.states[-1] == "terminated;reason=deactivated"
    refused = await late.subscribe()
    assert (refused.status, refused.headers["Retry-After"]) == (503, "60")
    await stage.settle(100)


@virtual
async def test_a_stop_waits_for_the_notify_that_is_on_its_way() -> None:
    stage = EventStage()
    watcher = stage.watcher("1001", MWI)
    await watcher.subscribe()
    await stage.events.stop()
    await watcher.hears(2)
    assert watcher.states == ["active;expires=600", "terminated;reason=deactivated"]
    await stage.settle(100)


@pytest.mark.rfc("6665", "4.1.3")
@virtual
async def test_who_is_removed_watches_nobody_and_is_watched_by_nobody() -> None:
    stage = EventStage()
    watcher, other = stage.watcher("1002"), stage.watcher("1001")
    for each in (watcher, other):
        await each.subscribe()
        await each.hears(1)
    stage.directory.remove("t1", "1002")
    stage.events.gone("t1", "1002")
    for each in (watcher, other):
        await each.hears(2)
        assert each.states[-1] == "terminated;reason=noresource"
    await stage.settle(100)


# Bounds


@virtual
async def test_one_extension_a_tenant_and_the_exchange_have_so_many_at_most() -> None:
    stage = EventStage(policy=EventPolicy(NotifierPolicy(per_extension=1, per_tenant=2, in_all=50)))
    alice, bob, carol = (stage.watcher("1001") for _ in range(3))
    assert (await alice.subscribe()).status == 200
    again = Watcher(stage, alice.party, "1001")
    refused = await again.subscribe()
    assert (refused.status, refused.reason) == (403, "Too Many Subscriptions")
    assert (await bob.subscribe()).status == 200
    full = await carol.subscribe()
    assert (full.status, full.headers["Retry-After"]) == (503, "60")
    assert stage.events.notifier.counters.refused == 2
    await stage.settle(4000)


@virtual
async def test_many_watchers_of_one_extension_are_told_in_turns() -> None:
    stage = EventStage(policy=EventPolicy(NotifierPolicy(per_extension=500)))
    first = stage.watcher("1001")
    party = first.party
    watchers = [first, *(Watcher(stage, party, "1001") for _ in range(299))]
    for watcher in watchers:
        assert (await watcher.subscribe()).status == 200
    await asyncio.sleep(5)
    before = stage.events.notifier.counters.notified
    stage.events.sources.published("t1", "1001")
    stage.register("1001")
    stage.events.notifier.changed("dialog", "t1", "1001")
    assert stage.events.notifier.counters.notified - before == 200, "then calls have a turn"
    await asyncio.sleep(5)
    assert stage.events.notifier.counters.notified - before == 300
    assert {len(watcher.heard) for watcher in watchers} == {2}
    await stage.settle()


# Under loss


@pytest.mark.parametrize("seed", range(15))
@virtual
async def test_under_loss_the_last_state_arrives(seed: int) -> None:
    stage = EventStage(Weather(loss=0.2, duplicate=0.1, late=0.2), seed)
    watcher = stage.watcher("1001", MWI)
    if (await watcher.subscribe()).status == 200:
        for count in range(1, 6):
            mailbox(stage, count)
            await asyncio.sleep(3)
        await asyncio.sleep(40)
        if stage.events.notifier.count:
            assert voices(watcher)[-1] == "5/0"
        numbers = [one.cseq[0] for one in watcher.heard]
        assert numbers == sorted(set(numbers)), "what is repeated is one NOTIFY"
    stage.network.weather = Weather()
    await stage.settle()


def test_the_policy_of_these_tests_is_the_usual_one() -> None:
    assert MINUTE.interval_s == NotifierPolicy().interval_s == 1.0
