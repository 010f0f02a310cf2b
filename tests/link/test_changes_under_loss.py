"""Calls that change in every way at once, over a network that loses, doubles and reorders: all come to an end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from tests.link.memory_network import Weather
from tests.link.phones import Party, describe
from tests.link.reliable import SUPPORTED
from tests.link.stage import Stage
from tests.link.test_pickup import replaces
from tests.link.transferring import refer
from tests.link.virtual_time import virtual
from trunkline.base.errors import RemoteProtocolError
from trunkline.ua.sessions.session_timer import TimerPolicy
from trunkline.ua.sessions.update import send_update

STORM = Weather(loss=0.2, duplicate=0.1, late=0.2, late_by_s=1.0)
ACTS = 12

pytestmark = [
    pytest.mark.rule("T-08"),
    pytest.mark.rule("T-16"),
    pytest.mark.rule("T-17"),
    pytest.mark.rule("T-37"),
]


class Chaos:
    """Four parties of one exchange, who do at random what parties may do."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)  # noqa: S311  (repeatable, no secret)
        self.stage = Stage(STORM, seed, media_delay_s=self.dice.choice((0.0, 0.02)))
        policy = TimerPolicy("always", 90, 90)
        self.stage.endpoint.set_session_timers(policy)
        self.stage.endpoint.set_reliable_provisionals(self.dice.choice(("follow", "supported")))
        self.parties = [self.stage.party(rings_s=self.dice.random() * 3) for _ in range(4)]
        for party in self.parties:
            party.endpoint.reliable_provisionals = self.dice.choice(("never", "supported"))
            if self.dice.random() < 0.5:
                party.endpoint.set_session_timers(policy)
            party.on_invite = self._answering(party)
        self.second = self.stage.party("1002")
        self.second.account = self.parties[1].account
        self.tasks: set[asyncio.Future[object]] = set()

    def _answering(self, party: Party) -> Callable[..., None]:
        def on_invite(session) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
            session.progress(*self.dice.choice(((180,), (183, party.body))))
            session.endpoint.loop.call_later(party.rings_s, session.answer, party.body)

        return on_invite

    async def run(self) -> None:
        loop = self.stage.loop
        body = self.dice.choice((None, None, b""))
        self.stage.dial(self.parties[0], "1002", body, extra=SUPPORTED)
        for _ in range(ACTS):
            await asyncio.sleep(self.dice.random() * 4)
            task: asyncio.Future[object] = loop.create_task(self._act())
            self.tasks.add(task)
        await asyncio.sleep(self.dice.random() * 200)
        for call in list(self.stage.calls.active.values()):
            if self.dice.random() < 0.5:
                call.hang_up()
        for party in (*self.parties, self.second):
            if party.session is not None and not party.session.ended:
                party.session.hang_up()
        await asyncio.sleep(120)
        for call in list(self.stage.calls.active.values()):
            call.hang_up()
        await asyncio.wait(self.tasks, timeout=400)
        assert all(task.done() for task in self.tasks)
        await self.stage.settle(600)

    async def _act(self) -> None:
        party = self.dice.choice(self.parties)
        acts: list[Callable[[Party], Awaitable[object]]] = [
            self._hold, self._update, self._late_offer, self._transfer, self._dial, self._take_over, self._info,
        ]  # fmt: skip
        try:
            await self.dice.choice(acts)(party)
        except (RemoteProtocolError, TimeoutError):
            return

    def _is_up(self, party: Party) -> bool:
        return party.session is not None and not party.session.ended and party.session.acked

    async def _hold(self, party: Party) -> None:
        if self._is_up(party):
            how = self.dice.choice(("a=sendonly", "a=inactive", "a=sendrecv"))
            await party.reoffer(describe(party.host, how, version=self.dice.randrange(3, 9)))

    async def _late_offer(self, party: Party) -> None:
        if self._is_up(party):
            status, _ = await party.reoffer(b"")
            if status < 300:
                party.dialogue.reoffer.acknowledge(describe(party.host, version=9))

    async def _update(self, party: Party) -> None:
        if party.session is not None and not party.session.ended:
            send_update(party.session, describe(party.host, version=self.dice.randrange(9, 20)), _unheard)

    async def _transfer(self, party: Party) -> None:
        if self._is_up(party):
            await refer(party, self.dice.choice(("1003", "1004", "9196")))
            if self.dice.random() < 0.3:
                party.dialogue.hang_up()

    async def _dial(self, party: Party) -> None:
        if party.session is None or party.session.ended:
            self.stage.dial(party, self.dice.choice(("1001", "1002", "1003", "1004", "**1002")))

    async def _take_over(self, _party: Party) -> None:
        bob = self.parties[1]
        free = self.second.session is None or self.second.session.ended
        if free and bob.session is not None and bob.session.dialog is not None:
            self.stage.dial(self.second, "1001", extra=replaces(bob))

    async def _info(self, party: Party) -> None:
        if self._is_up(party):
            await party.dialogue.request("INFO", body=b"Signal=1", content_type="application/dtmf-relay")


def _unheard(_status: int, _response: object) -> None:
    """Nobody waits for it."""


@pytest.mark.parametrize("seed", range(60))
@virtual
async def test_calls_that_change_in_every_way_leave_nothing_behind(seed: int) -> None:
    await Chaos(seed).run()
