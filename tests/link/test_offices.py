"""An office whose phones share one public address comes back after a power cut: all at once, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import pytest

from tests.link.memory_network import MemoryNetwork
from tests.link.virtual_time import virtual
from trunkline.base.ids import NodeIds, TokenPool
from trunkline.model.binding import Binding
from trunkline.model.extension import Extension
from trunkline.model.tenant import Tenant
from trunkline.net.fence import Fence
from trunkline.pbx.directory import Directory
from trunkline.proto.sip.digest_client import Account, DigestClient
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.nonce import Nonces
from trunkline.registrar.door import RegistrarDoor
from trunkline.registrar.location import Location
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.ua.authentication import Authenticator
from trunkline.ua.challenges import Authorizer
from trunkline.ua.endpoint import Endpoint

DOMAIN: Final = "a.test"
HOST: Final = "10.0.0.1"
NAT: Final = "198.51.100.1"
PASSWORD: Final = "nine-blue-chairs"
PHONES: Final = 300
EPOCH: Final = 1_800_000_000.0


class Journal:
    """Keeps everything at once."""

    async def new(self, _binding: Binding) -> None:
        """Kept."""

    async def gone(self, _binding: Binding) -> None:
        """Forgotten."""

    def refresh(self, _binding: Binding) -> None:
        """Nothing."""


class Office:
    """An exchange behind a fence as it is by default, and ``PHONES`` phones behind one address."""

    def __init__(self, transport: str) -> None:
        loop = asyncio.get_running_loop()
        self.loop = loop
        self.transport = transport
        self.network = MemoryNetwork(loop)
        self.fence = Fence()
        self.location = Location()
        self._tasks: set[asyncio.Task[None]] = set()
        exchange = self._endpoint(HOST, 5060, self.fence)
        directory = Directory([Tenant("t", "t", (DOMAIN,))], DOMAIN)
        for number in range(PHONES):
            directory.put(Extension("t", f"e{number}", f"{number}", password=PASSWORD))
        authenticator = Authenticator(Nonces(b"n" * 16), self._wall, fence=self.fence)
        registrar = RegistrarDoor(
            directory, self.location, Journal(), authenticator, RegistrarPolicy(),
            wall=self._wall, spawn=self._spawn,
        )  # fmt: skip
        exchange.set_doors([registrar])
        self.phones = [self._endpoint(NAT, 20_000 + number) for number in range(PHONES)]

    def _wall(self) -> float:
        return EPOCH + self.loop.time()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _endpoint(self, host: str, port: int, fence: Fence | None = None) -> Endpoint:
        node = self.network.node(host, port, self.transport)
        ids = NodeIds(0, 0, TokenPool(self.network.random.randbytes))
        endpoint = Endpoint(node, ids, self.loop, tag_key=b"k" * 16, fence=fence)
        node.receive = endpoint.receive
        return endpoint

    async def register(self, number: int, after_s: float) -> tuple[int, float]:
        """The answer to a phone that is switched on ``after_s`` seconds from now, and how long it took."""
        await asyncio.sleep(after_s)
        start = self.loop.time()
        endpoint = self.phones[number]
        flow = endpoint.network.flow_to(self.transport.upper(), HOST, 5060)
        address = f"<sip:{number}@{DOMAIN}>"
        draft = Draft(
            "REGISTER",
            f"sip:{DOMAIN}",
            f"{address};tag={endpoint.ids.tag()}",
            address,
            endpoint.ids.call_id(),
            1,
            contact=endpoint.contact(flow),
        )
        authorizer = Authorizer(DigestClient(Account(f"{number}", PASSWORD)), endpoint.ids.tag)
        response = await endpoint.request(draft, flow, authorizer=authorizer)
        return response.status, self.loop.time() - start

    async def all_at_once(self, within_s: float) -> float:
        """All phones register within so many seconds; how long the slowest took."""
        outcomes = await asyncio.gather(
            *(self.register(number, within_s * number / PHONES) for number in range(PHONES))
        )
        assert {status for status, _ in outcomes} == {200}
        assert self.location.count == PHONES
        return max(took for _, took in outcomes)


@pytest.mark.parametrize("within_s", [0.001, 0.1, 1.0])
@pytest.mark.parametrize(
    ("transport", "known"), [("udp", True), ("tcp", True), ("tcp", False)], ids=["known", "known tcp", "tcp"]
)
@virtual
async def test_an_office_comes_back_and_nobody_has_to_ask_twice(
    transport: str, within_s: float, *, known: bool
) -> None:
    office = Office(transport)
    if known:
        office.fence.proved((NAT, 1), DOMAIN, "299", office.loop.time())
    await office.all_at_once(within_s)
    assert office.fence.counters.flooded == 0
    assert office.network.sent("REGISTER") == 2 * PHONES


@virtual
async def test_an_office_that_nobody_knows_yet_asks_once_more_by_datagram() -> None:
    """So many datagrams at once may be forged, until the first of those who sent them answers a challenge."""
    office = Office("udp")
    took = await office.all_at_once(within_s=0.001)
    assert 0 < office.fence.counters.flooded <= PHONES
    assert took < 1.0, "the time until a phone repeats its request, and the way there and back"
