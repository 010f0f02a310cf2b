"""Questions with a memory: the hosts file first, one question for many askers, stale answers in need."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Protocol

from trunkline.net.dns.cache import AnswerCache
from trunkline.net.dns.records import NOTHING, Answer, Kind, Question
from trunkline.net.dns.settings import DnsSettings, Server
from trunkline.net.dns.system import SystemNames
from trunkline.net.routes import family_of

if TYPE_CHECKING:
    from trunkline.net.dns.client import DnsClient

MAX_UNDER_WAY: Final = 1024
STALE_AFTER_S: Final = 1.8  # RFC 8767 §5: who has a stale answer waits no longer than this for a fresh one


class Asks(Protocol):
    """One question to the name servers."""

    async def ask(self, question: Question) -> tuple[Answer, float]:
        """The answer, or a failure, and for how many seconds it holds."""
        ...


class Counters:
    """Plain numbers since the start."""

    __slots__ = ("asked", "failed", "remembered", "stale")

    def __init__(self) -> None:
        self.asked = 0
        self.failed = 0
        self.remembered = 0
        self.stale = 0


class Lookups:
    """All questions of one exchange. ``client`` replaces the name servers, for tests."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: DnsSettings,
        system: SystemNames | None = None,
        client: Asks | None = None,
    ) -> None:
        self.counters = Counters()
        self._loop = loop
        self._settings = settings
        self._system = system or SystemNames()
        self._servers: tuple[Server, ...] = ()
        self._client = client
        self._fixed_client = client is not None
        self._kind: type[DnsClient] | None = None
        self._cache = AnswerCache(settings)
        self._under_way: dict[Question, asyncio.Task[Answer]] = {}

    async def refresh(self) -> None:
        """Take note of what changed on this machine: its hosts file, its name servers."""
        await self._system.refresh(self._loop.time())
        if self._fixed_client:
            return
        if self._kind is None:
            self._kind = await asyncio.to_thread(_kind_of_client)
        servers = self._settings.servers or self._system.servers
        if servers != self._servers:
            self._servers = servers
            self._client = self._kind(servers, self._settings.question_timeout_s)
            self._cache.forget_failures()

    def adjust(self, settings: DnsSettings) -> None:
        """Take other settings over, from the next question on; what is known stays known."""
        self._settings = settings
        self._servers = ()  # the next refresh makes a client of its own for these
        self._cache.adjust(settings)

    async def answers(self, questions: Iterable[Question]) -> dict[Question, Answer]:
        """All answers, asked for at once."""
        found: dict[Question, Answer] = {}
        waiting: list[Question] = []
        for question in questions:
            known = self._known(question)
            if known is None:
                waiting.append(question)
            else:
                found[question] = known
        if waiting:
            fetched = await asyncio.gather(*(self._fetch(question) for question in waiting))
            found.update(zip(waiting, fetched, strict=True))
        return found

    async def stop(self) -> None:
        """Give up every question that is under way."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _known(self, question: Question) -> Answer | None:
        local = self._system.addresses(_host_of(question.name))
        if local is not None:
            # The hosts file knows addresses alone; who stands there has no other records.
            return _of_family(local, question.kind)
        known = self._cache.fresh(question, self._loop.time())
        if known is not None:
            self.counters.remembered += 1
        return known

    async def _fetch(self, question: Question) -> Answer:
        task = self._under_way.get(question)
        if task is None:
            known = self._cache.fresh(question, self._loop.time())
            if known is not None:
                return known  # it came between the look into the memory and this turn of the loop
            if len(self._under_way) >= MAX_UNDER_WAY:
                return Answer(failure=f"{MAX_UNDER_WAY} names are being looked up already")
            task = self._loop.create_task(self._ask(question))
            self._under_way[question] = task
        stale = self._cache.stale(question, self._loop.time())
        if stale is None:
            # Who gives up must not take the answer from the others.
            return await asyncio.shield(task)
        done, _ = await asyncio.wait([task], timeout=STALE_AFTER_S)
        if done:
            return task.result()
        self.counters.stale += 1
        return stale

    async def _ask(self, question: Question) -> Answer:
        try:
            client = self._client
            if client is None:
                return Answer(failure="no name server is known")
            self.counters.asked += 1
            answer, ttl_s = await client.ask(question)
            now = self._loop.time()
            if not answer.failure:
                self._cache.put(question, answer, ttl_s, now)
                return answer
            self.counters.failed += 1
            served = self._cache.put_failure(question, answer, now)
            if served is not answer:
                self.counters.stale += 1
            return served
        finally:
            self._under_way.pop(question, None)


def _host_of(name: str) -> str:
    """The domain of a service name: ``_sip._udp.a.example`` is about ``a.example``."""
    while name.startswith("_"):
        name = name.partition(".")[2]
    return name


def _of_family(addresses: tuple[str, ...], kind: Kind) -> Answer:
    if kind not in {Kind.A, Kind.AAAA}:
        return NOTHING
    six = kind is Kind.AAAA
    return Answer(tuple(each for each in addresses if (family_of(each).name == "AF_INET6") is six))


def _kind_of_client() -> type[DnsClient]:
    """dnspython is slow to import: for an exchange that asks for names alone, and in a thread, not in the loop."""
    from trunkline.net.dns.client import DnsClient  # noqa: PLC0415

    return DnsClient
