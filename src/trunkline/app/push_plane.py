"""The push services of the settings, put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from trunkline.app.archive import VAPID_FILE
from trunkline.app.mobile_plans import (
    apns_plan,
    fcm_plan,
    proxy_of,
    vapid_contact,
    webhook_secret,
)
from trunkline.base.errors import ConfigError
from trunkline.push.apns.pusher import ApnsPusher
from trunkline.push.fcm.pusher import FcmPusher
from trunkline.push.notification import Health, Pusher, Service
from trunkline.push.pushers import Pushers
from trunkline.push.webhook import WebhookPlan, WebhookPusher
from trunkline.push.webpush.pusher import WebPushPlan, WebPushPusher
from trunkline.push.webpush.vapid import keep_vapid_key, load_vapid_key

if TYPE_CHECKING:
    from trunkline.app.settings import Settings

log = structlog.get_logger("push")

UNUSABLE: Final = "its settings cannot be used: trunkline check says why"
_OF_SETTINGS: Final = (
    "settings: push."  # how a ConfigError begins: a key or certificate that was replaced badly
)
_NOBODY: Final = "mailto:nobody@localhost"  # RFC 8292 §2.1: some services want a contact, whoever it is


class PushPlane:
    """``pushers`` are those that something is set for; ``wrong`` what could not be used of the settings."""

    def __init__(self, settings: Settings, data: Path, wall: Callable[[], float]) -> None:
        self.wrong: list[ConfigError] = []
        self.vapid = ""
        self.pushers = Pushers(self._made(settings, data, wall), queue=settings.push.queue, wall=wall)

    def _made(self, settings: Settings, data: Path, wall: Callable[[], float]) -> Iterator[Pusher]:
        makers: tuple[Callable[[], Pusher | None], ...] = (
            lambda: _apns(settings, wall),
            lambda: _fcm(settings, wall),
            lambda: self._webpush(settings, data, wall),
            lambda: _webhook(settings, wall),
        )
        for make in makers:
            try:
                pusher = make()
            except ConfigError as error:
                # A push service that cannot be used must not keep calls from phones that are awake.
                self.wrong.append(error)
                log.warning("a push service cannot be used", why=str(error))
                continue
            if pusher is not None:
                yield pusher

    def _webpush(self, settings: Settings, data: Path, wall: Callable[[], float]) -> Pusher | None:
        webpush, push = settings.push.webpush, settings.push
        if not webpush.enabled or not (settings.api.address or push.apns.is_set or push.fcm.is_set):
            return None
        contact = vapid_contact(settings) or _NOBODY
        key = (
            load_vapid_key(Path(webpush.key_path), contact)
            if webpush.key_path
            else keep_vapid_key(data / VAPID_FILE, contact)
        )
        self.vapid = key.public
        plan = WebPushPlan(push.networks, ca=_path(push.ca), proxy=proxy_of(settings))
        return WebPushPusher(plan, key, wall=wall)

    def health(self) -> tuple[Health, ...]:
        """How each service does; one whose settings cannot be used fails."""
        unusable = {error.key.split(".")[1] for error in self.wrong if error.key.count(".")}
        # Everybody may ask for health: paths of our files are for the log and for ``trunkline check``.
        return tuple(
            replace(one, word="failing", why=UNUSABLE)
            if (one.service in unusable and one.word != "ready") or _OF_SETTINGS in one.why
            else one
            for one in self.pushers.health()
        )

    def offered(self) -> frozenset[Service]:
        """What a phone that registers itself may name (RFC 8599)."""
        return frozenset(one for one in Service if one is not Service.WEBHOOK and self.pushers.has(one))

    async def start(self) -> None:
        """Begin to connect; keys that cannot be used are told by health and in the log."""
        self.wrong += await self.pushers.start()

    async def stop(self) -> None:
        """End connections and tasks."""
        await self.pushers.stop()


def _apns(settings: Settings, wall: Callable[[], float]) -> Pusher | None:
    plan = apns_plan(settings)
    return None if plan is None else ApnsPusher(plan, wall=wall)


def _fcm(settings: Settings, wall: Callable[[], float]) -> Pusher | None:
    plan = fcm_plan(settings)
    return None if plan is None else FcmPusher(plan, wall=wall)


def _webhook(settings: Settings, wall: Callable[[], float]) -> Pusher | None:
    webhook = settings.push.webhook
    if webhook.url is None:
        return None
    plan = WebhookPlan(webhook.url, webhook_secret(settings), _path(settings.push.ca), proxy_of(settings))
    return WebhookPusher(plan, wall=wall)


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser() if text else None
