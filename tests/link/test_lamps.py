"""Lamps in virtual time: what the ``dialog`` package says of an extension's calls (RFC 4235), and pickup by it."""

from __future__ import annotations

import asyncio
from xml.etree.ElementTree import Element, fromstring

import pytest

from tests.link.phones import Party
from tests.link.stage import DOMAIN, Stage
from tests.link.virtual_time import virtual
from tests.link.watching import MINUTE, EventStage, Watcher
from trunkline.pbx.events.plane import EventPolicy

pytestmark = pytest.mark.rule("T-38")

NS = "{urn:ietf:params:xml:ns:dialog-info}"


class Lamp:
    """What a phone makes of one document."""

    def __init__(self, body: str) -> None:
        self.root = fromstring(body)  # noqa: S314  (our own document)
        self.version = int(self.root.get("version", "-1"))
        self.dialogs = self.root.findall(f"{NS}dialog")

    @property
    def states(self) -> list[str]:
        return [one.findtext(f"{NS}state", "") for one in self.dialogs]

    @property
    def directions(self) -> list[str | None]:
        return [one.get("direction") for one in self.dialogs]

    @property
    def remotes(self) -> list[tuple[str | None, str | None]]:
        """Name and URI of who is at the other end."""
        found: list[Element | None] = [one.find(f"{NS}remote/{NS}identity") for one in self.dialogs]
        return [(one.get("display"), one.text) if one is not None else (None, None) for one in found]

    @property
    def is_registered(self) -> bool:
        pidf = "{urn:ietf:params:xml:ns:pidf}"
        return self.root.findtext(f"{pidf}tuple/{pidf}status/{pidf}basic") != "closed"


def lamps(watcher: Watcher) -> list[Lamp]:
    """Each document that a watcher has; they are all full, and count up from 0."""
    read = [Lamp(body) for body in watcher.bodies if body]
    assert [one.version for one in read] == list(range(len(read)))
    assert {one.root.get("state") for one in read} <= {"full"}
    assert {one.root.get("entity") for one in read} <= {f"sip:{watcher.number}@{DOMAIN}"}
    return read


async def watched(stage: EventStage | None = None) -> tuple[EventStage, Party, Party, Watcher]:
    """Alice, Bob, who is registered, and a third who watches him."""
    stage = stage or EventStage()
    alice, bob = stage.party(), stage.party()
    stage.register("1002")
    watcher = stage.watcher("1002")
    await watcher.subscribe()
    await watcher.hears(1)
    await asyncio.sleep(2)
    return stage, alice, bob, watcher


@pytest.mark.rfc("4235", "3.7.1")
@virtual
async def test_a_lamp_shows_idle_ringing_busy_and_idle_again() -> None:
    stage, alice, bob, watcher = await watched()
    bob.rings_s = 5.0
    await stage.connect(alice, bob)
    await asyncio.sleep(5)
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await asyncio.sleep(5)
    read = lamps(watcher)
    assert read[0].states == []
    assert read[-1].states == ["terminated"]
    seen = [one.states[0] for one in read if one.states]
    assert [state for at, state in enumerate(seen) if state not in seen[:at]] in (
        ["trying", "early", "confirmed", "terminated"],
        ["early", "confirmed", "terminated"],
    )
    assert {tuple(one.directions) for one in read} == {(), ("recipient",)}
    assert read[-1].remotes == [("Number 1001", f"sip:1001@{DOMAIN}")]
    await watcher.subscribe()
    await watcher.hears(len(read) + 1)
    assert lamps(watcher)[-1].states == [], "what is over is told once"
    await stage.settle()


@pytest.mark.rfc("4235", "4.1.6")
@virtual
async def test_the_callers_lamp_shows_whom_it_calls() -> None:
    stage = EventStage()
    alice, bob = stage.party(), stage.party()
    bob.rings_s = 4.0
    watcher = stage.watcher("1001")
    await watcher.subscribe()
    await stage.connect(alice, bob)
    await asyncio.sleep(2)
    read = lamps(watcher)
    assert {tuple(one.directions) for one in read} == {(), ("initiator",)}
    assert {"early", "confirmed"} <= {state for one in read for state in one.states}
    assert read[-1].remotes == [("Number 1002", f"sip:1002@{DOMAIN}")]
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("4235", "4.3")
@pytest.mark.rfc("4235", "3.8")
@virtual
async def test_a_refresh_has_the_full_state_and_each_subscription_counts_for_itself() -> None:
    stage, alice, bob, watcher = await watched()
    await stage.connect(alice, bob)
    other = stage.watcher("1002")
    await other.subscribe()
    await other.hears(1)
    assert [one.version for one in lamps(other)] == [0]
    await asyncio.sleep(3)
    count = len(watcher.heard)
    await watcher.subscribe()
    await watcher.hears(count + 1)
    assert lamps(watcher)[-1].states == ["confirmed"]
    assert lamps(watcher)[-1].version == count
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_who_is_not_registered_is_told_apart_from_who_is_idle() -> None:
    stage, _alice, _bob, watcher = await watched()
    assert lamps(watcher)[0].is_registered
    binding = stage.location.of("t1", "1002", stage.wall())[0]
    stage.location.remove(binding, "expired")
    await watcher.hears(2)
    assert not lamps(watcher)[1].is_registered
    assert lamps(watcher)[1].states == []
    stage.register("1002")
    await watcher.hears(3)
    assert lamps(watcher)[2].is_registered
    await stage.settle()


