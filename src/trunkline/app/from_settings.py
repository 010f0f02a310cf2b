"""From the settings to what each plane wants to know."""

from __future__ import annotations

from pathlib import Path

from trunkline.app.addresses import HostAddresses, host_addresses, is_unspecified
from trunkline.app.settings import Certificate, Settings, Tls
from trunkline.app.settings import Listener as ListenerSettings
from trunkline.media.commands import ToneStep
from trunkline.media.embedded import MediaSettings
from trunkline.media.encryption import MediaEncryption
from trunkline.media.signals import signal_of
from trunkline.message.policy import DAY_S, TextPolicy
from trunkline.net import CertificateFiles, Listener, ListenerTls, NetSettings, SelfSigned, TlsSettings
from trunkline.net.fence import PROOF_S, FencePolicy
from trunkline.net.fence.penalties import Scale
from trunkline.pbx.events.plane import EventPolicy
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.ua.overload import OverloadPolicy
from trunkline.ua.sessions.session_timer import TimerPolicy
from trunkline.ua.subscriptions import NotifierPolicy


def listeners_of(settings: Settings, node: str) -> list[Listener]:
    """The sockets that the settings ask for."""
    return [
        Listener(
            one.url,
            name=one.name,
            role=one.role,
            advertise=one.advertise or "",
            node=node,
            source="sip.listen",
            tls=_listener_tls(at, one),
            origins=one.origins,
        )
        for at, one in enumerate(settings.sip.listen)
    ]


def tls_settings(settings: Settings, data: Path, host: HostAddresses | None = None) -> TlsSettings:
    """The certificates that all listeners share, and what one of our own making is for and where it is kept."""
    tls = settings.sip.tls
    first = (_files(tls, "sip.tls"),) if tls.certificate else ()
    more = (_files(one, f"sip.tls.certificates[{at}]") for at, one in enumerate(tls.certificates))
    return TlsSettings(
        tuple(files for files in (*first, *more) if files is not None),
        Path(tls.ca).expanduser() if tls.ca else None,
        SelfSigned(data / "tls" / "self-signed.pem", _names(settings, host or host_addresses())),
    )


def _listener_tls(at: int, one: ListenerSettings) -> ListenerTls:
    where = f"sip.listen[{at}]"
    client_ca = Path(one.client_ca).expanduser() if one.client_ca else None
    return ListenerTls(_files(one, where), one.client_certificate, client_ca, where)


def _files(one: Tls | Certificate | ListenerSettings, where: str) -> CertificateFiles | None:
    if not one.certificate:
        return None
    certificate = Path(one.certificate).expanduser()
    return CertificateFiles(certificate, Path(one.key).expanduser() if one.key else certificate, where)


def _names(settings: Settings, host: HostAddresses) -> tuple[str, ...]:
    """By what phones may call us: the domain, what the secure listeners tell, where they are bound."""
    hosts = [settings.domain.strip("[]")]
    for one in settings.sip.listen:
        if one.is_secure:
            bound = one.address.host
            ours = (host.ipv6 if ":" in bound else host.ipv4) if is_unspecified(bound) else bound
            hosts += [one.advertised.host, ours or "::1"]
    bare = (name.partition("%")[0].rstrip(".") for name in [*hosts, "localhost", "127.0.0.1", "::1"])
    return tuple(dict.fromkeys(bare))


def media_settings(settings: Settings) -> MediaSettings:
    """The engine's settings; IPv6 media is served where SIP listens on IPv6."""
    media = settings.media
    six = next((one for one in settings.sip.listen if ":" in one.address.host), None)
    address = media.address or "127.0.0.1"
    both = six is not None and ":" not in address
    return MediaSettings(
        address=address,
        advertise=media.advertise or "",
        first_port=media.ports.first,
        last_port=media.ports.last,
        inactivity_s=media.inactivity_s,
        workers=media.workers,
        kernel=media.kernel == "auto",
        kernel_interfaces=media.kernel_interfaces,
        address6=six.address.host if both and six is not None else "",
        advertise6=six.advertised.host if both and six is not None else "",
    )


def encryption_of(settings: Settings) -> MediaEncryption:
    """What phones and browsers are offered."""
    media = settings.media
    return MediaEncryption(media.encryption, "dtls" if media.browsers == "dtls" else media.encryption)


def ringback_of(settings: Settings) -> list[ToneStep]:
    """What is played to who waits for somebody that rings."""
    return signal_of(settings.media.tones, "ringback") if settings.media.tones else []


def net_settings(settings: Settings) -> NetSettings:
    """The bounds of the SIP sockets."""
    return NetSettings(max_connections=settings.limits.connections)


def registrar_policy(settings: Settings) -> RegistrarPolicy:
    """The registrar's limits from the settings."""
    asked = settings.sip.registration
    return RegistrarPolicy(
        asked.min_expires_s,
        asked.max_expires_s,
        asked.default_expires_s,
        settings.sip.max_contacts,
        settings.sip.nat,
        asked.service_route,
        asked.path == "strict",
    )


def timer_policy(settings: Settings) -> TimerPolicy:
    """Whom we refresh, and how often."""
    timer = settings.sip.session_timer
    return TimerPolicy(timer.mode, timer.expires_s, timer.min_se_s)


def overload_policy(settings: Settings) -> OverloadPolicy:
    """From which load on new calls are refused."""
    limits = settings.sip.overload
    return OverloadPolicy(limits.enabled, limits.lag_s, limits.retry_after_s)


def event_policy(settings: Settings) -> EventPolicy:
    """How long subscriptions last, how many there may be, and what they are told."""
    events = settings.events
    policy = NotifierPolicy(
        events.min_expires_s,
        events.max_expires_s,
        events.default_expires_s,
        events.interval_s,
        events.per_extension,
        events.per_tenant,
        events.in_all,
    )
    return EventPolicy(
        policy,
        shows_callers=events.show_callers,
        unsolicited=events.unsolicited_mwi,
        lists={(one.domain, one.name): one.members for one in events.lists},
    )


def fence_policy(settings: Settings) -> FencePolicy:
    """Whom we stop listening to; a proof counts for as long as a registration may."""
    guard = settings.guard
    return FencePolicy(
        guard.enabled,
        Scale(guard.attempts, guard.window_s, guard.first_s, guard.longest_s),
        guard.strangers,
        (*guard.networks, *(network for peer in settings.peers for network in peer.networks)),
        max(PROOF_S, settings.sip.registration.max_expires_s),
    )


def text_policy(settings: Settings) -> TextPolicy:
    """How long texts wait, and how many."""
    texts = settings.texts
    return TextPolicy(texts.keep_days * DAY_S, texts.most_of_one, texts.most)
