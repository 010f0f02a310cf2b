"""A dry run of a REGISTER: the very checks and changes of the registrar, without touching anything."""

from __future__ import annotations

from trunkline.app.explain.asked import place_of, uri_of
from trunkline.app.explain.authenticate import authenticate
from trunkline.app.explain.fork import is_inside
from trunkline.app.explain.hints import hint_of
from trunkline.app.explain.identify import identify
from trunkline.app.explain.media import address_told
from trunkline.app.explain.telling import Telling
from trunkline.app.explain.view import Place, View
from trunkline.base.errors import RemoteProtocolError
from trunkline.base.messages import ExplainRegister, Explanation
from trunkline.net.flow import Failure, Flow
from trunkline.net.listener import Listener, host_port
from trunkline.net.routes import ip_literal
from trunkline.pbx.directory import TenantEntry
from trunkline.proto.sip.message import Request, parse_message
from trunkline.proto.sip.uri import parse_uri
from trunkline.registrar.admission import check
from trunkline.registrar.contacts import MAX_CONTACT
from trunkline.registrar.location import Location
from trunkline.registrar.push_parameters import shown
from trunkline.registrar.registration import Changes, changes_of

_PORT = 5060
_SOMEWHERE = "192.0.2.1"  # RFC 5737: where nobody is


class Imagined:
    """A flow that nothing came by."""

    closed = False
    token = "0000|imagined"  # noqa: S105  (of a flow, and no secret)

    def __init__(self, place: Place, listener: Listener | None) -> None:
        self.remote = (place.address or _SOMEWHERE, _PORT)
        self.transport = place.transport or "UDP"
        self.reliable = self.transport != "UDP"
        self.listener = listener or Listener("udp:127.0.0.1:5060")

    def send(self, data: bytes, on_failure: Failure | None = None) -> None:
        """Nothing is sent."""

    def on_close(self, callback: object) -> None:
        """Never closed."""

    def off_close(self, callback: object) -> None:
        """Never closed."""


def explain_register(view: View, tenant: str, ask: ExplainRegister) -> Explanation:
    """What a REGISTER would meet; raises Refused for what cannot be meant."""
    place = place_of(ask.source, ask.transport)
    out = Telling()
    subject = f"a phone would register as {ask.number}"
    contact = _contact(ask, place)
    owner = identify(view, tenant, ask.domain or "", place, "REGISTER", out)
    if owner is None:
        return out.explanation(subject)
    number = authenticate(view, owner, ask.number, place, out)
    if out.over:
        return out.explanation(subject)
    changes = _changes(view, owner, number, contact, ask.expires_s, place, out)
    if changes is None:
        return out.explanation(subject)
    _tell(view, changes, number, out)
    decided = out.steps[-1]
    if changes.added or changes.refreshed:
        _reach(view, contact, place, out)
        address_told(view, place, out)
    return out.explanation(subject, decided.code, decided.text)


def _contact(ask: ExplainRegister, place: Place) -> str:
    """The URI that the phone gives; without one it gives the address that it is seen at."""
    if ask.contact is not None:
        uri_of(ask.contact)
        return ask.contact[: MAX_CONTACT + 1]
    number = ask.number.rpartition("@")[0] or ask.number
    transport = f";transport={place.transport.lower()}" if place.transport not in {"", "UDP"} else ""
    return f"sip:{number}@{host_port(place.address or _SOMEWHERE, _PORT)}{transport}"


def _changes(
    view: View,
    owner: TenantEntry,
    number: str,
    contact: str,
    expires_s: int | None,
    place: Place,
    out: Telling,
) -> Changes | None:
    """As the registrar does it; None when it refuses."""
    location = Location()
    for binding in view.bindings(owner.id, number):
        location.add(binding)
    flow: Flow = Imagined(place, view.live.listeners[0] if view.live and view.live.listeners else None)
    try:
        request = _request(owner, number, contact, expires_s)
        check(request, owner.id, number, view.snapshot.directory, view.policy)
        return changes_of(request, owner.id, number, flow, location, view.policy, view.wall)
    except RemoteProtocolError as error:
        text = f"{error.status} {error.reason}"
        if error.status == 423:
            text += f": {expires_s} s are asked for, {view.policy.min_expires_s} s are the least"
        elif error.reason == "Too Many Contacts":
            known = len(view.bindings(owner.id, number))
            text += f": {number} has {known}, and sip.max_contacts is {view.policy.max_contacts}"
        hint = hint_of("register.refused", f"{error.status} {error.reason}", {"status": error.status})
        out.refuse(error.status, "register.refused", text, hint.replace("NUMBER", number))
        return None


def _request(owner: TenantEntry, number: str, contact: str, expires_s: int | None) -> Request:
    aor = f"<sip:{number}@{owner.domain}>"
    expires = "" if expires_s is None else f"Expires: {expires_s}\r\n"
    made = parse_message(
        (
            f"REGISTER sip:{owner.domain} SIP/2.0\r\nVia: SIP/2.0/UDP imagined.invalid;branch=z9hG4bKimagined\r\n"
            f"From: {aor};tag=imagined\r\nTo: {aor}\r\nCall-ID: imagined\r\nCSeq: 1 REGISTER\r\n"
            f"Contact: <{contact}>\r\n{expires}Content-Length: 0\r\n\r\n"
        ).encode()
    )
    assert isinstance(made, Request)  # noqa: S101  (our own text)
    return made


def _tell(view: View, changes: Changes, number: str, out: Telling) -> None:
    for binding in changes.removed:
        out.tell("register.would_leave", f"{number} would leave {shown(binding.contact)}")
    for binding, _want, until in changes.refreshed:
        text = f"{number} would go on at {shown(binding.contact)} for {round(until - view.wall)} s"
        out.tell("register.would_refresh", text, expires=round(until - view.wall))
    for binding in changes.added:
        granted = round(binding.expires_at - view.wall)
        text = f"{number} would be reached at {shown(binding.contact)} for {granted} s"
        out.tell("register.would_bind", text, expires=granted)
    if not changes:
        out.tell("register.no_change", f"nothing would change: {number} has no such contact")


def _reach(view: View, contact: str, place: Place, out: Telling) -> None:
    """How calls would reach the contact."""
    by = place.transport or "UDP"
    uri = parse_uri(contact)
    if view.policy.nat or by in {"WS", "WSS"}:
        out.tell(
            "fork.flow", f"calls would go down the way it registers by ({by}), whatever its contact says"
        )
        return
    host = uri.target.host
    if is_inside(host) and place.address and ip_literal(host) != place.address:
        text = f"calls would go to {shown(contact)}, a private address that only its own network reaches"
        out.tell("fork.private_contact", text, "set sip.nat = true")
    else:
        out.tell("fork.contact", f"calls would go to {shown(contact)}")