@pytest.mark.rule("T-36")
@virtual
async def test_all_phones_that_ring_are_shown_with_the_ids_of_their_own_legs() -> None:
    stage, alice, bob, watcher = await watched()
    carol = stage.party("1002", answers=False)
    bob.answers = False
    stage.dial(alice, "1002")
    await alice.until("180")
    await asyncio.sleep(3)
    dialogs = lamps(watcher)[-1].dialogs
    for party in (bob, carol):
        dialog = party.dialogue.dialog
        assert dialog is not None
        ids = (dialog.call_id, dialog.local_tag, dialog.remote_tag)
        assert ids in [(one.get("call-id"), one.get("local-tag"), one.get("remote-tag")) for one in dialogs]
    alice.dialogue.hang_up()
    await alice.until("failed 487")
    await stage.settle()


@pytest.mark.rfc("3891", "3")
@pytest.mark.parametrize("swapped", [False, True])
@virtual
async def test_a_ringing_call_is_picked_up_by_what_the_lamp_says(swapped: bool) -> None:
    stage, alice, bob, watcher = await watched()
    bob.answers = False
    stage.dial(alice, "1002")
    await alice.until("180")
    await asyncio.sleep(3)
    (dialog,) = lamps(watcher)[-1].dialogs
    tags = [dialog.get("remote-tag"), dialog.get("local-tag")]
    to_tag, from_tag = tags[::-1] if swapped else tags
    carol = watcher.party
    replaces = f"Replaces: {dialog.get('call-id')};to-tag={to_tag};from-tag={from_tag}\r\n"
    stage.dial(carol, "1002", extra=replaces)
    await carol.until("answered")
    await alice.until("answered")
    await bob.until("cancelled")
    await asyncio.sleep(3)
    assert lamps(watcher)[-1].states == ["terminated"]
    carol.dialogue.hang_up()
    await alice.until("ended bye")
    await stage.settle()


@virtual
async def test_where_callers_are_not_shown_only_the_extension_itself_sees_them() -> None:
    stage = EventStage(policy=EventPolicy(MINUTE, shows_callers=False))
    stage, alice, bob, watcher = await watched(stage)
    own = Watcher(stage, bob, "1002")
    await own.subscribe()
    await stage.connect(alice, bob)
    await asyncio.sleep(3)
    assert lamps(watcher)[-1].states == ["confirmed"]
    assert lamps(watcher)[-1].remotes == [(None, None)]
    assert "1001" not in watcher.bodies[-1]
    assert lamps(own)[-1].remotes == [("Number 1001", f"sip:1001@{DOMAIN}")]
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3323", "4.2")
@virtual
async def test_a_caller_who_wants_to_stay_unknown_is_not_shown() -> None:
    stage, alice, bob, watcher = await watched()
    stage.dial(alice, "1002", extra="Privacy: id\r\n")
    await alice.until("answered")
    await asyncio.sleep(3)
    assert lamps(watcher)[-1].states == ["confirmed"]
    assert "1001" not in watcher.bodies[-1]
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await stage.settle()


@virtual
async def test_an_own_service_is_a_call_too() -> None:
    stage = EventStage()
    alice, watcher = stage.party(), stage.watcher("1001")
    await watcher.subscribe()
    stage.dial(alice, "9196")
    await alice.until("answered")
    await asyncio.sleep(3)
    assert lamps(watcher)[-1].states == ["confirmed"]
    assert lamps(watcher)[-1].remotes == [(None, f"sip:9196@{DOMAIN}")]
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_who_begins_to_watch_in_the_middle_of_a_call_sees_it() -> None:
    stage = EventStage()
    alice, bob = stage.party(), stage.party()
    await stage.connect(alice, bob)
    assert stage.context.on_change is None
    watcher = stage.watcher("1002")
    await watcher.subscribe(0)
    await watcher.hears(1)
    assert lamps(watcher)[0].states == ["confirmed"]
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_calls_tell_nobody_while_nobody_watches() -> None:
    stage = EventStage()
    alice, bob = stage.party(), stage.party()
    assert stage.context.on_change is None
    await stage.connect(alice, bob)
    assert not stage.events.sources.calls_of("t1", "1001")
    alice.dialogue.hang_up()
    await Stage.settle(stage)
