"""The ``reg`` package (RFC 3680): where an extension is registered, for itself.

A document holds the full state; a contact that was told of is told of once more when it is gone, with the event that
took it away (§4.7.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from trunkline.call.party import Party
from trunkline.model.binding import Binding
from trunkline.pbx.events.xml import escaped
from trunkline.registrar.push_parameters import without_push
from trunkline.ua.subscriptions import View

GONE: Final = "gone"
_MOST_GONE: Final = 100
_NAMESPACES: Final = 'xmlns="urn:ietf:params:xml:ns:reginfo" xmlns:gr="urn:ietf:params:xml:ns:gruuinfo"'

Gruus = Callable[[Binding, str], Iterable[str]]


class Gone(NamedTuple):
    """A contact that is no more: ``event`` is ``expired``, ``unregistered`` or ``deactivated``."""

    binding: Binding
    event: str


class RegPackage:
    """``bindings(tenant, number, now)`` gives the live ones, ``gruus(binding, domain)`` elements of RFC 5628."""

    event = "reg"
    content_type = "application/reginfo+xml"

    def __init__(
        self,
        bindings: Callable[[str, str, float], list[Binding]],
        wall: Callable[[], float],
        gruus: Gruus = lambda _binding, _domain: (),
    ) -> None:
        self._bindings = bindings
        self._wall = wall
        self._gruus = gruus

    def gone(self, subscription: View, binding: Binding, event: str) -> None:
        """A contact is no more; it is told with the next document."""
        left: list[Gone] = subscription.told.setdefault(GONE, [])
        if binding.id in subscription.told.get("contacts", {}) and len(left) < _MOST_GONE:
            left.append(Gone(binding, event))

    def has_news(self, subscription: View) -> bool:
        watch = subscription.watch
        live = {one.id: one.contact for one in self._bindings(watch.tenant, watch.number, self._wall())}
        return bool(live != subscription.told.get("contacts"))

    def compose(self, subscription: View) -> bytes:
        watch, told, now = subscription.watch, subscription.told, self._wall()
        live = self._bindings(watch.tenant, watch.number, now)
        left: list[Gone] = told.pop(GONE, [])
        was_registered = bool(told.get("contacts"))
        told["contacts"] = {one.id: one.contact for one in live}
        state = "active" if live else "terminated" if was_registered else "init"
        contacts = [self._contact(one, "active", "registered", now, watch.domain) for one in live]
        contacts += [self._contact(one.binding, "terminated", one.event, now) for one in left]
        aor = escaped(Party(watch.number, watch.domain).uri)
        lines = [
            '<?xml version="1.0"?>',
            f'<reginfo {_NAMESPACES} version="{subscription.version}" state="full">',
            f'<registration aor="{aor}" id="{escaped(watch.number)}" state="{state}">',
            *contacts,
            "</registration>",
            "</reginfo>",
            "",
        ]
        return "\r\n".join(lines).encode()

    def _contact(self, one: Binding, state: str, event: str, now: float, domain: str = "") -> str:
        gruus = self._gruus(one, domain) if domain and one.instance else ()
        left = f' expires="{max(0, round(one.expires_at - now))}"' if state == "active" else ""
        q = f' q="{one.q / 1000:g}"' if one.q != 1000 else ""
        return (
            f'<contact id="{escaped(one.id)}" state="{state}" event="{event}" '
            f'duration-registered="{max(0, round(now - one.registered_at))}"{left}{q} '
            f'callid="{escaped(one.call_id)}" cseq="{one.cseq}"><uri>{escaped(without_push(one.contact))}</uri>'
            f"{''.join(gruus)}</contact>"
        )
