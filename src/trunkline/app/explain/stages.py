"""In which stage of a call or a REGISTER each code of a story belongs: one table, for stories and dry runs alike."""

from __future__ import annotations

from typing import Final

STAGES: Final = (
    "identify",
    "authenticate",
    "register",
    "normalise",
    "route",
    "fork",
    "media",
    "call",
    "text",
    "event",
    "request",
)
"""In the order in which a call or a REGISTER meets them; ``call`` is what happens once it is under way."""

_OF_AREA: Final = {
    "account": "request",
    "auth": "authenticate",
    "backup": "request",
    "ban": "authenticate",
    "call": "call",
    "audio_socket": "call",
    "conference": "call",
    "control": "request",
    "device": "request",
    "domain": "request",
    "exchange": "request",
    "explain": "request",
    "extension": "request",
    "fork": "fork",
    "identify": "identify",
    "identity": "identify",
    "leg": "fork",
    "limit": "route",
    "log": "request",
    "media": "media",
    "message": "request",
    "mobile": "fork",
    "mwi": "request",
    "number": "normalise",
    "pickup": "route",
    "publish": "event",
    "push": "request",
    "recording": "request",
    "register": "register",
    "request": "request",
    "restore": "request",
    "route": "route",
    "sdp": "media",
    "settings": "request",
    "stir": "authenticate",
    "subscribe": "event",
    "tenant": "request",
    "text": "text",
    "trace": "request",
    "transfer": "call",
    "wake": "fork",
}
_OF_CODE: Final = {
    "call.received": "identify",
    "call.bad_request": "identify",
    "call.diverted_too_often": "route",
    "call.no_decision": "route",
    "call.nobody_registered": "fork",
    "call.busy": "fork",
    "call.refused": "fork",
    "call.elsewhere": "fork",
    "call.refused_elsewhere": "fork",
    "call.no_answer": "fork",
    "call.not_sent": "fork",
    "call.too_broad": "fork",
    "call.unreachable": "fork",
    "call.bad_answer": "media",
    "call.bad_offer": "media",
    "call.media_timeout": "media",
    "register.unknown_domain": "identify",
    "route.hop_failed": "fork",
    "route.located": "fork",
    "route.next_hop": "fork",
    "route.sips_unreachable": "fork",
    "stir.diverted": "fork",
    "stir.not_signed": "fork",
    "stir.signed": "fork",
}


def stage_of(code: str) -> str:
    """The stage of a code; that of a call under way for one that an older or newer version wrote."""
    return _OF_CODE.get(code) or _OF_AREA.get(code.partition(".")[0], "call")


def areas() -> frozenset[str]:
    """All areas that the table knows."""
    return frozenset(_OF_AREA)
