"""Devices whose push is refused and that are not given up: who is told, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from tests.link.mobile import device
from tests.link.virtual_time import virtual
from trunkline.mobile import suspects as module
from trunkline.mobile.book import Book
from trunkline.mobile.pushing import Pushing
from trunkline.mobile.suspects import Suspects
from trunkline.model.device import MobileDevice
from trunkline.push.notification import Fate, Notification, Outcome, Purpose, PushAddress, Service


class Rows:
    """Written nowhere."""

    def keep_devices(self, devices: Iterable[MobileDevice]) -> None: ...

    def forget_device(self, tenant: str, key: str) -> None: ...


class Scene:
    """Phones, what their service says of them, and what their owners were told."""

    def __init__(self, count: int = 2) -> None:
        self.phones = [device(f"phone{number}") for number in range(count)]
        self.book = Book(Rows(), self.phones)
        self.trouble: dict[str, str] = {}
        self.told: list[tuple[str, str]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.suspects = Suspects(
            self.book,
            lambda one: self.trouble.get(one.id, ""),
            lambda one: self.told.append((one.id, self.trouble.get(one.id, "ok"))),
            lambda work: self.tasks.append(asyncio.ensure_future(work)),
        )

    def refuse(self, *phones: MobileDevice, word: str = "BadDeviceToken") -> None:
        for phone in phones:
            self.trouble[phone.id] = word
            self.suspects.note(phone)

    async def look(self) -> list[tuple[str, str]]:
        """What is told of it."""
        self.told.clear()
        self.suspects.look()
        await asyncio.gather(*self.tasks)
        return self.told


@virtual
async def test_each_is_told_once_when_it_begins_and_once_when_it_is_over() -> None:
    scene = Scene()
    one, other = scene.phones
    scene.refuse(one, other, one)
    assert scene.told == [(one.id, "BadDeviceToken"), (other.id, "BadDeviceToken")]
    assert await scene.look() == [], "nothing has changed"
    scene.trouble.clear()
    scene.suspects.look()
    assert await scene.look() == [(one.id, "ok"), (other.id, "ok")]
    assert await scene.look() == []
    scene.refuse(one)
    assert scene.told == [(one.id, "BadDeviceToken")], "it may begin anew"


@virtual
async def test_another_word_is_told_and_those_that_are_gone_or_given_up_are_not() -> None:
    scene = Scene(4)
    one, other, gone, dead = scene.phones
    scene.refuse(one, other, gone, dead)
    scene.trouble = {one.id: "nothing is set in [push.apns]", other.id: "BadDeviceToken"}
    scene.book.remove(gone)
    dead.disabled_why = "Unregistered"
    assert await scene.look() == [(one.id, "nothing is set in [push.apns]")]
    assert len(scene.suspects) == 2
    scene.suspects.note(gone)
    assert scene.told == [(one.id, "nothing is set in [push.apns]")]


@virtual
async def test_thousands_are_looked_at_a_few_at_a_time_and_no_more_are_kept_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST", 500)
    scene = Scene(600)
    scene.refuse(*scene.phones)
    assert len(scene.suspects) == 500
    scene.trouble.clear()
    scene.told.clear()
    scene.suspects.look()
    turns = [0]
    while not all(task.done() for task in scene.tasks):
        before = len(scene.told)
        await asyncio.sleep(0)
        turns.append(len(scene.told) - before)
    assert len(scene.told) == 500
    assert max(turns) <= 200


async def test_a_push_that_is_refused_without_its_token_given_up_is_told_of() -> None:
    class Apple:
        fate = Fate(Outcome.SUSPECT, 400, "BadDeviceToken")

        async def send(self, notification: Notification) -> Fate:
            return self.fate

    scene, service = Scene(), Apple()
    noted: list[MobileDevice] = []
    pushing = Pushing(service, scene.book)
    pushing.on_suspect = noted.append
    phone = scene.phones[0]
    sent = Notification(PushAddress(Service.APNS, phone.push_token), Purpose.CALL, "1", {})
    await pushing.send(sent, phone)
    assert (noted, phone.disabled_why) == ([phone], "")
    service.fate = Fate(Outcome.SENT, 200)
    await pushing.send(sent, phone)
    assert len(noted) == 1
