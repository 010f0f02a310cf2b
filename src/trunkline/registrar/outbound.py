"""Client-initiated connections at the registrar (RFC 5626 §6): several flows of one phone."""

from __future__ import annotations

from collections.abc import Sequence

from trunkline.base.errors import RemoteProtocolError
from trunkline.net.flow import Flow
from trunkline.proto.sip.grammar import split_list
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.name_addr import parse_addresses
from trunkline.registrar.contacts import Wanted
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.ua.option_tags import supports


class FirstHopLacksOutboundError(RemoteProtocolError):
    """439: the phone wants flows, and the proxy that it came by does not keep them."""

    def __init__(self) -> None:
        super().__init__("First Hop Lacks Outbound Support", 439)


def uses_outbound(request: Request, wanted: Sequence[Wanted], path: str) -> bool:
    """Whether the phone asks for a flow and gets it.

    Without ``Supported: outbound`` a reg-id only says which binding is meant. Raises RemoteProtocolError for two
    contacts on one flow (400), and for a first hop that does not keep flows (439).
    """
    if not any(want.reg_id for want in wanted):
        return False
    if sum(want.expires > 0 for want in wanted) > 1:
        raise RemoteProtocolError("more than one Contact with a reg-id")
    if not supports(request, "outbound"):
        return False
    if _came_by_proxies(request) and not _first_hop_keeps_flows(path):
        raise FirstHopLacksOutboundError
    return True


def answer_lines(flow: Flow, policy: RegistrarPolicy) -> str:
    """What the 200 of a phone with flows says besides (RFC 5626 §6, §4.4)."""
    seconds = policy.stream_keep_alive_s if flow.reliable else policy.datagram_keep_alive_s
    return f"Require: outbound\r\nFlow-Timer: {seconds}\r\n" if seconds else "Require: outbound\r\n"


def _came_by_proxies(request: Request) -> bool:
    return len(split_list(request.headers["Via"])) > 1


def _first_hop_keeps_flows(path: str) -> bool:
    """RFC 5626 §6: the first proxy's Path is the last one, and has ``ob``."""
    return bool(path) and "ob" in parse_addresses(path)[-1].address.params
