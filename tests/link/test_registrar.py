"""A phone registers over a network that loses and doubles, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from tests.link.memory_network import MemoryNetwork, Weather
from tests.link.phones import is_silent, make_endpoint
from tests.link.virtual_time import run
from trunkline.base.ids import TokenPool
from trunkline.model.binding import Binding
from trunkline.model.extension import Extension
from trunkline.model.tenant import Tenant
from trunkline.pbx.directory import Directory
from trunkline.proto.sip.digest_client import Account, DigestClient
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Response
from trunkline.proto.sip.nonce import Nonces
from trunkline.registrar.door import RegistrarDoor
from trunkline.registrar.location import Location
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.ua.authentication import Authenticator
from trunkline.ua.challenges import Authorizer

EPOCH = 1_800_000_000.0
PASSWORD = "nine-blue-chairs"
COMMIT_S = 0.3  # a slow disk: longer than the way there and back, so that requests are repeated meanwhile


class SlowJournal:
    """Commits each change after ``COMMIT_S``."""

    def __init__(self) -> None:
        self.new_ones = 0

    async def new(self, binding: Binding) -> None:
        self.new_ones += 1
        await asyncio.sleep(COMMIT_S)

    async def gone(self, binding: Binding) -> None:
        await asyncio.sleep(COMMIT_S)

    def refresh(self, binding: Binding) -> None:
        """Nothing."""


class Registrar:
    """The registrar of a.test with extension 301, on a host of its own."""

    def __init__(self, network: MemoryNetwork, host: str = "10.0.0.1") -> None:
        loop = network.loop
        self.tasks: set[asyncio.Task[None]] = set()
        self.location = Location()
        self.journal = SlowJournal()
        self.endpoint = make_endpoint(network, host)
        directory = Directory([Tenant("t", "t", ("a.test",))], "a.test")
        directory.put(Extension("t", "e", "301", password=PASSWORD))

        def spawn(work: Coroutine[Any, Any, None]) -> None:
            task = loop.create_task(work)
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

        def wall() -> float:
            return EPOCH + loop.time()

        self.wall = wall
        self.door = RegistrarDoor(
            directory,
            self.location,
            self.journal,
            Authenticator(Nonces(b"n" * 16), wall),
            RegistrarPolicy(),
            wall=wall,
            spawn=spawn,
        )
        self.endpoint.set_doors([self.door])

    @property
    def contacts(self) -> list[str]:
        return [binding.contact for binding in self.location.of("t", "301", self.wall())]


class Phone:
    """Registers as 301; its requests are repeated by its transactions as RFC 3261 has it."""

    def __init__(self, network: MemoryNetwork, host: str = "10.0.0.2") -> None:
        self.endpoint = make_endpoint(network, host)
        self.flow = network.nodes[host, 5060].flow_to("UDP", "10.0.0.1", 5060)
        self.contact = f"<sip:301@{host}:5060>"
        self._digest = DigestClient(Account("301", PASSWORD))
        self._tokens = TokenPool(network.random.randbytes)
        self._cseq = 0

    async def register(self, expires_s: int = 3600) -> Response:
        self._cseq += 10
        draft = Draft(
            "REGISTER",
            "sip:a.test",
            "<sip:301@a.test>;tag=f",
            "<sip:301@a.test>",
            "call-id",
            self._cseq,
            contact=self.contact,
            extra=f"Expires: {expires_s}\r\n",
        )
        authorizer = Authorizer(self._digest, lambda: self._tokens.token(16))
        return await self.endpoint.request(draft, self.flow, authorizer=authorizer)


@pytest.mark.rfc("3261", "10.3")
@pytest.mark.parametrize("seed", range(20))
def test_a_phone_registers_refreshes_and_leaves_through_loss(seed: int) -> None:
    async def story() -> None:
        weather = Weather(loss=0.1, duplicate=0.05, late=0.1, delay_s=0.02)
        network = MemoryNetwork(asyncio.get_running_loop(), weather, seed)
        registrar, phone = Registrar(network), Phone(network)
        for _ in range(10):
            response = await phone.register()
            assert response.status == 200
            assert len(response.values("Contact")) == 1
            assert registrar.contacts == [phone.contact[1:-1]]
            await asyncio.sleep(30)
        assert registrar.journal.new_ones == 1
        assert (await phone.register(0)).status == 200
        assert registrar.contacts == []
        await asyncio.sleep(100)
        assert registrar.tasks == set()
        assert is_silent(registrar.endpoint)
        assert is_silent(phone.endpoint)

    run(story())


def test_requests_are_repeated_while_the_commit_takes_its_time_and_one_binding_is_made() -> None:
    async def story() -> None:
        network = MemoryNetwork(asyncio.get_running_loop(), Weather(delay_s=0.2))
        registrar, phone = Registrar(network), Phone(network)
        assert (await phone.register()).status == 200
        assert network.sent("REGISTER") > 2
        assert registrar.journal.new_ones == 1
        assert registrar.contacts == [phone.contact[1:-1]]

    run(story())


@pytest.mark.rfc("3261", "8.2.7")
def test_a_refresh_whose_answers_are_lost_is_answered_again_without_a_transaction() -> None:
    async def story() -> None:
        network = MemoryNetwork(asyncio.get_running_loop())
        registrar, phone = Registrar(network), Phone(network)
        await phone.register()
        await asyncio.sleep(60)
        lost: list[bytes] = []

        def drop(data: bytes, _source: tuple[str, int], _target: tuple[str, int]) -> bool:
            if data.startswith(b"SIP/2.0 200") and len(lost) < 3:
                lost.append(data)
                return True
            return False

        network.drop = drop
        assert (await phone.register()).status == 200
        assert len(lost) == 3
        assert registrar.door.counters.refreshed == 1
        assert not registrar.endpoint.layer.servers

    run(story())


def test_a_binding_that_is_not_renewed_is_gone_in_time() -> None:
    async def story() -> None:
        network = MemoryNetwork(asyncio.get_running_loop())
        registrar, phone = Registrar(network), Phone(network)
        await phone.register(60)
        granted = registrar.location.all_of("t", "301")[0].expires_at
        await asyncio.sleep(granted - registrar.wall() - 0.01)
        assert registrar.contacts == [phone.contact[1:-1]]
        await asyncio.sleep(0.02)
        assert registrar.contacts == []
        assert len(registrar.location.sweep(registrar.wall())) == 1

    run(story())
