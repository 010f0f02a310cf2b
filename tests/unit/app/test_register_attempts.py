"""What is remembered of registrations: what has something to tell, and never more than there is room for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.unit.registrar.office import NOW, FakeFlow, Office, Phone
from trunkline.app.explain import attempts as module
from trunkline.app.explain.attempts import Attempts
from trunkline.base.story import Story
from trunkline.model.binding import Binding

KNOWN = {("a", "301"), ("a", "302")}


class Memory(Attempts):
    """One whose clocks stand."""

    def __init__(self) -> None:
        self.time = 100.0
        super().__init__(lambda tenant, user: (tenant, user) in KNOWN, lambda: self.time, lambda: self.time)

    def refuse(self, user: str, text: str = "401", source: str = "192.0.2.1", tenant: str = "a") -> None:
        self.tell(user, "auth.wrong", text, source, tenant)

    def tell(
        self, user: str, code: str, text: str = "", source: str = "192.0.2.1", tenant: str = "a"
    ) -> None:
        story = Story(self.time)
        story.add(self.time, code, text)
        self.note(tenant, user, source, story)

    def codes(self, user: str = "301") -> list[str]:
        return [one.story.last_code for one in self.of("a", user)]


@pytest.fixture
def memory() -> Memory:
    return Memory()


def test_like_refusals_in_a_row_are_counted(memory: Memory) -> None:
    for _ in range(50):
        memory.time += 1
        memory.refuse("301")
    memory.refuse("301", source="192.0.2.2")
    second, first = sorted(memory.of("a", "301"), key=lambda one: one.times)
    assert (first.times, first.at) == (50, 150.0)
    assert (second.times, second.source) == (1, "192.0.2.2")


def test_refusals_do_not_push_out_what_changed(memory: Memory) -> None:
    memory.tell("301", "register.unbound")
    for at in range(100):
        memory.time += 1
        memory.refuse("301", source=f"192.0.2.{at}")
    assert memory.codes().count("register.unbound") == 1
    assert len(memory.of("a", "301")) == module.REFUSALS + 1


def test_strangers_do_not_push_out_numbers_that_exist(memory: Memory) -> None:
    memory.tell("301", "register.unbound")
    for at in range(3 * module.MOST_STRANGERS):
        memory.refuse(f"guess{at}" * 100)
        memory.refuse(f"guess{at}", tenant="")
    assert memory.codes() == ["register.unbound"]
    assert len(memory) == module.MOST_STRANGERS + 1


def test_numbers_are_bounded_and_the_least_recent_goes(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_NUMBERS", 1)
    memory.tell("301", "register.unbound")
    memory.tell("302", "register.unbound")
    assert (memory.codes("301"), memory.codes("302")) == ([], ["register.unbound"])


def test_a_phone_that_just_registers_takes_no_room(memory: Memory) -> None:
    memory.tell("301", "register.bound")
    assert (len(memory), memory.codes()) == (0, [])


def test_one_stale_nonce_is_normal_and_two_at_once_are_a_loop(memory: Memory) -> None:
    memory.stale("a", "301", "192.0.2.1")
    memory.time += module.LOOP_S + 1
    memory.stale("a", "301", "192.0.2.1")
    assert memory.codes() == []
    memory.time += 0.1
    memory.stale("a", "301", "192.0.2.1")
    assert memory.codes() == ["auth.stale_loop"]
    for _ in range(2):
        memory.stale("a", "nobody", "192.0.2.1")
        memory.stale("a", "x" * 1000, "192.0.2.1")
    assert memory.codes("nobody") == []


def test_how_a_registration_ended(memory: Memory) -> None:
    binding = Binding("a", "301", "b", "sip:301@h", "0000|wss|l|r|1", "192.0.2.1:5060", "c", 1, 0.0, 90.0)
    assert memory.ended("a", "301") == "no phone has tried to register as 301 lately"
    memory.watch(binding, "registered")
    memory.watch(binding, "unregistered")
    assert memory.codes() == []
    memory.watch(binding, "expired")
    assert memory.ended("a", "301") == "301 did not refresh its registration at sip:301@h in time"
    binding.expires_at = 1000.0
    memory.time += 1
    memory.watch(binding, "expired")
    assert memory.ended("a", "301") == "301 left sip:301@h: its WebSocket is closed"
    memory.time += 1
    memory.watch(binding, "deactivated")
    assert memory.ended("a", "301") == "an operator ended the registration of 301 at sip:301@h"
    memory.time += 1
    memory.refuse("301", "credentials refused: wrong")
    assert memory.ended("a", "301") == "its last attempt to register failed: credentials refused: wrong"


class Watched(Office):
    """A registrar whose attempts are remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.attempts = Attempts(self.directory.knows, lambda: self.now, lambda: self.now)
        self.door._on_attempt = self.attempts.note
        self.door._on_stale = self.attempts.stale

    def told(self, user: str = "301", tenant: str = "a") -> list[tuple[str, int, str]]:
        return [(one.story.last_code, one.times, one.source) for one in self.attempts.of(tenant, user)]


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_the_registrar_tells_of_what_happens_and_not_of_refreshes(loop: asyncio.Runner) -> None:
    async def live() -> None:
        office = Watched()
        phone = Phone(office)
        await phone.register(phone.contact())
        for _ in range(3):
            office.now += 30
            await phone.register(phone.contact())
        assert office.told() == []
        (binding,) = office.location.of("a", "301", office.now)
        assert (binding.registered_at, binding.refreshed_at) == (NOW, NOW + 90)
        await phone.register(phone.contact("10.0.0.8:5062"))
        await phone.register(phone.contact(), "Expires: 0\r\n")
        assert office.told() == [("register.unbound", 1, "198.51.100.7")]
        await office.close()

    loop.run(live())


def test_wrong_passwords_and_unknown_users_are_told_to_the_operator_alone(loop: asyncio.Runner) -> None:
    async def live() -> None:
        office = Watched()
        wrong = Phone(office, password="another", flow=FakeFlow("198.51.100.8"))
        stranger = Phone(office, user="399", flow=FakeFlow("198.51.100.9"))
        for phone in (wrong, stranger):
            await phone.register(phone.contact())
            assert phone.flow.last.status == 401
        assert office.told("301") == [("auth.wrong", 1, "198.51.100.8")]
        assert office.told("399") == [("auth.wrong", 1, "198.51.100.9")]
        texts = [office.attempts.of("a", user)[0].story.steps[0].text for user in ("301", "399")]
        assert texts == ["credentials refused: wrong", "credentials refused: unknown user"]
        assert wrong.flow.last.reason == stranger.flow.last.reason
        await office.close()

    loop.run(live())


def test_a_domain_that_is_nobodys_is_told_by_the_number(loop: asyncio.Runner) -> None:
    async def live() -> None:
        office = Watched()
        phone = Phone(office, domain="nobody.test")
        phone.send(phone.message(phone.contact()))
        assert phone.flow.last.status == 404
        assert office.told() == [("register.refused", 1, "198.51.100.7")]
        (first, _) = office.attempts.of("a", "301")[0].story.steps
        assert (first.code, (first.data or {})["domain"]) == ("register.unknown_domain", "nobody.test")
        await office.close()

    loop.run(live())
