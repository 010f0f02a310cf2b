"""What push services know us by: keys, certificates, accounts; read as a start reads them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from trunkline.app.archive import VAPID_FILE
from trunkline.app.check.finding import Case, Finding, Findings
from trunkline.app.check.trunks import private
from trunkline.app.mobile_plans import apns_plan, fcm_plan, proxy_of, vapid_contact, webhook_secret
from trunkline.app.settings import Settings
from trunkline.base.errors import ConfigError
from trunkline.net.tls.certificates import utc_now
from trunkline.net.tls.contexts import SOON
from trunkline.push.apns.plan import ApnsCertificate, ApnsPlan, ApnsTeam
from trunkline.push.apns.provider_token import ProviderToken
from trunkline.push.fcm.service_account import parse_account, read_account
from trunkline.push.webpush.vapid import keep_vapid_key, load_vapid_key

_say = Findings("push")
_PLACEHOLDER: Final = "XXXXXXXXXX"


def push(case: Case) -> Iterator[Finding]:
    """Nothing when apps are no matter here."""
    settings = case.loaded.settings
    try:
        proxy_of(settings)
        planned = apns_plan(settings)
        account = fcm_plan(settings)
        webhook_secret(settings)
    except ConfigError as error:
        yield _of(error)
        return
    if planned is not None:
        yield from apns(planned)
    if account is not None:
        yield from fcm(settings)
    if settings.push.webpush.key_path or settings.push.webpush.subject:
        yield from webpush(settings)
    if settings.push.webpush.enabled and not settings.push.webpush.key_path:
        yield from kept(case.data.path / VAPID_FILE)
    if settings.push.webhook.url:
        yield _webhook(settings.push.webhook.url)
    if settings.api.address is not None:
        yield from _nothing(settings)


def _nothing(settings: Settings) -> Iterator[Finding]:
    push = settings.push
    if push.apns.is_set or push.fcm.is_set or push.webhook.url:
        return
    if push.webpush.enabled:  # all that some gateways want
        yield _say.ok("Web Push alone: without [push.apns] and [push.fcm] no other app that sleeps is woken")
    else:
        yield _say.warn(
            "no push service is set: sleeping apps are not woken", "set [push.apns] or [push.fcm]"
        )


def apns(plan: ApnsPlan) -> Iterator[Finding]:
    """The key, or the certificate, of every team."""
    for team in plan.teams:
        if team.certificate is not None:
            yield from certificate(team.certificate)
        elif team.key is not None:
            yield from apns_key(team, plan.environment)
        if not team.bundle_id:
            yield _say.warn(
                "APNs: push.apns.bundle_id is not set: devices that do not say theirs get no push",
                "set it to the app's bundle id",
            )


def apns_key(team: ApnsTeam, environment: str) -> Iterator[Finding]:
    """Readable, of the curve P-256, private, and with ids that are not an example's."""
    if team.key is None:
        return
    if _PLACEHOLDER in {team.key.key_id, team.team}:
        yield _say.fail(
            f"APNs: {_PLACEHOLDER} is the example's: no key or team has this id",
            "take both ids from developer.apple.com",
        )
    try:
        ProviderToken(team.team, team.key, team.where).load()
    except ConfigError as error:
        yield _of(error)
        return
    if team.key.path is not None:
        yield from private(team.key.path, _say)
    app = team.bundle_id or "any app"
    yield _say.ok(f"APNs: key {team.key.key_id} of team {team.team} for {app}, {environment} by default")


def certificate(one: ApnsCertificate) -> Iterator[Finding]:
    """Readable, in its time, and with its own key."""
    where = one.key or one.path
    try:
        found = x509.load_pem_x509_certificate(one.path.read_bytes())
        key = serialization.load_pem_private_key(where.read_bytes(), None)
    except OSError as error:
        yield _say.fail(f"APNs: {error.filename}: {error.strerror}", "mend push.apns.certificate")
        return
    except (ValueError, TypeError, UnsupportedAlgorithm):
        yield _say.fail(
            f"APNs: {one.path} with {where} is no certificate with a key",
            "export it as PEM, without a password",
        )
        return
    yield from private(where, _say)
    if _public(found.public_key()) != _public(key.public_key()):
        yield _say.fail(
            f"APNs: {where} is not the key of {one.path}", "take the key that it was asked for with"
        )
        return
    yield _dates(f"APNs: the certificate {one.path}", found)


def _public(key: object) -> bytes:
    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))  # type: ignore[attr-defined]


def _dates(name: str, one: x509.Certificate) -> Finding:
    now, until = utc_now(), f"{one.not_valid_after_utc:%Y-%m-%d}"
    if now >= one.not_valid_after_utc:
        return _say.fail(f"{name} has expired on {until}", "get a new one: no push is taken")
    if one.not_valid_after_utc - now < SOON:
        return _say.warn(
            f"{name} expires on {until}", "renew it in time, or take a key, which does not expire"
        )
    return _say.ok(f"{name} is valid until {until}")


def fcm(settings: Settings) -> Iterator[Finding]:
    """The service account: its key's JSON, and whether it is of the project that is named."""
    given = settings.push.fcm
    plan = fcm_plan(settings)
    if plan is None:
        return
    try:
        path = plan.service_account_path
        account = read_account(path) if path is not None else parse_account(plan.service_account)
        account.grant(time.time())
    except ConfigError as error:
        yield _of(error)
        return
    if path is not None:
        yield from private(path, _say)
    if given.project_id and given.project_id != account.project_id:
        yield _say.warn(
            f"FCM: push.fcm.project_id is {given.project_id}, and the account is of {account.project_id}",
            "right when that project lets the account send: else leave project_id out",
        )
    yield _say.ok(f"FCM: {account.email} for project {given.project_id or account.project_id}")


def kept(path: Path) -> Iterator[Finding]:
    """A key of our own making that cannot be used; nothing where there is none yet."""
    try:
        keep_vapid_key(path, "", write=False)
    except ConfigError as error:
        yield _of(error)


def webpush(settings: Settings) -> Iterator[Finding]:
    """The key that apps subscribe with, and whom a push service may write to."""
    contact = vapid_contact(settings)
    if not contact:
        yield _say.warn(
            "Web Push: nobody is named whom a push service may write to: some refuse such pushes",
            'set push.webpush.subject, as in "mailto:voice@example.com"',
        )
    path = settings.push.webpush.key_path
    if path is None:
        yield _say.ok("Web Push: the key is made and kept in the data folder")
        return
    file = Path(path).expanduser()
    try:
        load_vapid_key(file, contact)
    except ConfigError as error:
        yield _of(error)
        return
    yield from private(file, _say)
    yield _say.ok(f"Web Push: key {path}")


def _webhook(url: str) -> Finding:
    if url.startswith("https://"):
        return _say.ok(f"pushes of kind webhook go to {url}, signed")
    return _say.warn(f"{url} is no https: push tokens cross the network in clear", "take https")


def _of(error: ConfigError) -> Finding:
    why = f": {error.hint}" if error.hint else ""
    return _say.fail(f"{error.key}: {error.seen}{why}", f"expected {error.expected}")
