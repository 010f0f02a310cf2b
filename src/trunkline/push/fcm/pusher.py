"""Sends by FCM: one POST for each notification, one retry where it cannot ring a phone twice."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable
from typing import Final

import structlog

from trunkline.base.errors import ConfigError, LocalProtocolError, TransportError
from trunkline.net.http_client import HttpClient, HttpPlan
from trunkline.push.asking_again import tried_twice
from trunkline.push.condition import Condition
from trunkline.push.fcm.access import LOOK_S, AccessTokens, NoAccessError
from trunkline.push.fcm.fates import fate_of, is_unauthenticated
from trunkline.push.fcm.message import message_of
from trunkline.push.fcm.plan import FcmPlan
from trunkline.push.fcm.service_account import ServiceAccount, parse_account, read_account, stamp_of
from trunkline.push.notification import Fate, Health, Notification, Outcome, PushAddress, Service

_FINE: Final = {Outcome.SENT, Outcome.GONE, Outcome.MISMATCH, Outcome.BUSY}
_OURS: Final = {401, 403, 404}  # our account, our rights, our project
# Ids, numbers, and the old form with a domain; the package name of an app, which devices like to give, is none.
_is_project = re.compile(r"(?:[a-z0-9][a-z0-9.-]{0,62}:)?[a-z0-9][a-z0-9-]{0,62}\Z").match

log = structlog.get_logger("push")


def read_key(plan: FcmPlan) -> None:
    """Raises the ConfigError that ``FcmPusher.start`` would; nothing is kept."""
    if plan.service_account_path is None:
        parse_account(plan.service_account)
    else:
        read_account(plan.service_account_path)


class FcmPusher:
    """Raises ConfigError for a CA file or URL that cannot be used; a wrong account is told by ``start``."""

    service: Service = Service.FCM

    def __init__(
        self,
        plan: FcmPlan,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._plan = plan
        self._wall = wall
        self._http = HttpClient(
            HttpPlan(
                named=(plan.base_url,),
                ca_file=plan.ca,
                proxy=plan.proxy,
                timeout_s=plan.timeout_s,
                connections=plan.at_once,
                per_host=plan.at_once,
            )
        )
        self._account: ServiceAccount | None = None
        self._stamp: tuple[int, int, int] | None = None
        self._condition = Condition(self.service, wall)
        self.access = AccessTokens(self._http, self._account_now, self._hear, clock=clock, wall=wall)
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the account and fetch the first access token in the background.

        Raises ConfigError for an account that cannot be used; even then the file is looked at again, so that a better
        one is taken without another start.
        """
        self._looking = asyncio.create_task(self._look(), name="fcm account and access token")
        try:
            await self.read()
        except ConfigError as error:
            self._condition.bad(str(error))
            raise
        self.access.fetch()

    async def stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await self.access.close()
        await self._http.close()

    def health(self) -> Health:
        return self._condition.health()

    def aim_of(self, address: PushAddress) -> str:
        """The project: tokens belong to one."""
        try:
            return f"project {self._project_of(address.app)}"
        except (LocalProtocolError, ConfigError):
            return ""

    async def send(self, notification: Notification) -> Fate:
        fate = await tried_twice(lambda: self._try(notification), notification)
        self._note(fate, notification.address.app)
        return fate

    async def read(self) -> None:
        """The account, if it changed. Raises ConfigError."""
        path = self._plan.service_account_path
        if path is None:
            self._account = self._account or parse_account(self._plan.service_account)
            return
        stamp = await asyncio.to_thread(stamp_of, path)
        if self._account is not None and (stamp is None or stamp == self._stamp):
            return
        found = await asyncio.to_thread(read_account, path)
        if self._account is not None:
            log.info("push.key_taken", service=self.service.value, account=found.email)
        self._account, self._stamp = found, stamp
        self.access.forget()

    async def _try(self, notification: Notification) -> Fate:
        try:
            project = self._project_of(notification.address.app)
            body = message_of(notification, self._wall())
            token = await self.access.get()
            fate = await self._post(project, body, token)
            if is_unauthenticated(fate):
                fate = await self._post(project, body, await self.access.instead_of(token))
        except (LocalProtocolError, ConfigError) as error:
            return Fate(Outcome.REFUSED, reason=str(error))
        except NoAccessError as error:
            return Fate(Outcome.REFUSED if error.lasting else Outcome.UNAVAILABLE, reason=str(error))
        except TransportError as error:
            return Fate(Outcome.UNAVAILABLE, reason=str(error))
        return fate

    async def _post(self, project: str, body: bytes, token: str) -> Fate:
        url = f"{self._plan.base_url}/v1/projects/{project}/messages:send"
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return fate_of(await self._http.post(url, body, headers), self._wall())

    def _project_of(self, app: str) -> str:
        project = app if _is_project(app) else self._plan.project_id or self._account_now().project_id
        if not _is_project(project):
            raise LocalProtocolError(f"a project that cannot be: {project!a:.40}")
        return project

    def _account_now(self) -> ServiceAccount:
        if self._account is None:
            why = self._condition.health().why
            raise LocalProtocolError(why or "no service account was read yet")
        return self._account

    def _hear(self, why: str) -> None:
        if why:
            self._condition.bad(why)
        else:
            self._condition.good()

    def _note(self, fate: Fate, app: str) -> None:
        """What is wrong with one message or device, or a project that a device named, is not the provider's fault."""
        if fate.outcome in _FINE:
            self._condition.good()
        elif fate.outcome is Outcome.UNAVAILABLE or (fate.status in _OURS and not app):
            self._condition.bad(f"{fate.status or ''} {fate.reason}".strip())

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            with contextlib.suppress(NoAccessError):
                await self.look()

    async def look(self) -> None:
        """Take a new file over, and renew the access token when it is due. Raises NoAccessError."""
        try:
            await self.read()
        except ConfigError as error:
            if self._account is None:
                self._condition.bad(str(error))
            else:  # what was read before serves on
                log.warning("push.key_refused", service=self.service.value, why=str(error))
            return
        if self._account is not None and self.access.is_due:
            await asyncio.shield(self.access.fetch())
