"""From the settings to what each plane wants to know."""

from __future__ import annotations

from trunkline.app.settings import Settings
from trunkline.media.embedded import MediaSettings
from trunkline.net import Listener
from trunkline.registrar.policy import RegistrarPolicy


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
        )
        for one in settings.sip.listen
    ]


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
        address6=six.address.host if both and six is not None else "",
        advertise6=six.advertised.host if both and six is not None else "",
    )


def registrar_policy(settings: Settings) -> RegistrarPolicy:
    """The registrar's limits from the settings."""
    asked = settings.sip.registration
    return RegistrarPolicy(
        asked.min_expires_s,
        asked.max_expires_s,
        asked.default_expires_s,
        settings.sip.max_contacts,
        settings.sip.nat,
    )
