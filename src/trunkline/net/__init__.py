"""SIP sockets: listeners, flows, and the ``Net`` that owns them."""

from trunkline.net.flow import Failure, Flow
from trunkline.net.listener import Listener, host_port
from trunkline.net.settings import Counters, NetSettings
from trunkline.net.sockets import Net
from trunkline.net.tls.settings import CertificateFiles, ListenerTls, SelfSigned, TlsSettings

__all__ = [
    "CertificateFiles",
    "Counters",
    "Failure",
    "Flow",
    "Listener",
    "ListenerTls",
    "Net",
    "NetSettings",
    "SelfSigned",
    "TlsSettings",
    "host_port",
]
