"""Names to addresses through the system's resolver, with a deadline and a short memory."""

from __future__ import annotations

import asyncio
import socket
from typing import TypeAlias

from trunkline.base.errors import TransportError
from trunkline.net.routes import ip_literal
from trunkline.net.settings import NetSettings

Addresses: TypeAlias = list[tuple[str, int]]

_MAX_NAMES = 1024


class Resolver:
    """Looks up A and AAAA records; whoever asks for the same name meanwhile shares one lookup.

    Failures are kept as long as answers, so that a dead name server does not fill the thread pool.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: NetSettings) -> None:
        self._loop = loop
        self._settings = settings
        self._known: dict[tuple[str, int], tuple[float, asyncio.Task[Addresses | str]]] = {}

    async def resolve(self, host: str, port: int) -> Addresses:
        """``[(ip, port)]`` in the system's order, IPv4 and IPv6; an IP literal is its own answer.

        Raises TransportError when the name has no address or no answer came in time.
        """
        literal = ip_literal(host)
        if literal is not None:
            return [(literal, port)]
        answer = await asyncio.shield(self._lookup_of(host, port))
        if isinstance(answer, str):
            raise TransportError(answer)
        return answer

    async def stop(self) -> None:
        """Give up every lookup that is under way."""
        tasks = [task for _, task in self._known.values()]
        self._known.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _lookup_of(self, host: str, port: int) -> asyncio.Task[Addresses | str]:
        now = self._loop.time()
        entry = self._known.get((host, port))
        if entry is not None and (now < entry[0] or not entry[1].done()):
            return entry[1]
        if len(self._known) >= _MAX_NAMES:
            self._forget_old(now)
        task = self._loop.create_task(self._look_up(host, port))
        self._known[host, port] = (now + self._settings.resolve_keep_s, task)
        return task

    def _forget_old(self, now: float) -> None:
        for key in [key for key, (until, task) in self._known.items() if now >= until and task.done()]:
            del self._known[key]
        if len(self._known) >= _MAX_NAMES:
            raise TransportError(f"{_MAX_NAMES} names are being looked up already")

    async def _look_up(self, host: str, port: int) -> Addresses | str:
        """The addresses, or why there are none."""
        try:
            async with asyncio.timeout(self._settings.resolve_timeout_s):
                found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        except TimeoutError:
            return f"no answer about the name {host!r} within {self._settings.resolve_timeout_s:g} s"
        except (OSError, UnicodeError) as error:
            return f"the name {host!r} has no address: {error}"
        return list(dict.fromkeys((str(address[0]), int(address[1])) for *_, address in found))
