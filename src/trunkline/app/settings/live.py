"""When a changed setting takes effect: at once by a reload, or at the next start.

A key that stands in neither table waits for the next start; a test asks for every key to stand in one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from trunkline.app.redaction import is_secret
from trunkline.app.settings.errors import show
from trunkline.app.settings.model import Settings
from trunkline.app.settings.section import Section

# A reload applies these; ``app.live_parts`` says how.
LIVE: frozenset[str] = frozenset({
    "api.docs",
    "api.limits.calls",
    "api.limits.connections",
    "api.limits.devices",
    "api.limits.failures",
    "api.limits.per_source",
    "api.limits.per_subject",
    "api.limits.pushes",
    "api.limits.tokens",
    "api.origins",
    "api.public_url",
    "api.root_path",
    "api.trusted_proxies",
    "auth.api_key",
    "auth.api_key_env",
    "auth.api_key_file",
    "auth.audience",
    "auth.issuer",
    "auth.jwks_url",
    "auth.secret",
    "auth.secret_env",
    "auth.secret_file",
    "auth.tenant_claim",
    "auth.token_expiry_secs",
    "dns.cache_size",
    "dns.max_negative_ttl_s",
    "dns.max_ttl_s",
    "dns.min_ttl_s",
    "dns.question_timeout_s",
    "dns.servers",
    "dns.stale_s",
    "dns.timeout_s",
    "events.default_expires_s",
    "events.in_all",
    "events.interval_s",
    "events.lists",
    "events.max_expires_s",
    "events.min_expires_s",
    "events.per_extension",
    "events.per_tenant",
    "events.show_callers",
    "events.unsolicited_mwi",
    "guard.attempts",
    "guard.enabled",
    "guard.first_s",
    "guard.longest_s",
    "guard.strangers",
    "guard.trusted",
    "guard.window_s",
    "limits.calls_per_extension",
    "log.format",
    "log.level",
    "metrics.listen",
    "media.browsers",
    "media.convert",
    "media.encryption",
    "media.tones",
    "mobile.answer_timeout_s",
    "mobile.cancel_push",
    "mobile.contact_timeout_s",
    "mobile.domains",
    "mobile.expires_s",
    "mobile.inside",
    "mobile.live_patience_s",
    "mobile.max_calls",
    "mobile.max_devices",
    "mobile.media",
    "mobile.no_answer_status",
    "mobile.place_timeout_s",
    "mobile.provisional",
    "mobile.purge_days",
    "mobile.registrars",
    "mobile.show_caller",
    "peers",
    "push.apns.base_url",
    "push.apns.bundle_id",
    "push.apns.certificate",
    "push.apns.certificate_key",
    "push.apns.key_env",
    "push.apns.key_id",
    "push.apns.key_path",
    "push.apns.sandbox",
    "push.apns.sandbox_url",
    "push.apns.team_id",
    "push.ca",
    "push.fcm.base_url",
    "push.fcm.project_id",
    "push.fcm.service_account_env",
    "push.fcm.service_account_path",
    "push.inside",
    "push.proxy",
    "push.proxy_password",
    "push.proxy_password_env",
    "push.proxy_password_file",
    "push.proxy_username",
    "push.queue",
    "push.webhook.secret",
    "push.webhook.secret_env",
    "push.webhook.secret_file",
    "push.webhook.url",
    "push.webpush.enabled",
    "push.webpush.key_path",
    "push.webpush.subject",
    "sip.advertise",
    "recording.channels",
    "recording.format",
    "recording.keep_free_mb",
    "recording.max_duration_s",
    "sip.grace_s",
    "sip.listen",
    "sip.max_contacts",
    "sip.dtmf",
    "sip.early_media",
    "sip.max_forwards",
    "sip.nat",
    "sip.next_hop_s",
    "sip.overload.enabled",
    "sip.overload.lag_s",
    "sip.overload.retry_after_s",
    "sip.push.awake_s",
    "sip.push.cancel_push",
    "sip.push.contact_timeout_s",
    "sip.push.enabled",
    "sip.push.pnsreg_s",
    "sip.push.provisional",
    "sip.push.quiet_every_s",
    "sip.push.refresh",
    "sip.push.refresh_before_s",
    "sip.push.refreshes_a_day",
    "sip.push.refuse_unsupported",
    "sip.push.show_caller",
    "sip.registration.default_expires_s",
    "sip.registration.max_expires_s",
    "sip.registration.min_expires_s",
    "sip.registration.path",
    "sip.registration.service_route",
    "sip.reliable_provisionals",
    "sip.ring_timeout_s",
    "sip.sdp_profile",
    "sip.session_timer.expires_s",
    "sip.session_timer.min_se_s",
    "sip.session_timer.mode",
    "sip.tcp_within_s",
    "texts.keep_days",
    "texts.most",
    "transfers.pickup",
    "transfers.recall",
    "texts.most_of_one",
    "stir.anchors",
    "stir.certificate_url",
    "stir.date_skew_s",
    "stir.inside",
    "stir.key",
    "stir.max_age_s",
    "stir.numbers",
    "stir.unknown",
    "stir.web_ca",
})  # fmt: skip
# Sockets, the media engine's threads and what is in every message are made once, at the start.
RESTART: frozenset[str] = frozenset({
    "api.listen",
    "data",
    "domain",
    "exchange.enabled",
    "limits.connections",
    "media.address",
    "media.advertise",
    "media.engine",
    "media.inactivity_s",
    "media.kernel",
    "media.kernel_interfaces",
    "media.ports",
    "media.rtpengine.ca",
    "media.rtpengine.instances",
    "media.rtpengine.keys_at",
    "media.rtpengine.moves_per_s",
    "media.rtpengine.ping_s",
    "media.rtpengine.timeout_s",
    "media.rtpengine.weights",
    "media.workers",
    "mobile.per_registrar_s",
    "node",
    "sip.tls.ca",
    "sip.tls.certificate",
    "sip.tls.certificates",
    "sip.tls.key",
    "trace.age_h",
    "trace.bodies",
    "trace.keep",
    "trace.size_mb",
    "audio_sockets",
    "trunks",
})  # fmt: skip


def values_of(settings: BaseModel, prefix: str = "") -> dict[str, Any]:
    """Every setting by its dotted key; a list, such as that of the listeners, is one value."""
    found: dict[str, Any] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        key = f"{prefix}{name}"
        found |= values_of(value, f"{key}.") if isinstance(value, BaseModel) else {key: value}
    return found


def with_values(old: Settings, new: Settings, keys: Iterable[str]) -> Settings:
    """``old`` with the values of ``new`` under these dotted keys."""
    made = old
    for key in keys:
        made = _put(made, new, key.split("."))
    return made


def _put(old: Any, new: Any, parts: list[str]) -> Any:
    name, rest = parts[0], parts[1:]
    value = getattr(new, name)
    return old.model_copy(update={name: _put(getattr(old, name), value, rest) if rest else value})


def as_text(key: str, value: Any) -> str:
    """A value for people: as it stands in the file, secrets hidden."""
    if isinstance(value, tuple):
        return ", ".join(_table(key, one) if isinstance(one, Section) else as_text(key, one) for one in value)
    return show(key, value if isinstance(value, int | float | bool | dict) or value is None else str(value))


def _table(key: str, one: Section) -> str:
    """A listener, a peer, a trunk: what it is called, then what was written beside that."""
    fields = type(one).model_fields
    called = "url" if "url" in fields else "name"
    beside = ((name, value) for name, value in one if name != called and value != fields[name].default)
    words = [getattr(one, called), *(f"{name} {_short(f'{key}.{name}', value)}" for name, value in beside)]
    return " ".join(words)


def _short(key: str, value: Any) -> str:
    """Without quotes: what stands within a table is told in one line."""
    if is_secret(key):
        return show(key, value)
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)
