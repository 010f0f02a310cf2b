"""What a party is told of our media: the address, the ports, the codecs; and what makes one-way audio."""

from __future__ import annotations

from trunkline.app.explain.fork import is_inside
from trunkline.app.explain.telling import Telling
from trunkline.app.explain.view import MediaView, Place, View
from trunkline.net.routes import ip_literal

PORTS_OF_A_CALL = 2
_OFFERED = {
    "preferred": "phones that are reached by TLS are offered SRTP beside plain RTP",
    "required": "phones are offered SRTP alone: a call of one that cannot do that, or to it, fails with 488",
}


def media(view: View, caller: Place, callees: list[Place], profile: str, out: Telling) -> None:
    """Tell each party's address, and refuse when no port is free."""
    if view.live is None:
        return
    seen = view.live.media
    wanted = PORTS_OF_A_CALL if callees else 1
    if seen.ports_free < wanted:
        out.refuse(
            503,
            "media.ports_exhausted",
            f"too few media ports are free: {seen.ports_free}, and a call takes {wanted}",
        )
        return
    out.tell("media.ports_free", f"{seen.ports_free} media ports are free", free=seen.ports_free)
    told = set()
    for who, place in (("the caller", caller), *(("the callee", one) for one in callees)):
        if place.address and (who, place.address) not in told:
            told.add((who, place.address))
            _address(seen, who, place, out)
    _profile(profile, out)
    if seen.encryption in _OFFERED:
        out.tell("media.offered", _OFFERED[seen.encryption])


def address_told(view: View, place: Place, out: Telling) -> None:
    """The address that one party will be told, for a REGISTER."""
    if view.live is not None and place.address:
        _address(view.live.media, "the phone", place, out)


def _address(seen: MediaView, who: str, place: Place, out: Telling) -> None:
    if seen.elsewhere:
        out.tell("media.told_by_rtpengine", f"{who} at {place.address} is told an address of an rtpengine")
        return
    told = seen.address.get(place.family)
    if told is None:
        out.tell(
            "media.no_family",
            f"{who} at {place.address} speaks IPv{place.family}, and media has no such address: nothing will be heard",
            "listen for SIP on IPv6 as well, such as udp:[::]:5060"
            if place.family == 6
            else "set media.address",
        )
        return
    if told in {"127.0.0.1", "::1"} and not _is_loopback(place.address):
        out.tell(
            "media.private_address",
            f"{who} at {place.address} is told to send media to {told}, which is itself: nothing will be heard",
            "set media.address, or media.advertise behind a NAT",
        )
    elif is_inside(told) and _is_public(place.address):
        out.tell(
            "media.private_address",
            f"{who} at {place.address} is told to send media to {told}, which is reached from inside only: "
            "one-way audio",
            "set media.advertise to the public address",
        )
    else:
        out.tell("media.told", f"{who} at {place.address} is told to send media to {told}", address=told)


def _profile(profile: str, out: Telling) -> None:
    if profile == "conservative":
        text = "the SDP profile conservative lets PCMU, PCMA, G.722 and telephone events pass, and fax"
        out.tell("media.profile", text)
    else:
        out.tell("media.profile", f"the SDP profile {profile} lets all codecs pass")


def _is_loopback(host: str) -> bool:
    return host == "::1" or host.startswith("127.")


def _is_public(host: str) -> bool:
    return ip_literal(host) is not None and not is_inside(host) and not _is_loopback(host)
