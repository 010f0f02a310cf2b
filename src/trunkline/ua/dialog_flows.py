"""Where requests within a dialog are sent (RFC 3261 §12.2.1.1)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from trunkline.base.errors import LocalProtocolError, RemoteProtocolError, TransportError
from trunkline.net.flow import Flow
from trunkline.net.listener import DEFAULT_PORTS
from trunkline.proto.sip.dialog import Dialog, first_hop
from trunkline.proto.sip.uri import parse_uri

if TYPE_CHECKING:
    from trunkline.ua.endpoint import Network


def flow_along(network: Network, flow: Flow, dialog: Dialog) -> Flow:
    """The flow to the first hop of a dialog, when that is another than the server that took the INVITE.

    RFC 3261 §12.2.1.1, §8.1.2. A peer that names a private address while it is reached by a public one sits
    behind NAT: it stays reached as it was. So does one that names a host, for names take their time, and one
    that is reached by a connection (rule T-27), or wants one now: it might not come about.
    """
    if flow.reliable:
        return flow
    try:
        uri = parse_uri(first_hop(dialog.target, dialog.route))
        if (uri.host, uri.port or 5060) == flow.remote and "maddr" not in uri.params:
            return flow  # most peers are where they have answered from
        target = uri.target
        hop = ip_address(target.host.strip("[]"))
        if target.transport != "udp" or (hop.is_private and not ip_address(flow.remote[0]).is_private):
            return flow
        fresh = to_first_hop(network, flow, dialog)
    except (ValueError, RemoteProtocolError, TransportError, LocalProtocolError):
        return flow
    return flow if fresh.remote == flow.remote else fresh


def to_first_hop(network: Network, flow: Flow, dialog: Dialog) -> Flow:
    """A flow to where route set and target lead.

    Raises RemoteProtocolError for a URI that cannot be read, LocalProtocolError or TransportError when no flow can be.
    """
    target = parse_uri(first_hop(dialog.target, dialog.route)).target
    transport = target.transport.upper()
    port = target.port or DEFAULT_PORTS.get(transport, 5060)
    return network.flow_to(transport, target.host, port, flow.listener)
