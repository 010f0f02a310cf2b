"""The 200 to a REGISTER: the bindings as they are now (RFC 3261 §10.3 step 8)."""

from __future__ import annotations

from collections.abc import Iterable
from email.utils import formatdate

from trunkline.model.binding import Binding
from trunkline.proto.sip.draft import header_lines
from trunkline.proto.sip.grammar import quote
from trunkline.registrar.gruu import Gruus
from trunkline.registrar.push_parameters import has_push, without_push


class AnswerLines:
    """Makes the header lines of answers; the Date is written once a second."""

    __slots__ = ("_date", "_gruus", "_second", "_service_route")

    def __init__(self, gruus: Gruus | None = None, service_route: str = "") -> None:
        self._gruus = gruus
        self._service_route = header_lines("Service-Route", service_route) if service_route else ""
        self._second = -1
        self._date = ""

    def of(
        self, bindings: Iterable[Binding], path: str, now: float, gruu_domain: str = "", own: str = ""
    ) -> str:
        """Contacts with the seconds they have left, the Path that the request came by, Service-Route and the Date.

        With ``gruu_domain``, the tenant's, each phone's contacts have their GRUUs. ``own`` is the Contact that asks:
        how other phones of the AOR are woken is not told (RFC 8599 §13).

        Some phones set their clock by it (RFC 3261 §10.3 asks for one). RFC 3327 §5.3: the Path is told.
        """
        second = int(now)
        if second != self._second:
            self._second = second
            self._date = f"{self._service_route}Date: {formatdate(second, usegmt=True)}\r\n"
        gruus = self._gruus if gruu_domain else None
        contacts = "".join([_contact(binding, now, own, gruus, gruu_domain) for binding in bindings])
        return f"{contacts}{header_lines('Path', path)}{self._date}" if path else contacts + self._date


def _contact(binding: Binding, now: float, own: str, gruus: Gruus | None, domain: str) -> str:
    uri = binding.contact
    if has_push(uri) and uri not in own:
        uri = without_push(uri)
    text = f"Contact: <{uri}>;expires={round(binding.expires_at - now)}"
    if binding.q != 1000:
        text += f";q={binding.q / 1000:g}"
    if binding.instance:
        # RFC 5627 §4.2, RFC 5626 §4.2.1: how a phone knows its own among them.
        text += f";+sip.instance={quote(binding.instance)}"
        if binding.reg_id:
            text += f";reg-id={binding.reg_id}"
        if gruus is not None and binding.epoch:
            text += gruus.params(binding, domain)
    return f"{text}\r\n"
