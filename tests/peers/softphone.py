"""Trunkline's own phone inside the test's process, with a memory for what it tells."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from trunkline.app.phone.account import PhoneOptions, make_account
from trunkline.app.phone.conversation import Conversation
from trunkline.app.phone.softphone import Softphone

WITHIN_S = 60.0


class Diary:
    """Every event in order; ``event`` hands out the oldest of a name that was not handed out yet."""

    def __init__(self) -> None:
        self.log: list[tuple[str, dict[str, Any]]] = []
        self._pending: list[tuple[str, dict[str, Any]]] = []
        self._changed = asyncio.Event()

    def __call__(self, name: str, **data: Any) -> None:
        self.log.append((name, data))
        self._pending.append((name, data))
        self._changed.set()

    async def event(self, name: str, within: float = WITHIN_S) -> dict[str, Any]:
        try:
            async with asyncio.timeout(within):
                while True:
                    for entry in self._pending:
                        if entry[0] == name:
                            self._pending.remove(entry)
                            return entry[1]
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"no {name} within {within} s; told: {self.log}") from None


class Handset:
    """A phone, its diary, and the calls that came in."""

    def __init__(self, phone: Softphone, diary: Diary) -> None:
        self.phone = phone
        self.diary = diary
        self.incoming: asyncio.Queue[Conversation] = asyncio.Queue()
        phone.on_incoming = self.incoming.put_nowait

    async def event(self, name: str) -> dict[str, Any]:
        return await self.diary.event(name)

    async def rung(self) -> Conversation:
        """The next call that comes in."""
        return await asyncio.wait_for(self.incoming.get(), WITHIN_S)

    async def talked(self, conversation: Conversation, packets: int = 10) -> None:
        """Wait until it has heard some packets."""
        async with asyncio.timeout(WITHIN_S):
            while await conversation.sound.packets_in() < packets:  # noqa: ASYNC110  (the engine tells no event)
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def handset(
    user: str, password: str, server: str, transport: str = "udp", domain: str = "", **options: Any
) -> AsyncIterator[Handset]:
    """A phone that is not registered yet; left in order."""
    diary = Diary()
    account = make_account(user, password, server, transport, domain)
    async with Softphone(account, PhoneOptions(**options), diary) as phone:
        yield Handset(phone, diary)
        assert phone.fault is None, phone.fault
