"""Sends by APNs: long-lived HTTP/2 connections for each team and environment, one provider token for each team."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

import structlog

from trunkline.base.errors import ConfigError
from trunkline.net.http_proxy import parse_proxy
from trunkline.push.apns.connection import Connection
from trunkline.push.apns.dialer import ClientTls, Dialer
from trunkline.push.apns.fates import Remedy, Verdict
from trunkline.push.apns.lane import Lane
from trunkline.push.apns.payload import Composed, UnfitError, bundle_of, compose
from trunkline.push.apns.plan import PRODUCTION, SANDBOX, ApnsPlan, ApnsTeam
from trunkline.push.apns.pool import Pool
from trunkline.push.apns.provider_token import PROCESS, ProviderToken, ProviderTokens
from trunkline.push.condition import Condition
from trunkline.push.notification import Fate, Health, Notification, Outcome, PushAddress, Service

_OTHER: Final = {PRODUCTION: SANDBOX, SANDBOX: PRODUCTION}
_TROUBLE_S: Final = 60.0  # so long a refusal of the provider's is news
_LOOK_S: Final = 20.0
_TOPICS: Final = {"BadTopic", "MissingTopic", "TopicDisallowed"}

log = structlog.get_logger("push")


def read_keys(plan: ApnsPlan) -> None:
    """Raises the ConfigError that ``ApnsPusher.start`` would; nothing is kept, and no token is made."""
    for team in plan.teams:
        ClientTls(plan.ca, team.certificate, team.where).current()
        if team.key is not None:
            ProviderToken(team.team, team.key, team.where).load()


class ApnsPusher:
    """One for all teams. ``tokens`` are the process's unless a test gives its own; ``wall`` is seconds since 1970.

    Raises ConfigError for a plan that cannot be; a wrong key or certificate is told by ``start`` and by health, and
    taken when it is mended.
    """

    service: Service = Service.APNS

    def __init__(
        self,
        plan: ApnsPlan,
        *,
        tokens: ProviderTokens = PROCESS,
        wall: Callable[[], float] = time.time,
    ) -> None:
        if not plan.teams:
            raise ConfigError("settings", f"{plan.where}.apns", "no team", "a team_id with its key")
        self._plan = plan
        self._tokens = tokens.of_one_pusher()
        self._wall = wall
        self._proxy = parse_proxy(plan.proxy, f"{plan.where}.proxy") if plan.proxy else None
        self._teams = {team.team: team for team in plan.teams}
        self._tls = {team.team: ClientTls(plan.ca, team.certificate, team.where) for team in plan.teams}
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._condition = Condition(self.service, wall)
        self._in_trouble_since: float | None = None
        self._unusable_yet = False
        self._looking: asyncio.Task[None] | None = None
        self._stopped = False
        for team in plan.teams:
            self._lane(team, PRODUCTION), self._lane(team, SANDBOX)

    async def start(self) -> None:
        """Connect in the background. Raises ConfigError for a key or certificate that cannot be used.

        Even then it goes on: what is mended later is taken without another start.
        """
        self._looking = asyncio.create_task(self._look(), name="apns certificates")
        try:
            for team in self._plan.teams:
                self._usable(team)
        except ConfigError as error:
            self._unusable_yet = True
            self._condition.bad(str(error))
            raise
        for lane in self._kept_open():
            lane.pool.start()

    async def stop(self) -> None:
        """End connections and tasks; what is under way fails."""
        self._stopped = True
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await asyncio.gather(*(lane.pool.stop() for lane in self._lanes.values()))

    async def send(self, notification: Notification) -> Fate:
        """See ``Pusher``. Within ``request_s`` seconds it is with Apple, or it is told why not."""
        address = notification.address
        team = self._teams.get(address.team or self._plan.teams[0].team)
        if team is None:
            return Fate(Outcome.REFUSED, reason="a team that is not in the settings")
        try:
            composed = compose(notification, team.bundle_id)
        except UnfitError as error:
            bad_token = error.reason == "BadDeviceToken"
            return Fate(Outcome.MISMATCH if bad_token else Outcome.REFUSED, reason=error.reason)
        if self._stopped:
            return Fate(Outcome.UNAVAILABLE, reason="the gateway stops")
        environment = address.environment if address.environment in _OTHER else self._plan.environment
        deadline = asyncio.get_running_loop().time() + self._plan.request_s
        return await self._send(team, environment, composed, deadline)

    def health(self) -> Health:
        """Failing, too, while there is no connection where one is kept open, and while tokens are paused."""
        queued = sum(lane.pool.queued for lane in self._lanes.values())
        if self._in_trouble_since is not None and self._wall() - self._in_trouble_since > _TROUBLE_S:
            self._in_trouble_since = None
            self._condition.good()
        known = self._condition.health()
        for lane in self._lanes.values():
            if why := self._trouble_of(lane):
                since = known.since if known.word == "failing" else lane.pool.since
                return Health(self.service, "failing", why, since, queued)
        return Health(self.service, known.word, known.why, known.since, queued)

    def aim_of(self, address: PushAddress) -> str:
        """The app and its team, for each kind of token: VoIP pushes have a topic of their own."""
        team = self._teams.get(address.team or self._plan.teams[0].team)
        if team is None:
            return ""
        kind = f" ({address.kind})" if address.kind else ""
        return f"{bundle_of(address.app or team.bundle_id)}{kind} of team {team.team}"

    def tokens_made(self) -> int:
        """How many provider tokens of our teams the process has made."""
        return sum(lane.token().count for lane in self._lanes.values() if lane.token) // len(_OTHER)

    def dials(self) -> int:
        """How many connections were tried."""
        return sum(lane.pool.dials for lane in self._lanes.values())

    async def _send(self, team: ApnsTeam, environment: str, composed: Composed, deadline: float) -> Fate:
        lane = self._lane(team, environment)
        verdict = await lane.send(composed, deadline, self._plan.patience_s)
        self._note(lane, composed, verdict)
        if verdict.remedy is not Remedy.FLIP:
            return verdict.fate
        # A token belongs to the environment that the app was built for, and apps know it badly: ask the other one once.
        other = self._lane(team, _OTHER[environment])
        again = await other.send(composed, deadline, self._plan.patience_s)
        if again.fate.sent:
            return Fate(Outcome.SENT, 200, environment=other.environment)
        if again.fate.outcome is Outcome.UNAVAILABLE:
            # Whether the token is good there is not known, so it must not be given up.
            why = f"{verdict.fate.reason}, and {other.environment} cannot be asked: {again.fate.reason}"
            return Fate(Outcome.UNAVAILABLE, again.fate.status, why)
        return again.fate if again.fate.outcome is Outcome.GONE else verdict.fate

    def _lane(self, team: ApnsTeam, environment: str) -> Lane:
        lane = self._lanes.get((team.team, environment))
        if lane is None:
            lane = self._lanes[team.team, environment] = self._new_lane(team, environment)
        return lane

    def _new_lane(self, team: ApnsTeam, environment: str) -> Lane:
        plan = self._plan

        def connection(host: str) -> Connection:
            return Connection(host, idle_s=plan.ping_idle_s, pong_s=plan.pong_s)

        def token() -> ProviderToken:
            if team.key is None:
                raise ConfigError("settings", f"{team.where}.key_path", "nothing", "a key or a certificate")
            return self._tokens.of(team.team, team.key, team.where)

        dialer = Dialer(
            plan.url_of(environment),
            self._tls[team.team],
            proxy=self._proxy,
            connect_s=plan.connect_s,
            connection=connection,
            where=team.where,
        )
        kept = plan.keep_open and environment == plan.environment
        pool = Pool(dialer, queue=plan.queue, keep_open=kept, wall=self._wall)
        return Lane(team, environment, pool, token if team.certificate is None else None)

    def _usable(self, team: ApnsTeam) -> None:
        self._tls[team.team].current()
        lane = self._lane(team, self._plan.environment)
        if lane.token is not None:
            lane.token().current()

    def _kept_open(self) -> Iterator[Lane]:
        return (lane for lane in self._lanes.values() if lane.environment == self._plan.environment)

    def _trouble_of(self, lane: Lane) -> str:
        if lane.token is not None:
            with suppress(ConfigError):
                if lane.token().paused:
                    return f"team {lane.team.team}: TooManyProviderTokenUpdates, no new token for 20 minutes"
        if lane.environment == self._plan.environment:
            return lane.pool.trouble
        return ""

    def _note(self, lane: Lane, composed: Composed, verdict: Verdict) -> None:
        """What is wrong with one device, or with an app that a device named, says nothing about the provider."""
        fate = verdict.fate
        if verdict.remedy is Remedy.ALARM or fate.status == 403:
            if fate.reason in _TOPICS and bundle_of(composed.topic) != bundle_of(lane.team.bundle_id):
                return
            self._in_trouble_since = None
            self._condition.bad(
                f"team {lane.team.team}: {fate.status or ''} {fate.reason}".replace("  ", " ")
            )
        elif fate.outcome is Outcome.UNAVAILABLE:
            if lane.environment == self._plan.environment:
                self._in_trouble_since = self._wall()
                self._condition.bad(f"{fate.status or ''} {fate.reason}".strip())
        elif fate.outcome is not Outcome.DROPPED:
            self._in_trouble_since = None
            self._condition.good()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            self.look()

    def look(self) -> None:
        """Leave connections whose certificate was replaced, and connect where a key has become usable."""
        for lane in self._lanes.values():
            if lane.pool.connected and self._tls[lane.team.team].changed:
                log.info("push.apns.certificate_changed", team=lane.team.team, environment=lane.environment)
                lane.pool.retire_all("its certificate was replaced")
        try:
            for lane in self._kept_open():
                self._usable(lane.team)
                lane.pool.start()
        except ConfigError as error:
            if self._unusable_yet:
                self._condition.bad(str(error))
        else:
            if self._unusable_yet:
                self._unusable_yet = False
                self._condition.good()
