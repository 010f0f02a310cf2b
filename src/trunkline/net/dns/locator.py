"""Finding SIP servers (RFC 3263): the asyncio shell around ``selection``."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from trunkline.net.dns.lookups import Lookups
from trunkline.net.dns.preference import SourceOf
from trunkline.net.dns.records import Answer, Hop, NotLocated, Question
from trunkline.net.dns.selection import Ours, Wanted, select
from trunkline.net.dns.settings import DnsSettings
from trunkline.net.dns.weights import Dice
from trunkline.net.listener import Listener
from trunkline.net.routes import source_address
from trunkline.proto.sip.uri import SipUri

CLIENT_TRANSPORTS = ("UDP", "TCP", "TLS")


class Locator:
    """Answers where a URI is served, for the transports and address families of our listeners.

    ``ours`` is asked anew each time, because listeners come and go; ``dice`` draws among servers of one
    priority, and ``source_of`` tells the route to an address.
    """

    def __init__(
        self,
        lookups: Lookups,
        ours: Callable[[], Ours],
        settings: DnsSettings,
        *,
        dice: Dice = lambda most: random.randint(0, most),  # noqa: S311  (spreads load, keeps no secret)
        source_of: SourceOf = source_address,
    ) -> None:
        self._lookups = lookups
        self._ours = ours
        self._timeout_s = settings.timeout_s
        self._dice = dice
        self._source_of = source_of

    async def locate(self, uri: SipUri) -> list[Hop]:
        """The servers of a sip or sips URI in the order of trial, at least one.

        Raises NotLocated (a TransportError) when there is none, or when that is not known in time. The order
        among SRV records of one priority is drawn anew each time.
        """
        procedure = select(Wanted.of(uri), self._ours(), self._dice, self._source_of)
        try:
            questions = next(procedure)
        except StopIteration as end:
            hops: list[Hop] = end.value  # an IP address needs no name server
            return hops
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._lookups.refresh()
                while True:
                    answers: dict[Question, Answer] = await self._lookups.answers(questions)
                    questions = procedure.send(answers)
        except StopIteration as end:
            return list(end.value)
        except TimeoutError:
            raise NotLocated(
                f"{uri.host} could not be looked up within {self._timeout_s:g} s: {_asked(questions)}"
            ) from None

    def adjust(self, settings: DnsSettings) -> None:
        """Take other settings over, from the next URI on."""
        self._timeout_s = settings.timeout_s
        self._lookups.adjust(settings)

    async def stop(self) -> None:
        """Give up what is being looked up."""
        await self._lookups.stop()


def transports_of(listeners: Sequence[Listener]) -> Ours:
    """The transports and families that requests can be sent by, from the listeners."""
    return {
        transport: frozenset(one.family for one in listeners if one.transport == transport)
        for transport in CLIENT_TRANSPORTS
        if any(one.transport == transport for one in listeners)
    }


def _asked(questions: list[Question]) -> str:
    return f"no answer about {', '.join(map(str, questions[:3]))}"
