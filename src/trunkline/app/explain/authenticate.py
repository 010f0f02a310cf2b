"""Whether somebody can prove who it is: by the very lookup that digests are checked with."""

from __future__ import annotations

from trunkline.app.explain.identify import is_banned
from trunkline.app.explain.telling import Telling
from trunkline.app.explain.view import Place, View
from trunkline.pbx.directory import ALGORITHMS, TenantEntry


def authenticate(view: View, owner: TenantEntry, user: str, place: Place, out: Telling) -> str:
    """The extension that ``user`` is, without its domain; "" when it is refused."""
    number = user.rpartition("@")[0] if "@" in user else user
    if is_banned(view, owner, number, place, out):
        return ""
    if number not in owner.extensions:
        text, hint = _unknown(view, owner, number)
        out.refuse(401, "auth.unknown_user", text, hint)
        return ""
    entry = owner.extensions[number]
    if not entry.secrets:
        why = ", only a fixed contact" if entry.contact else ""
        out.refuse(
            401,
            "auth.no_password",
            f"{number} has no password{why}: nobody can prove to be it",
            f"trunkline extension set {number} --generate",
        )
        return ""
    offered = [one for one in ALGORITHMS if owner.ha1(user, owner.realm, one) is not None]
    if not offered:
        out.refuse(
            401,
            "auth.other_domain",
            f"{user} is not taken for {number}: behind the @ stands neither the realm nor the domain {owner.domain}",
            f"set the user for authentication to {number}",
        )
        return ""
    out.tell(
        "auth.offered",
        f"{number} is challenged for the realm {owner.realm}, by {' and '.join(offered)}",
        realm=owner.realm,
    )
    if owner.realm != owner.domain:
        out.tell(
            "auth.own_realm",
            f"the realm is not the domain {owner.domain}",
            f"a phone that asks for the realm is given {owner.realm}",
        )
    return number


def _unknown(view: View, owner: TenantEntry, number: str) -> tuple[str, str]:
    text = f"{number} is no extension of the tenant {owner.name}; the phone is told the same as for a wrong password"
    alike = next((one for one in owner.extensions if one.lower() == number.lower()), None)
    if alike is not None:
        return text, f"letter case counts: there is {alike}"
    others = [one for one in view.snapshot.directory.tenants if number in one.extensions]
    if others:
        return text, f"the tenant {others[0].name} has one: its domain is {others[0].domain}"
    return text, f"trunkline extension add {number}"
