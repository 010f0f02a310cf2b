"""What one REGISTER changes (RFC 3261 §10.3, steps 6 to 8): decided whole before anything is touched."""

from __future__ import annotations

from typing import Final

from trunkline.base.errors import RemoteProtocolError
from trunkline.base.ids import uuid7
from trunkline.model.binding import Binding
from trunkline.net.flow import Flow
from trunkline.net.listener import host_port
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.name_addr import parse_addresses
from trunkline.proto.sip.uri import parse_uri
from trunkline.registrar.contacts import WILDCARD, Wanted, wanted_contacts
from trunkline.registrar.location import Location
from trunkline.registrar.matching import find, is_replaced, name_epoch
from trunkline.registrar.outbound import uses_outbound
from trunkline.registrar.policy import RegistrarPolicy

# What a binding keeps of a peer's text is bounded: a contact is to cost 3 KB at most.
MAX_CALL_ID: Final = 256
MAX_PATH: Final = 1024
MAX_USER_AGENT: Final = 128


class IntervalTooBriefError(RemoteProtocolError):
    """423: a contact asks for less than we grant (RFC 3261 §10.3 step 7)."""

    def __init__(self) -> None:
        super().__init__("Interval Too Brief", 423)


class Changes:
    """The bindings that a REGISTER makes, renews (as wanted, until a wall-clock second) and ends.

    ``path`` is the Path that the request came by; ``outbound`` tells whether the phone has a flow (RFC 5626);
    ``renamed`` are the other bindings of a phone that began anew, with their new epoch (RFC 5627 §3.1.2). False when
    nothing changes.
    """

    __slots__ = ("added", "outbound", "path", "refreshed", "removed", "renamed")

    def __init__(self, path: str = "") -> None:
        self.path = path
        self.outbound = False
        self.renamed: list[tuple[Binding, str]] = []
        self.added: list[Binding] = []
        self.refreshed: list[tuple[Binding, Wanted, float]] = []
        self.removed: list[Binding] = []

    def __bool__(self) -> bool:
        return bool(self.refreshed or self.added or self.removed)


def changes_of(
    request: Request,
    tenant: str,
    user: str,
    flow: Flow,
    location: Location,
    policy: RegistrarPolicy,
    now: float,
) -> Changes:
    """Work out the changes; raises RemoteProtocolError with the status to answer and changes nothing."""
    changes = Changes(_path_of(request) if "Path" in request.headers else "")
    wanted = wanted_contacts(request, policy.default_expires_s)
    if not wanted:
        return changes  # a query: RFC 3261 §10.2.3
    call_id, number = _call_id_of(request), request.cseq[0]
    # What has expired is gone, though it may not have been swept yet.
    known = [binding for binding in location.all_of(tenant, user) if binding.expires_at > now]
    if wanted[0].uri == WILDCARD:
        changes.removed = [binding for binding in known if _in_order(binding, call_id, number)]
        return changes
    if len(wanted) > 2 * policy.max_contacts:
        raise RemoteProtocolError("Too Many Contacts", 403)
    changes.outbound = uses_outbound(request, wanted, changes.path)
    for want in wanted:
        if 0 < want.expires < policy.min_expires_s:
            raise IntervalTooBriefError
        until = now + min(want.expires, policy.max_expires_s)
        binding = find(want, known)
        if want.instance is not None and want.expires:
            changes.renamed += name_epoch(want, binding, known, call_id)
        if binding is None:
            _check_callable(want)
        elif not _in_order(binding, call_id, number) or (len(wanted) > 1 and _is_settled(changes, binding)):
            continue
        elif want.expires and not is_replaced(want, binding):
            changes.refreshed.append((binding, want, until))
            continue
        else:
            changes.removed.append(binding)
        if want.expires and find(want, changes.added) is None:
            changes.added.append(_bind(want, request, tenant, user, flow, changes.path, now, until))
    if len(known) + len(changes.added) - len(changes.removed) > policy.max_contacts:
        raise RemoteProtocolError("Too Many Contacts", 403)
    return changes


def _call_id_of(request: Request) -> str:
    call_id = request.headers["Call-ID"]
    if len(call_id) > MAX_CALL_ID:
        raise RemoteProtocolError(f"a Call-ID of more than {MAX_CALL_ID} characters")
    return call_id


def _path_of(request: Request) -> str:
    """The Path of RFC 3327, checked, because it becomes the Route of calls to the contact."""
    path = request.headers["Path"]
    if len(path) > MAX_PATH:
        raise RemoteProtocolError(f"a Path of more than {MAX_PATH} characters")
    if not all(hop.address.is_sip for hop in parse_addresses(path)):
        raise RemoteProtocolError("a Path that is not made of SIP URIs")
    return path


def _check_callable(want: Wanted) -> None:
    if not parse_uri(want.uri).is_sip:
        raise RemoteProtocolError("a Contact that is not a SIP URI cannot be called")


def _in_order(binding: Binding, call_id: str, number: int) -> bool:
    """RFC 3261 §10.3 step 7: with the same Call-ID only a higher CSeq may change a binding.

    An equal one is this request again (its answer was lost, and we keep no transaction): answered as before,
    without a change. A lower one came out of order.
    """
    if binding.call_id != call_id:
        return True
    if number < binding.cseq:
        raise RemoteProtocolError(f"CSeq {number} is below {binding.cseq}", 500)
    return number > binding.cseq


def _is_settled(changes: Changes, binding: Binding) -> bool:
    """Whether the request has named the same contact before: the first time counts."""
    settled = [*changes.removed, *(renewed for renewed, _, _ in changes.refreshed)]
    return binding in settled


def _bind(
    want: Wanted, request: Request, tenant: str, user: str, flow: Flow, path: str, now: float, until: float
) -> Binding:
    return Binding(
        tenant,
        user,
        uuid7(),
        want.uri,
        flow.token,
        host_port(*flow.remote),
        request.call_id,
        request.cseq[0],
        now,
        until,
        want.q,
        want.instance,
        want.reg_id,
        path,
        request.headers.get("User-Agent", "")[:MAX_USER_AGENT],
        want.params,
        want.epoch,
    )


def renew(binding: Binding, until: float, request: Request, flow: Flow) -> None:
    """Take over a refresh: it may come by another flow than the last one."""
    binding.expires_at = until
    binding.cseq = request.cseq[0]
    call_id = request.headers["Call-ID"]
    if binding.call_id != call_id:
        # The phone has started anew, perhaps with another program.
        binding.call_id = call_id
        binding.user_agent = request.headers.get("User-Agent", "")[:MAX_USER_AGENT]
    token = flow.token
    if binding.flow != token:
        binding.flow = token
        binding.received = host_port(*flow.remote)


def adopt(binding: Binding, want: Wanted, path: str) -> None:
    """Take over what a refresh says besides."""
    binding.q = want.q
    binding.path = path
    binding.params = want.params
    if want.instance is not None:
        binding.instance, binding.reg_id, binding.epoch = want.instance, want.reg_id, want.epoch
