"""From the settings to what the API, the push services and the hand-over of calls to apps want to know."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import quote

from trunkline.api.plan import ApiPlan, AuthPlan, LimitPlan, OidcPlan, Rate
from trunkline.app.secret_values import secret_of, variable_value
from trunkline.app.settings import Settings
from trunkline.app.settings.auth import PLACEHOLDERS
from trunkline.mobile.domains import DomainList
from trunkline.mobile.office import HandOverPolicy
from trunkline.mobile.policy import MobilePolicy
from trunkline.net.http_proxy import HttpProxy, parse_proxy
from trunkline.push.apns.plan import PRODUCTION, SANDBOX, ApnsCertificate, ApnsKey, ApnsPlan, ApnsTeam
from trunkline.push.fcm.plan import FcmPlan
from trunkline.registrar.waking_policy import WakingPolicy
from trunkline.ua.registrations.plan import RegistrationPolicy

SIGNING: Final = "tokens of the HTTP API"
"""What ``SecretBox.derive`` is asked for, to sign tokens with when ``auth.secret`` is not set."""


def proxy_of(settings: Settings) -> HttpProxy | None:
    """The way out, None for the straight one. Raises ConfigError for a password that is not there."""
    push = settings.push
    if push.proxy is None:
        return None
    password = secret_of(push, "push", "proxy_password", called="password")
    return parse_proxy(push.proxy, "push.proxy", push.proxy_username, password)


def _proxy_url(settings: Settings) -> str:
    """The same as one URL, credentials in it."""
    push = settings.push
    if push.proxy is None or not push.proxy_username:
        return push.proxy or ""
    password = secret_of(push, "push", "proxy_password", called="password")
    return push.proxy.replace("://", f"://{quote(push.proxy_username, '')}:{quote(password, '')}@", 1)


def apns_plan(settings: Settings) -> ApnsPlan | None:
    """Apple's devices; None when nothing is set for them. Raises ConfigError for a variable that is not set."""
    apns = settings.push.apns
    if not apns.is_set:
        return None
    key = certificate = None
    if apns.certificate:
        certificate = ApnsCertificate(_path(apns.certificate), _path_or_none(apns.certificate_key))
    else:
        pem = _variable(apns.key_env, "push.apns.key_env", "key")
        key = ApnsKey(apns.key_name, _path_or_none(apns.key_path), pem)
    return ApnsPlan(
        (ApnsTeam(apns.team_id, apns.bundle_id, key, certificate),),
        SANDBOX if apns.sandbox else PRODUCTION,
        apns.base_url,
        apns.sandbox_url,
        _path_or_none(settings.push.ca),
        _proxy_url(settings),
        queue=settings.push.queue,
    )


def fcm_plan(settings: Settings) -> FcmPlan | None:
    """Android's devices; None when nothing is set for them. Raises ConfigError for a variable that is not set."""
    fcm = settings.push.fcm
    if not fcm.is_set:
        return None
    return FcmPlan(
        _path_or_none(fcm.service_account_path),
        _variable(fcm.service_account_env, "push.fcm.service_account_env", "service account's JSON"),
        fcm.project_id,
        fcm.base_url,
        _path_or_none(settings.push.ca),
        proxy_of(settings),
    )


def webhook_secret(settings: Settings) -> str:
    """What webhooks are signed with, "" when there are none. Raises ConfigError."""
    return secret_of(settings.push.webhook, "push.webhook", "secret")


def vapid_contact(settings: Settings) -> str:
    """Whom a push service may write to (RFC 8292 §2.1); "" when nobody is named."""
    url = settings.api.public_url or ""
    return settings.push.webpush.subject or (url if url.startswith("https://") else "")


def api_plan(settings: Settings) -> ApiPlan | None:
    """None when the API is off."""
    api = settings.api
    address = api.address
    if address is None:
        return None
    return ApiPlan(
        host=address.host,
        port=address.port or 0,
        public_url=api.public_url or "",
        root_path=api.root_path,
        proxies=api.trusted_proxies,
        origins=api.origins,
        docs=api.docs,
        limits=_limits(settings),
        call_s=settings.mobile.place_timeout_s + 10.0,
    )


def _limits(settings: Settings) -> LimitPlan:
    limits = settings.api.limits
    return LimitPlan(
        per_source=Rate(limits.per_source, limits.per_source),
        per_subject=Rate(limits.per_subject, limits.per_subject),
        failures=Rate(limits.failures, limits.failures),
        tokens=Rate(limits.tokens, limits.tokens),
        devices=Rate(limits.devices, limits.devices),
        calls=Rate(limits.calls, max(1, limits.calls // 2)),
        pushes=Rate(limits.pushes, max(1, limits.pushes // 2)),
        connections_each=limits.connections,
    )


def auth_plan(settings: Settings, derived: bytes, default_tenant: str | None = None) -> AuthPlan:
    """``derived`` signs tokens when the settings name no secret of their own. Raises ConfigError."""
    auth = settings.auth
    oidc = None
    if auth.issuer:
        oidc = OidcPlan(auth.issuer, auth.audience, auth.jwks_url or "", auth.tenant_claim)
    return AuthPlan(
        _own(secret_of(auth, "auth", "secret")) or derived.hex(),
        auth.token_expiry_secs,
        _own(secret_of(auth, "auth", "api_key", called="key")),
        oidc,
        default_tenant,
    )


def _own(secret: str) -> str:
    """A published example's value is none, wherever it was read."""
    return "" if secret in PLACEHOLDERS else secret


def mobile_policy(settings: Settings) -> MobilePolicy:
    """Whose accounts apps may bring, where we register for them, and how many there may be."""
    mobile = settings.mobile
    return MobilePolicy(
        DomainList.of(mobile.domains, mobile.registrars, mobile.networks),
        expires_s=mobile.expires_s,
        purge_days=mobile.purge_days,
        max_devices=mobile.max_devices,
        max_calls=mobile.max_calls,
        answer_s=mobile.place_timeout_s,
        learns_address=settings.sip.advertise is None,
    )


def registration_policy(settings: Settings) -> RegistrationPolicy:
    """How fast one registrar is asked, for all that register there."""
    return RegistrationPolicy(per_s=settings.mobile.per_registrar_s)


def hand_over_policy(settings: Settings) -> HandOverPolicy:
    """How long everybody waits, and what they are told meanwhile."""
    mobile = settings.mobile
    return HandOverPolicy(
        provisional=mobile.provisional,
        contact_s=mobile.contact_timeout_s,
        answer_s=mobile.answer_timeout_s,
        no_answer_status=mobile.no_answer_status,
        live_patience_s=mobile.live_patience_s,
        show_caller=mobile.show_caller,
        cancel_push=mobile.cancel_push,
        gateway_url=settings.api.public_url or "",
        media=mobile.media,
    )


def waking_policy(settings: Settings) -> WakingPolicy:
    """When native apps are woken, and how often."""
    push = settings.sip.push
    return WakingPolicy(
        awake_s=push.awake_s,
        contact_timeout_s=push.contact_timeout_s,
        provisional=push.provisional,
        cancel_push=push.cancel_push,
        quiet_every_s=push.quiet_every_s,
        refresh=push.enabled and push.refresh,
        refresh_before_s=push.refresh_before_s,
        refreshes_a_day=push.refreshes_a_day,
    )


def _variable(name: str, key: str, called: str) -> str:
    return variable_value(name, key, called) if name else ""


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _path_or_none(text: str | None) -> Path | None:
    return _path(text) if text else None
