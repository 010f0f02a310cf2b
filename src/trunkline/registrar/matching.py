"""Which binding a contact of a REGISTER means (RFC 3261 §10.3 step 7, RFC 5626 §6, RFC 5627, RFC 8599)."""

from __future__ import annotations

from collections.abc import Sequence

from trunkline.model.binding import Binding
from trunkline.proto.sip.uri import parse_uri
from trunkline.proto.sip.uri_equivalence import equivalent
from trunkline.registrar.contacts import Wanted
from trunkline.registrar.gruu import new_epoch
from trunkline.registrar.push_parameters import has_push, has_push_key, push_key


def find(want: Wanted, known: Sequence[Binding]) -> Binding | None:
    """The binding of the same flow of a phone, else of the same push parameters, else one with an equal URI."""
    reg_id = want.reg_id
    if reg_id:
        for binding in known:
            if binding.reg_id == reg_id and binding.instance == want.instance:
                return binding
        # Another flow of a phone is another binding even where the URI is the same.
        known = [binding for binding in known if not binding.reg_id]
    for binding in known:
        if binding.contact == want.uri:
            return binding
    if not known:
        return None
    key = push_key(want.uri)
    if key is not None:
        return next((binding for binding in known if has_push_key(binding.contact, key)), None)
    address = parse_uri(want.uri)
    for binding in known:
        if equivalent(parse_uri(binding.contact), address):
            return binding
    return None


def is_replaced(want: Wanted, binding: Binding) -> bool:
    """Whether the phone is now elsewhere than the binding says, so that another takes its place.

    RFC 5626 §6: the same instance and reg-id are the same binding, wherever the phone now is. A phone that leaves
    out how it is woken is another one too (RFC 8599 §4.1.2), though its URI is equal.
    """
    if binding.contact == want.uri:
        return False
    return bool(want.reg_id) or push_key(want.uri) is not None or has_push(binding.contact)


def name_epoch(
    want: Wanted, binding: Binding | None, known: Sequence[Binding], call_id: str
) -> list[tuple[Binding, str]]:
    """Give ``want`` its instance's epoch; the other bindings of the instance that get a new one with it.

    RFC 5627 §3.1.2: another Call-ID for what was registered before ends all temporary GRUUs; another flow of the
    same phone has its own Call-ID and ends none.
    """
    same = [one for one in known if one.instance == want.instance]
    if binding is not None and binding in same:
        kept = binding.epoch if binding.call_id == call_id else ""
    elif want.reg_id or any(one.call_id == call_id for one in same):
        kept = same[0].epoch if same else ""
    else:
        kept = ""
    want.epoch = kept or new_epoch()
    return [(one, want.epoch) for one in same if one is not binding and one.epoch != want.epoch]
