"""All trunks: begun, ended, chosen for a number, recognised by where calls come from."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from trunkline.model.client_registration import ClientRegistration
from trunkline.proto.sip.digest_client import Account, DigestClient
from trunkline.trunking.plan import TrunkPlan, best_of
from trunkline.trunking.trunk import Trunk
from trunkline.ua.endpoint import Endpoint
from trunkline.ua.next_hops import NextHops
from trunkline.ua.registrations import Plan, Registration, Registrations


@dataclass(frozen=True, slots=True)
class TrunkStatus:
    """A trunk for people. ``since`` and ``next_try`` are wall-clock seconds, the latter 0 when none is due."""

    name: str
    tenant: str
    host: str
    state: str
    since: float
    next_try: float
    why: str


class Trunks:
    """``spawn`` runs a task and keeps it; ``on_change`` hears of each change of a trunk's health."""

    def __init__(
        self,
        endpoint: Endpoint,
        next_hops: NextHops,
        registrations: Registrations,
        *,
        wall: Callable[[], float],
        spawn: Callable[[Coroutine[Any, Any, None]], Any],
    ) -> None:
        self.endpoint = endpoint
        self.next_hops = next_hops
        self.spawn = spawn
        self.on_change: Callable[[Trunk], None] = lambda _trunk: None
        self._registrations = registrations
        self._wall = wall
        self._trunks: dict[str, Trunk] = {}
        self._plans: tuple[TrunkPlan, ...] = ()

    def __iter__(self) -> Iterator[Trunk]:
        return iter(self._trunks.values())

    # Life

    def start(self, plans: Iterable[TrunkPlan], kept: Iterable[ClientRegistration] = ()) -> None:
        """Begin: register where that is wanted, going on with what the process before us ``kept``."""
        self._plans = tuple(plans)
        saved = {(one.tenant, one.owner): one for one in kept}
        wanted: list[tuple[Plan, ClientRegistration | None]] = []
        for plan in self._plans:
            if plan.register:
                before = saved.pop((plan.tenant, _owner(plan)), None)
                same = before is not None and (before.address, before.registrar) == (
                    plan.address,
                    plan.server,
                )
                wanted.append(
                    (self._registration_of(plan, before if same else None), before if same else None)
                )
        made = {(one.plan.tenant, one.plan.owner): one for one in self._registrations.add_all(wanted)}
        for plan in self._plans:
            self._begin(plan, made.get((plan.tenant, _owner(plan))))

    def _registration_of(self, plan: TrunkPlan, before: ClientRegistration | None) -> Plan:
        return Plan(
            plan.tenant,
            before.id if before is not None else self._registrations.new_id(),
            _owner(plan),
            plan.address,
            plan.server,
            _account(plan),
            plan.expires_s,
            learns_address=plan.learns_address,
        )

    def _begin(self, plan: TrunkPlan, registration: Registration | None) -> None:
        account = _account(plan)
        digest = registration.digest if registration is not None else None
        if digest is None and account is not None:
            digest = DigestClient(account)
        trunk = Trunk(self, plan, digest, registration, self._registrations.cnonce)
        self._trunks[plan.name] = trunk
        if plan.ping_s:
            self.spawn(trunk.ping())

    def rest(self, trunk: Trunk) -> None:
        """Until the next OPTIONS; not all trunks at the same time."""
        if self._trunks.get(trunk.plan.name) is trunk:
            wait = trunk.plan.ping_s * (0.9 + 0.2 * self._registrations.dice())
            self.endpoint.wheel.arm(trunk, self.endpoint.now() + wait)

    def close(self) -> None:
        """Ask nobody any more; the registrations end by themselves (``Registrations.stop``)."""
        for trunk in self._trunks.values():
            self.endpoint.wheel.cancel(trunk)
        self._trunks = {}

    # Calls out

    def route(self, tenant: str, number: str) -> Trunk | None:
        """The trunk of this tenant, and of no other, that takes a number."""
        plan = best_of(self._plans, tenant, number) if self._plans else None
        return self._trunks.get(plan.name) if plan is not None else None

    # Calls in

    def caller(self, user: str, source: str) -> Trunk | None:
        """Whose call comes from an address to a user: to the Contact that a trunk registered, from where it did so;
        or from an address that the operator named.
        """
        if not self._trunks:
            return None
        registration = self._registrations.find(user, source)
        address = ipaddress.ip_address(source.partition("%")[0])
        for trunk in self._trunks.values():
            if registration is not None and trunk.registration is registration:
                return trunk
            if any(address in network for network in trunk.plan.accept_from):
                return trunk
        return None

    def calls(self, source: str) -> bool:
        """Whether we call or register at an address: what comes from there is an answer, as often as not."""
        return any(
            source in trunk.sources
            or (trunk.registration is not None and self._registrations.is_from(trunk.registration, source))
            for trunk in self._trunks.values()
        )

    # For people

    def states(self) -> dict[str, float]:
        """How many trunks are in each state."""
        return dict(Counter(trunk.state for trunk in self._trunks.values()))

    def statuses(self) -> list[TrunkStatus]:
        """All trunks in the order of the settings."""
        return [self._status(trunk) for trunk in self._trunks.values()]

    def _status(self, trunk: Trunk) -> TrunkStatus:
        now, plan, registration = self.endpoint.now(), trunk.plan, trunk.registration
        since, due, why = trunk.since, trunk.tick * 0.01 if trunk.armed else 0.0, trunk.trouble
        if registration is not None:
            _, since = registration.status(now)
            due, why = registration.due, registration.trouble or trunk.trouble
        wall = self._wall() - now
        next_try = wall + due if due > now else 0.0
        return TrunkStatus(plan.name, plan.tenant, plan.host, trunk.state, wall + since, next_try, why)


def _owner(plan: TrunkPlan) -> str:
    return f"trunk {plan.name}"


def _account(plan: TrunkPlan) -> Account | None:
    if not plan.password:
        return None
    return Account(plan.auth_username or plan.username, plan.password, realm=plan.realm or None)
