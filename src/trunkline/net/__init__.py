"""SIP sockets: listeners, flows, and the ``Net`` that owns them."""

from trunkline.net.flow import Failure, Flow
from trunkline.net.listener import Listener, host_port
from trunkline.net.settings import Counters, NetSettings
from trunkline.net.sockets import Net

__all__ = ["Counters", "Failure", "Flow", "Listener", "Net", "NetSettings", "host_port"]
