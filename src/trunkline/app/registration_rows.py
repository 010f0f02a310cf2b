"""What ``trunkline registrations`` lists: bindings, and phones that sleep without one."""

from __future__ import annotations

from trunkline.base.messages import RegistrationRow
from trunkline.model.binding import Binding
from trunkline.registrar.location import Location
from trunkline.registrar.push_desk import PushDesk
from trunkline.registrar.push_parameters import has_push_key, shown
from trunkline.registrar.push_record import PushRecord


def registered(location: Location, tenant: str, number: str | None, now: float) -> list[Binding | PushRecord]:
    """The live bindings of a tenant, or of one number, the oldest first."""
    live = [
        binding
        for binding in location
        if binding.tenant == tenant
        and binding.expires_at > now
        and (number is None or binding.user == number)
    ]
    return [*sorted(live, key=lambda binding: binding.id)]


def away(desk: PushDesk | None, tenant: str, number: str | None) -> list[Binding | PushRecord]:
    """The phones that have no binding, and can be woken."""
    if desk is None:
        return []
    records = desk.records.all_of(tenant) if number is None else desk.records.of(tenant, number)
    found: list[Binding | PushRecord] = []
    for record in records:
        live = desk.location.of(tenant, record.user, desk.wall())
        same = any(
            has_push_key(one.contact, record.key) or (one.instance or "") == (record.instance or None)
            for one in live
        )
        if not same and desk.services.has(record.provider):
            found.append(record)
    return found


def registration_row(one: Binding | PushRecord, desk: PushDesk | None, now: float) -> RegistrationRow:
    """One line of the list."""
    if isinstance(one, PushRecord):
        return RegistrationRow(
            one.user, f"(woken by {one.provider})", registered_at=one.registered_at, state="asleep"
        )
    return RegistrationRow(
        one.user,
        shown(one.contact),
        one.received,
        one.flow.split("|", 2)[1],
        one.user_agent,
        one.registered_at,
        one.expires_at - now,
        "asleep" if desk is not None and _sleeps(one, desk) else "registered",
    )


def _sleeps(binding: Binding, desk: PushDesk) -> bool:
    asleep = desk.asleep(binding.tenant, binding.user, [binding])
    return any(has_push_key(binding.contact, record.key) for record in asleep)
