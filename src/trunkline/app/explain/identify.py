"""Whose a request is: the listener that it reaches, the tenant that its domain belongs to; or why nobody hears it."""

from __future__ import annotations

from trunkline.app.explain.telling import Telling
from trunkline.app.explain.view import Place, View
from trunkline.net.fence.source import source_of
from trunkline.pbx.directory import TenantEntry
from trunkline.ua.overload import Load


def identify(
    view: View, tenant: str, domain: str, place: Place, method: str, out: Telling
) -> TenantEntry | None:
    """The tenant that the request is for, None when it is refused before that is known.

    ``tenant`` is whose operator asks, ``domain`` what stands behind the @, "" for the tenant's own.
    """
    if view.live is None:
        out.tell(
            "identify.offline",
            "no exchange runs: bans, connections, calls, trunks and media ports are not known",
            "trunkline up",
        )
    _arrive(view, place, out)
    _room(view, method, out)
    return None if out.over else _owner(view, tenant, domain, out)


def _arrive(view: View, place: Place, out: Telling) -> None:
    """Whether anything listens for it; the fence drops what comes from banned sources before it is read."""
    live = view.live
    if live is None or not (place.transport or place.address):
        return
    able = [
        one
        for one in live.listeners
        if (not place.transport or one.transport == place.transport)
        and (not place.address or (":" in one.host) == (place.family == 6))
    ]
    wanted = place.transport or "SIP"
    if not able:
        told = ", ".join(f"{one.transport.lower()}:{one.address}" for one in live.listeners)
        family = f" over IPv{place.family}" if place.address else ""
        out.refuse(
            0,
            "identify.no_listener",
            f"nothing listens for {wanted}{family}: there is {told or 'no listener'}",
            "add one to sip.listen",
        )
        return
    first = able[0]
    out.tell(
        "identify.listener",
        f"it reaches {first.transport.lower()}:{first.address}, which is for {first.role}",
        role=first.role,
    )


def _room(view: View, method: str, out: Telling) -> None:
    live = view.live
    if live is None or out.over:
        return
    refused = Load.CALLS if method == "INVITE" else Load.ALL_NEW
    if live.load >= refused:
        what = "new calls" if method == "INVITE" else "registrations"
        out.refuse(
            503,
            "identify.overloaded",
            f"the exchange is overloaded and refuses {what}, with Retry-After",
            "trunkline status shows the load; sip.overload sets the limits",
        )
    elif live.draining and method == "INVITE":
        out.refuse(
            503,
            "identify.draining",
            "the exchange takes no new calls: it drains",
            "trunkline drain --undo takes them again",
        )


def _owner(view: View, tenant: str, domain: str, out: Telling) -> TenantEntry | None:
    directory = view.snapshot.directory
    mine = next(one for one in directory.tenants if one.id == tenant)
    named = domain or mine.domain
    owner = directory.owner_of(named)
    if owner is not mine and not domain:
        out.tell(
            "identify.no_domain",
            f"the tenant {mine.name} has no domain, so no phone of it is known as its own",
            f"trunkline tenant domain add DOMAIN --tenant {mine.name}",
        )
        return mine
    if owner is None:
        known = ", ".join(sorted({one.domain for one in directory.tenants}))
        out.refuse(
            404,
            "identify.unknown_domain",
            f"no tenant owns the domain {named}: there are {known}",
            f"correct the domain in the phone, or: trunkline tenant domain add {named} --tenant {mine.name}",
        )
        return None
    if named.lower() in {one.lower() for one in owner.domains}:
        why = f"{named} is a domain of the tenant {owner.name}"
    elif len(directory.tenants) == 1:
        why = f"{named} is nobody's, so it is taken for the only tenant's, {owner.name}"
        if named == directory.fallback_domain:
            why = f"{named} is the domain of the settings, and belongs to the tenant {owner.name}"
    else:
        why = f"{named} is the domain of the settings, and belongs to the tenant {owner.name}"
    out.tell("identify.tenant", why, domain=named)
    if owner.id != tenant:
        out.tell(
            "identify.other_tenant",
            f"that is not the tenant {mine.name}, so its numbers and passwords do not count",
            f"set the domain of the phone to {mine.domain}",
        )
    return owner


def is_banned(view: View, owner: TenantEntry, user: str, place: Place, out: Telling) -> bool:
    """Tell whether the fence lets a request of ``user`` through; after what has proven itself there is let in."""
    live = view.live
    if live is None or not place.address:
        return False
    source = source_of(place.address)
    fence = live.fence
    if fence.trusts(source):
        out.tell("auth.trusted", f"{source} is trusted: no attempt from there brings a ban")
        return False
    ban = next((one for one in fence.bans(live.now) if one.source == source), None)
    if ban is None:
        return False
    left = round(ban.until - live.now)
    if not ban.by_hand and (source, owner.realm, user) in fence.proofs:
        out.tell(
            "auth.proven", f"{source} is banned for {left} s more, but {user} has proven itself there before"
        )
        return False
    out.refuse(
        0,
        "auth.banned",
        f"{source} is banned for {left} s more ({ban.why}): it gets no answer",
        f"trunkline bans clear {source}; guard.trusted keeps a network from being banned",
    )
    return True
