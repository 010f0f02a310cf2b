"""Trunks put together from the settings: registrations, calls out and in, the log."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from trunkline.app.secret_values import SOURCE, secret_of
from trunkline.app.settings import Settings
from trunkline.app.settings import Trunk as TrunkSettings
from trunkline.base.errors import ConfigError, RemoteProtocolError
from trunkline.call.identity import History, IdentityPolicy, Source
from trunkline.call.verification import Mode
from trunkline.model.tenant import SystemScope
from trunkline.net.flow import Flow
from trunkline.pbx.directory import Directory
from trunkline.pbx.peer_door import Peer
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.uri import parse_uri
from trunkline.store.client_registrations import ClientRegistrationJournal
from trunkline.store.store import Store
from trunkline.store.writer import Writer
from trunkline.trunking.plan import TrunkPlan
from trunkline.trunking.trunk import Trunk
from trunkline.trunking.trunks import Trunks
from trunkline.ua.endpoint import Endpoint
from trunkline.ua.next_hops import NextHops
from trunkline.ua.registrations import Registration, Registrations

log = structlog.get_logger("trunk")


class TrunkLines:
    """``trunks`` and the ``registrations`` that they stand on."""

    def __init__(
        self,
        endpoint: Endpoint,
        next_hops: NextHops,
        directory: Directory,
        store: Store,
        writer: Writer,
        wall: Callable[[], float],
        spawn: Callable[[Coroutine[Any, Any, None]], Any],
    ) -> None:
        self._directory = directory
        self._store = store
        self.registrations = Registrations(
            endpoint, next_hops, wall=wall, spawn=spawn, journal=ClientRegistrationJournal(writer)
        )
        self.registrations.on_change = _log_registration
        self.registrations.on_trouble = _log_trouble
        self.trunks = Trunks(endpoint, next_hops, self.registrations, wall=wall, spawn=spawn)
        self.trunks.on_change = _log_health

    def plans(self, settings: Settings) -> list[TrunkPlan]:
        """The trunks of the settings. Raises ConfigError for a file or a domain that is not there."""
        return [
            plan_of(one, f"trunks[{at}]", self._directory, learns=settings.sip.advertise is None)
            for at, one in enumerate(settings.trunks)
        ]

    def start(self, plans: list[TrunkPlan]) -> None:
        """Begin, where the process before us left off."""
        if plans:
            kept = self._store.client_registrations.load_all(SystemScope("registrations outlive a restart"))
            self.trunks.start(plans, kept)

    async def stop(self) -> None:
        """Take our contacts off where we have registered, if that is answered in time."""
        self.trunks.close()
        await self.registrations.stop()

    def peer_of(self, request: Request, flow: Flow) -> Peer | None:
        """The trunk that an INVITE comes from, None for nobody's."""
        try:
            user = parse_uri(request.uri).user
        except RemoteProtocolError:
            return None
        trunk = self.trunks.caller(user, flow.remote[0])
        if trunk is None:
            return None
        plan = trunk.plan
        return Peer(plan.name, plan.tenant, plan.policy, plan.verify, plan.inbound, plan.encryption)


def plan_of(one: TrunkSettings, key: str, directory: Directory, *, learns: bool) -> TrunkPlan:
    """A trunk's settings with its password and its tenant. Raises ConfigError."""
    tenant = directory.tenant_of(one.domain or directory.fallback_domain)
    if tenant is None:
        expected = "a domain of a tenant"
        raise ConfigError(
            SOURCE, f"{key}.domain", repr(one.domain), expected, "trunkline tenant list shows them"
        )
    return TrunkPlan(
        one.name,
        tenant,
        one.host,
        "" if one.transport == "auto" else one.transport,
        one.username,
        one.auth_username,
        secret_of(one, key),
        one.realm,
        one.from_domain,
        one.registers,
        one.expires_s,
        one.prefixes,
        one.strip,
        one.prepend,
        one.caller_id,
        one.sdp_profile,
        one.options_s,
        one.networks,
        one.inbound,
        one.learn_address and learns,
        IdentityPolicy(
            trusted=one.trusted,
            identity=tuple(map(Source, one.identity)),
            history=tuple(map(History, one.history)),
            sign=one.sign,
            domain=one.from_domain,
        ),
        Mode(one.verify),
        one.encryption,
    )


def _log_registration(one: Registration) -> None:
    log.info("registration", of=one.plan.owner, state=one.word, registrar=one.plan.registrar)


def _log_trouble(one: Registration) -> None:
    log.warning("registration failed", of=one.plan.owner, why=one.trouble, registrar=one.plan.registrar)


def _log_health(trunk: Trunk) -> None:
    log.info("reachable" if trunk.reachable else "unreachable", trunk=trunk.plan.name, why=trunk.trouble)
