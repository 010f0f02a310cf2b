"""All registrations that we hold elsewhere, on one endpoint: our listeners, our wheel, one task for each look-up."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, Final

from trunkline.base.errors import LocalProtocolError, RemoteProtocolError, TransportError
from trunkline.model.client_registration import ClientRegistration
from trunkline.net.routes import ip_literal
from trunkline.proto.sip.digest_client import Account
from trunkline.proto.sip.uri import bare_host, parse_uri
from trunkline.ua.endpoint import Endpoint
from trunkline.ua.next_hops import NextHops, Ways
from trunkline.ua.registrations.asking import Asking
from trunkline.ua.registrations.lines import Line, Lines
from trunkline.ua.registrations.outcome import AGAIN, DROPPED, LEAVE, LOCATED, NOWHERE
from trunkline.ua.registrations.plan import Plan, RegistrationPolicy
from trunkline.ua.registrations.ports import Journal, NoJournal
from trunkline.ua.registrations.registrar import Registrar
from trunkline.ua.registrations.registration import Registration
from trunkline.ua.registrations.trial import Trial

Listen = Callable[[Registration], None]
_LOOKED_UP_AT_ONCE: Final = 32


class Registrations:
    """``wall`` gives wall-clock seconds; ``dice()`` a random number 0 to 1; ``spawn`` runs a task and keeps it.

    ``on_change`` hears of each new ``word`` of a registration, ``on_trouble`` of each try that failed.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        next_hops: NextHops,
        *,
        wall: Callable[[], float],
        spawn: Callable[[Coroutine[Any, Any, None]], Any],
        journal: Journal | None = None,
        policy: RegistrationPolicy | None = None,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self.endpoint = endpoint
        self.next_hops = next_hops
        self.wall = wall
        self.policy = policy or RegistrationPolicy()
        self.dice = dice
        self.lines = Lines(endpoint, self._dropped, dice)
        self.on_change: Listen = lambda _registration: None
        self.on_trouble: Listen = lambda _registration: None
        self._spawn = spawn
        self._journal = journal or NoJournal()
        self._by_id: dict[str, Registration] = {}
        self._registrars: dict[str, Registrar] = {}
        self._empty: asyncio.Event | None = None

    def __iter__(self) -> Iterator[Registration]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def new_id(self) -> str:
        """An id for a plan: 128 random bits, so that nobody guesses the user of our Contact."""
        return self.endpoint.ids.pool.token(32)

    # What owners do

    def add(self, plan: Plan, saved: ClientRegistration | None = None) -> Registration:
        """Register from now on, at once or when it is its turn; ``saved`` is what the process before us kept.

        Raises RemoteProtocolError for a malformed registrar, LocalProtocolError for an id that is there already.
        """
        parse_uri(plan.registrar)
        if plan.id in self._by_id:
            raise LocalProtocolError(f"a registration of the id {plan.id} is there already")
        registrar = self._registrars.get(plan.registrar)
        if registrar is None:
            registrar = self._registrars[plan.registrar] = Registrar(self.policy.per_s)
            literal = ip_literal(bare_host(parse_uri(plan.registrar).host))
            registrar.addresses = frozenset((literal,) if literal else ())
        registrar.users += 1
        made = Registration(self, plan, registrar, self.endpoint.now())
        if saved is not None:
            made.restore(saved)
        else:
            made.call_id = self.endpoint.ids.call_id()
        self._by_id[plan.id] = made
        made.take_turn(None, self.endpoint.now())
        return made

    def add_all(self, plans: list[tuple[Plan, ClientRegistration | None]]) -> list[Registration]:
        """Many at once: what expires first is registered first, what was never registered before all others."""
        order = sorted(plans, key=lambda one: one[1].expires_at if one[1] is not None else 0.0)
        return [self.add(plan, saved) for plan, saved in order]

    async def find_registrars(self, within_s: float) -> None:
        """Look up the addresses of all registrars that are not known, for so long at most.

        Those that know a contact from the process before us call it at once, before its turn to be refreshed.
        """
        unknown = [uri for uri, registrar in self._registrars.items() if not registrar.addresses]
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                for start in range(0, len(unknown), _LOOKED_UP_AT_ONCE):
                    await asyncio.gather(*map(self._find, unknown[start : start + _LOOKED_UP_AT_ONCE]))

    async def _find(self, uri: str) -> None:
        with suppress(TransportError, RemoteProtocolError):
            ways = await self.next_hops.ways(uri)
            registrar = self._registrars.get(uri)
            if registrar is not None and not registrar.addresses:
                registrar.addresses = frozenset(hop.address for hop in ways.ahead)

    def register_now(self, key: str) -> None:
        """Ask anew without waiting longer than its turn takes."""
        found = self._by_id.get(key)
        if found is not None:
            found.step(AGAIN)

    def change(self, key: str, account: Account, display: str = "") -> None:
        """Register with other credentials, from the next answer to a challenge on, and ask anew."""
        found = self._by_id.get(key)
        if found is not None:
            found.take_credentials(account, display)
            found.step(AGAIN)

    def remove(self, key: str, *, forget: bool = True) -> None:
        """Take our contact off and end; what is kept is forgotten too, unless another process goes on."""
        found = self._by_id.get(key)
        if found is not None:
            found.forgets = forget
            found.step(LEAVE)

    async def stop(self) -> None:
        """Take all contacts off; returns when that is done, or its time is over."""
        for one in list(self._by_id.values()):
            self.remove(one.plan.id, forget=False)
        if self._by_id:
            self._empty = asyncio.Event()
            await self._empty.wait()
        self.close()

    def close(self) -> None:
        """Send nothing any more, not even for a contact that is left at its registrar."""
        for one in list(self._by_id.values()):
            one.forgets = False
            one.finish(None, self.endpoint.now())
        self.lines.close()

    # What doors ask

    def find(self, user: str, source: str) -> Registration | None:
        """The registration whose Contact has this user, when ``source`` (an address) is one of its registrar's.

        Anybody else who learned the user must not reach us by it.
        """
        found = self._by_id.get(user)
        if found is None or not self.is_from(found, source):
            return None
        return found

    def is_from(self, registration: Registration, source: str) -> bool:
        """Whether an address is one that the registration was made at."""
        line = registration.line
        return source in registration.registrar.addresses or (
            line is not None and line.flow.remote[0] == source
        )

    def calls(self, source: str) -> bool:
        """Whether an address is one of any registrar's: requests of ours go there."""
        return any(source in one.addresses for one in self._registrars.values())

    # What registrations ask

    def cnonce(self) -> str:
        """A client nonce."""
        return self.endpoint.ids.pool.token(16)

    def keep(self, registration: Asking) -> None:
        """Write it down, without waiting."""
        self._journal.keep((registration.kept(),))

    def look_up(self, registration: Registration, trial: Trial) -> None:
        """Find the servers, at once when nobody has to be asked."""
        flow = self.next_hops.at_once(registration.plan.registrar)
        if flow is not None:
            trial.ways = Ways.down(flow)
            registration.step(LOCATED)
        else:
            self._spawn(self._look_up(registration, trial))

    async def _look_up(self, registration: Registration, trial: Trial) -> None:
        ways, why = None, ""
        try:
            ways = await self.next_hops.ways(registration.plan.registrar, sticky=registration.hop)
        except (TransportError, RemoteProtocolError) as error:
            why = str(error)
        if registration.trial is not trial:
            return
        if ways is None:
            registration.step(NOWHERE, why)
            return
        trial.ways = ways
        registration.registrar.addresses = frozenset(hop.address for hop in ways.ahead)
        registration.step(LOCATED)

    def gone(self, registration: Registration) -> None:
        """It has ended."""
        plan = registration.plan
        if self._by_id.get(plan.id) is registration:
            del self._by_id[plan.id]
            registration.registrar.users -= 1
            if not registration.registrar.users:
                self._registrars.pop(plan.registrar, None)
            if registration.forgets:
                self._journal.forget(plan.tenant, plan.id)
        if not self._by_id and self._empty is not None:
            self._empty.set()

    def _dropped(self, line: Line) -> None:
        """A connection is gone: those who registered by it do so again, each in its turn."""
        for one in [one for one in self._by_id.values() if one.line is line]:
            one.line = None
            one.step(DROPPED)
