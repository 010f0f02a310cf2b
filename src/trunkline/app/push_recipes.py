"""What each push provider is made of, so that a reload knows which of them must be made anew.

A provider's module is imported when something is set for it: with what they send by, all of them take a fifth of
the start of an exchange that pushes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trunkline.app.archive import VAPID_FILE
from trunkline.app.mobile_plans import (
    apns_plan,
    fcm_plan,
    proxy_of,
    vapid_contact,
    webhook_secret,
)
from trunkline.base.errors import ConfigError
from trunkline.push.apns.plan import ApnsPlan
from trunkline.push.notification import Pusher, Service

if TYPE_CHECKING:
    from trunkline.app.settings import Settings

_NOBODY: Final = "mailto:nobody@localhost"  # RFC 8292 §2.1: some services want a contact, whoever it is


@dataclass(frozen=True, slots=True)
class Recipe:
    """``of`` is all that the provider depends on, contents of files among it: equal ones make the same provider.

    ``make`` raises ConfigError for what cannot be used, and ``read`` for a key that the provider would refuse only as
    it is started; ``read`` changes nothing.
    """

    of: object
    make: Callable[[], Pusher]
    read: Callable[[], None] = lambda: None


def recipes(
    settings: Settings, data: Path, wall: Callable[[], float], *, keep: bool = True
) -> dict[Service, Recipe]:
    """For each service that something is set for. Reads files; what is wrong is told by ``make``.

    Without ``keep`` nothing is written: a key of our own that is not there yet is made for the moment.
    """
    readers = {
        Service.APNS: lambda: _apns(settings, wall),
        Service.FCM: lambda: _fcm(settings, wall),
        Service.WEBPUSH: lambda: _webpush(settings, data, wall, keep=keep),
        Service.WEBHOOK: lambda: _webhook(settings, wall),
    }
    read = {service: _read(reader) for service, reader in readers.items()}
    return {service: recipe for service, recipe in read.items() if recipe is not None}


def contents_of(*paths: Path | None) -> tuple[bytes | None, ...]:
    """A digest of what is in each file, None for one that cannot be read."""
    return tuple(_digest(path) for path in paths if path is not None)


def _read(reader: Callable[[], Recipe | None]) -> Recipe | None:
    try:
        return reader()
    except ConfigError as error:
        wrong = error

    def make() -> Pusher:
        raise wrong

    return Recipe(str(wrong), make)


def _apns(settings: Settings, wall: Callable[[], float]) -> Recipe | None:
    plan = apns_plan(settings)
    if plan is None:
        return None
    from trunkline.push.apns.pusher import ApnsPusher, read_keys  # noqa: PLC0415

    files = contents_of(plan.ca, *_files_of(plan))
    return Recipe((plan, files), lambda: ApnsPusher(plan, wall=wall), lambda: read_keys(plan))


def _files_of(plan: ApnsPlan) -> Iterator[Path | None]:
    for team in plan.teams:
        if team.key is not None:
            yield team.key.path
        if team.certificate is not None:
            yield team.certificate.path
            yield team.certificate.key


def _fcm(settings: Settings, wall: Callable[[], float]) -> Recipe | None:
    plan = fcm_plan(settings)
    if plan is None:
        return None
    from trunkline.push.fcm.pusher import FcmPusher, read_key  # noqa: PLC0415

    files = contents_of(plan.ca, plan.service_account_path)
    return Recipe((plan, files), lambda: FcmPusher(plan, wall=wall), lambda: read_key(plan))


def _webpush(settings: Settings, data: Path, wall: Callable[[], float], *, keep: bool) -> Recipe | None:
    webpush, push = settings.push.webpush, settings.push
    if not webpush.enabled or not (settings.api.address or push.apns.is_set or push.fcm.is_set):
        return None
    from trunkline.push.webpush.pusher import WebPushPlan, WebPushPusher  # noqa: PLC0415
    from trunkline.push.webpush.vapid import keep_vapid_key, load_vapid_key  # noqa: PLC0415

    contact = vapid_contact(settings) or _NOBODY
    key = (
        load_vapid_key(Path(webpush.key_path), contact)
        if webpush.key_path
        else keep_vapid_key(data / VAPID_FILE, contact, write=keep)
    )
    plan = WebPushPlan(push.networks, ca=_path(push.ca), proxy=proxy_of(settings))
    of = plan, key.public, contact, contents_of(plan.ca)
    return Recipe(of, lambda: WebPushPusher(plan, key, wall=wall))


def _webhook(settings: Settings, wall: Callable[[], float]) -> Recipe | None:
    webhook = settings.push.webhook
    if webhook.url is None:
        return None
    from trunkline.push.webhook import WebhookPlan, WebhookPusher  # noqa: PLC0415

    plan = WebhookPlan(webhook.url, webhook_secret(settings), _path(settings.push.ca), proxy_of(settings))
    return Recipe((plan, contents_of(plan.ca)), lambda: WebhookPusher(plan, wall=wall))


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser() if text else None


def _digest(path: Path) -> bytes | None:
    try:
        return hashlib.sha256(path.expanduser().read_bytes()).digest()
    except OSError:
        return None
