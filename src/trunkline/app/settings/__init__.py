"""The settings: their model, their file, their errors, their page in the reference."""

from trunkline.app.settings.api import Api, ExchangeRole
from trunkline.app.settings.auth import Auth
from trunkline.app.settings.dns import Dns
from trunkline.app.settings.guard import Guard, Limits
from trunkline.app.settings.media import Media
from trunkline.app.settings.mobile import Mobile
from trunkline.app.settings.model import Settings
from trunkline.app.settings.operation import Log, Metrics
from trunkline.app.settings.push import Apns, Fcm, Push, Webhook, WebPush
from trunkline.app.settings.section import Section
from trunkline.app.settings.sip import Listener, Registration, Sip
from trunkline.app.settings.stir import Peer, Stir
from trunkline.app.settings.tls import Certificate, Tls
from trunkline.app.settings.trace import Trace
from trunkline.app.settings.trunk import Trunk

__all__ = [
    "Api",
    "Apns",
    "Auth",
    "Certificate",
    "Dns",
    "ExchangeRole",
    "Fcm",
    "Guard",
    "Limits",
    "Listener",
    "Log",
    "Media",
    "Metrics",
    "Mobile",
    "Peer",
    "Push",
    "Registration",
    "Section",
    "Settings",
    "Sip",
    "Stir",
    "Tls",
    "Trace",
    "Trunk",
    "WebPush",
    "Webhook",
]
