"""The 200 to a REGISTER: the bindings as they are now (RFC 3261 §10.3 step 8)."""

from __future__ import annotations

from collections.abc import Iterable
from email.utils import formatdate

from trunkline.model.binding import Binding
from trunkline.proto.sip.draft import header_lines
from trunkline.proto.sip.grammar import quote


class AnswerLines:
    """Makes the header lines of answers; the Date is written once a second."""

    __slots__ = ("_date", "_second")

    def __init__(self) -> None:
        self._second = -1
        self._date = ""

    def of(self, bindings: Iterable[Binding], path: str, now: float) -> str:
        """Contacts with the seconds they have left, the Path that the request came by, and the Date.

        Some phones set their clock by it (RFC 3261 §10.3 asks for one). RFC 3327 §5.3: the Path is told.
        """
        second = int(now)
        if second != self._second:
            self._second = second
            self._date = f"Date: {formatdate(second, usegmt=True)}\r\n"
        contacts = "".join([_contact(binding, now) for binding in bindings])
        return f"{contacts}{header_lines('Path', path)}{self._date}" if path else contacts + self._date


def _contact(binding: Binding, now: float) -> str:
    text = f"Contact: <{binding.contact}>;expires={round(binding.expires_at - now)}"
    if binding.q != 1000:
        text += f";q={binding.q / 1000:g}"
    if binding.instance:
        # RFC 5627 §4.2, RFC 5626 §4.2.1: how a phone knows its own among them.
        text += f";+sip.instance={quote(binding.instance)}"
        if binding.reg_id:
            text += f";reg-id={binding.reg_id}"
    return f"{text}\r\n"
