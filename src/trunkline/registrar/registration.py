"""What one REGISTER changes (RFC 3261 §10.3, steps 6 to 8): decided whole before anything is touched."""

from __future__ import annotations

from trunkline.base.errors import RemoteProtocolError
from trunkline.base.ids import uuid7
from trunkline.model.binding import Binding
from trunkline.net.flow import Flow
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.name_addr import NameAddr, parse_contacts
from trunkline.proto.sip.numbers import parse_delta_seconds
from trunkline.proto.sip.uri import parse_uri
from trunkline.proto.sip.uri_equivalence import equivalent
from trunkline.registrar.location import Location
from trunkline.registrar.policy import RegistrarPolicy


class IntervalTooBrief(RemoteProtocolError):
    """423: a contact asks for less than we grant (RFC 3261 §10.3 step 7)."""

    def __init__(self) -> None:
        super().__init__("Interval Too Brief", 423)


class Changes:
    """The bindings that a REGISTER makes, renews and ends."""

    __slots__ = ("added", "refreshed", "removed")

    def __init__(self) -> None:
        self.added: list[Binding] = []
        self.refreshed: list[tuple[Binding, NameAddr, float]] = []
        self.removed: list[Binding] = []


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
    changes = Changes()
    value = request.headers.get("Contact")
    if not value:
        return changes  # a query: RFC 3261 §10.2.3
    contacts = parse_contacts(value)
    known = location.all_of(tenant, user)
    header = request.headers.get("Expires")
    default = parse_delta_seconds(header, "Expires") if header is not None else None
    if contacts[0].is_wildcard:
        if len(contacts) != 1 or default != 0:
            raise RemoteProtocolError("Contact * goes alone and with Expires: 0")
        changes.removed = [binding for binding in known if _in_order(request, binding)]
        return changes
    for contact in contacts:
        _apply(changes, contact, default, request, tenant, user, flow, known, policy, now)
    if len(known) + len(changes.added) - len(changes.removed) > policy.max_contacts:
        raise RemoteProtocolError("Too Many Contacts", 403)
    return changes


def _apply(
    changes: Changes,
    contact: NameAddr,
    default: int | None,
    request: Request,
    tenant: str,
    user: str,
    flow: Flow,
    known: list[Binding] | tuple[Binding, ...],
    policy: RegistrarPolicy,
    now: float,
) -> None:
    asked = contact.expires
    if asked is None:
        asked = default if default is not None else policy.default_expires_s
    if 0 < asked < policy.min_expires_s:
        raise IntervalTooBrief
    binding = _find(contact, known)
    if binding is None:
        _check_callable(contact)
    elif not _in_order(request, binding):
        return
    if asked == 0:
        if binding is not None:
            changes.removed.append(binding)
        return
    until = now + min(asked, policy.max_expires_s)
    if binding is not None:
        changes.refreshed.append((binding, contact, until))
    else:
        changes.added.append(_new_binding(contact, request, tenant, user, flow, now, until))


def _check_callable(contact: NameAddr) -> None:
    address = contact.address
    if not address.is_sip or not address.host:
        raise RemoteProtocolError("a Contact that is not a SIP URI cannot be called")


def _in_order(request: Request, binding: Binding) -> bool:
    """RFC 3261 §10.3 step 7: with the same Call-ID only a higher CSeq may change a binding.

    An equal one is this request again (its answer was lost, and we keep no transaction): answered as before,
    without a change. A lower one came out of order.
    """
    if binding.call_id != request.call_id:
        return True
    number = request.cseq[0]
    if number < binding.cseq:
        raise RemoteProtocolError(f"CSeq {number} is below {binding.cseq}", 500)
    return number > binding.cseq


def _find(contact: NameAddr, known: list[Binding] | tuple[Binding, ...]) -> Binding | None:
    uri = contact.uri
    for binding in known:
        if binding.contact == uri:
            return binding
    if not contact.uri.lower().startswith(("sip:", "sips:")):
        return None
    for binding in known:
        if equivalent(parse_uri(binding.contact), contact.address):
            return binding
    return None


def _new_binding(
    contact: NameAddr, request: Request, tenant: str, user: str, flow: Flow, now: float, until: float
) -> Binding:
    host, port = flow.remote
    instance = contact.params.get("+sip.instance")
    return Binding(
        tenant,
        user,
        uuid7(),
        contact.uri,
        flow.token,
        f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        request.call_id,
        request.cseq[0],
        now,
        until,
        contact.q,
        instance,
        path=request.headers.get("Path", "")[:2048],
        user_agent=request.headers.get("User-Agent", "")[:128],
    )


def renew(binding: Binding, contact: NameAddr, request: Request, flow: Flow, until: float) -> None:
    """Take over a refresh: it may come by another flow than the last one."""
    binding.expires_at = until
    binding.call_id = request.call_id
    binding.cseq = request.cseq[0]
    binding.q = contact.q
    token = flow.token
    if binding.flow != token:
        binding.flow = token
        host, port = flow.remote
        binding.received = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
