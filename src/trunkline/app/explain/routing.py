"""Where a call goes, by the very decision that calls meet; and what else an operator wants to know of it."""

from __future__ import annotations

from trunkline.app.explain.telling import Telling
from trunkline.app.explain.view import View
from trunkline.pbx.directory import TenantEntry
from trunkline.pbx.door import printable
from trunkline.pbx.route import CallRequest, Decision, decide, normalise
from trunkline.trunking.trunk import Trunk


def route(view: View, owner: TenantEntry, caller: str, dialled: str, out: Telling) -> Decision:
    """The decision, told; the hints of a refusal say what is there instead."""
    shown = printable(dialled)
    decision = decide(CallRequest(owner.id, caller, shown), view.snapshot)
    steps, refused = decision.steps, decision.status and not decision.pickup
    if normalise(shown) == shown:
        out.tell("number.kept", f"{shown} is looked up as it was dialled")
    elif not any(step.code == "number.normalised" for step in steps):
        out.tell("number.normalised", f"{shown} is read as {decision.number}")
    out.take(steps[:-1] if refused else steps)
    if refused:
        last = steps[-1]
        if decision.code == "route.not_registered" and (
            ended := view.lasting.ended(owner.id, decision.number)
        ):
            out.tell("route.last_seen", ended)
        hint = _hint(view, owner, caller, decision)
        out.refuse(decision.status, decision.code, last.text, hint)
    elif decision.trunk is not None:
        _rivals(view, owner, decision.trunk, decision.number, out)
    return decision


def _hint(view: View, owner: TenantEntry, caller: str, decision: Decision) -> str:
    number = decision.number
    if decision.code == "route.not_registered":
        return f"trunkline explain --register {number} tells why"
    if decision.code in {"limit.callee", "limit.caller"}:
        who = number if decision.code == "limit.callee" else caller
        return f"trunkline calls shows them; trunkline extension set {who} --max-calls N allows more"
    if decision.code == "route.unknown_number":
        return _unknown(view, owner, number)
    return ""


def _unknown(view: View, owner: TenantEntry, number: str) -> str:
    alike = next((one for one in owner.extensions if one.lower() == number.lower()), None)
    if alike is not None:
        return f"letter case counts: there is {alike}"
    others = [one for one in view.snapshot.directory.tenants if number in one.extensions]
    if others:
        return f"the tenant {others[0].name} has one, and tenants do not call each other"
    trunks = _trunks(view, owner)
    if trunks and not number.removeprefix("+").isdigit():
        return "trunks take numbers of digits only"
    if trunks:
        told = "; ".join(f"{one.plan.name} takes {' '.join(one.plan.prefixes)}" for one in trunks)
        return f"no prefix fits: {told}"
    return f"trunkline extension add {number}, or a trunk in the settings"


def _rivals(view: View, owner: TenantEntry, chosen: Trunk, number: str, out: Telling) -> None:
    """What other trunks would have taken it: the longest prefix wins, and that surprises people."""
    for one in _trunks(view, owner):
        if one is not chosen and (length := one.plan.matched(number)) >= 0:
            mine = chosen.plan.matched(number)
            why = f"{mine} characters of its prefix match, {length} of this one's"
            if mine == length:
                why = "its prefix is as long, and it stands first in the settings"
            out.tell("route.rival", f"{one.plan.name} takes {number} too, but {chosen.plan.name} wins: {why}")


def _trunks(view: View, owner: TenantEntry) -> list[Trunk]:
    return [one for one in view.live.trunks if one.plan.tenant == owner.id] if view.live is not None else []
