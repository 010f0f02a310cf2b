"""Subscribers whose connection is gone, over real sockets (RFC 6665 §4.2.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.link.watching import Dialogs
from tests.loopback.socket_parties import DEADLINE_S, SocketParty, socket_party
from tests.loopback.test_large_notifies import Lists
from tests.peers.ports import free_ports
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.ua.subscriptions.subscription import RESTING

pytestmark = [pytest.mark.rule("T-38"), pytest.mark.rule("T-27"), pytest.mark.rfc("6665", "4.2.2")]


class Phone:
    """One subscription by TCP; ``heard`` counts NOTIFYs."""

    def __init__(self, party: SocketParty, port: int) -> None:
        self.party = party
        self.heard = 0
        self.flow = party.sockets.flow_to("TCP", "127.0.0.1", port)
        self.call_id = party.endpoint.ids.call_id()
        party.endpoint.subscriptions = Dialogs({self.call_id: self})

    def receive(self, incoming: Incoming) -> None:
        incoming.begin()
        incoming.respond(200)
        self.heard += 1

    async def subscribe(self) -> None:
        uri = "sip:1002@127.0.0.1"
        own = f"<sip:1001@127.0.0.1:{self.party.port};transport=tcp>"
        extra = "Event: list\r\nExpires: 600\r\n"
        draft = Draft(
            "SUBSCRIBE", uri, "<sip:a@b>;tag=t", f"<{uri}>", self.call_id, 1, contact=own, extra=extra
        )
        assert (await self.party.endpoint.request(draft, self.flow)).status == 200
        await until(lambda: self.heard == 1)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not holds():  # noqa: ASYNC110  (sockets tell no event)
            await asyncio.sleep(0.005)


async def test_a_phone_whose_connection_broke_is_told_by_another_one() -> None:
    ports = free_ports(2)
    async with (
        socket_party(f"tcp:127.0.0.1:{ports}") as exchange,
        socket_party(f"tcp:127.0.0.1:{ports + 1}") as party,
    ):
        lists = Lists(exchange)
        phone = Phone(party, ports)
        await phone.subscribe()
        (subscription,) = lists.notifier.subscriptions.values()
        await until(lambda: subscription.state == RESTING)  # its answer was not lost as well
        phone.flow.abort("broken")  # type: ignore[attr-defined]
        await until(lambda: subscription.flow.closed)
        lists.notifier.changed("list", "t", "1002")
        await until(lambda: phone.heard == 2)
        assert lists.notifier.count == 1
        await lists.notifier.stop()
        await until(lambda: lists.notifier.count == 0)


async def test_a_phone_that_cannot_be_reached_any_more_has_no_subscription() -> None:
    ports = free_ports(2)
    async with socket_party(f"tcp:127.0.0.1:{ports}") as exchange:
        lists = Lists(exchange)
        async with socket_party(f"tcp:127.0.0.1:{ports + 1}") as party:
            await Phone(party, ports).subscribe()
            (subscription,) = lists.notifier.subscriptions.values()
        await until(lambda: subscription.flow.closed)
        lists.notifier.changed("list", "t", "1002")
        await until(lambda: lists.notifier.count == 0)
