"""Session-Expires and Min-SE (RFC 4028 §4, §5)."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

from trunkline.proto.sip.numbers import parse_delta_seconds

Refresher: TypeAlias = Literal["uac", "uas", ""]

# RFC 4028 §4: "the absolute minimum value [...] is 90 seconds".
SHORTEST_S: Final = 90


class SessionExpires(NamedTuple):
    """A Session-Expires value: seconds 0..2**32-1, and who refreshes; "" leaves that to the peer."""

    seconds: int
    refresher: Refresher = ""


def parse_session_expires(value: str) -> SessionExpires:
    """Raises RemoteProtocolError for what is no number. A refresher that is neither side counts as none.

    Session-Expires = delta-seconds *(SEMI ("refresher" EQUAL ("uas" / "uac") / generic-param))
    """
    number, _, rest = value.partition(";")
    seconds = parse_delta_seconds(number, "Session-Expires")
    refresher: Refresher = ""
    for param in rest.lower().split(";") if rest else ():
        name, _, said = param.partition("=")
        if name.strip() == "refresher":
            refresher = "uac" if said.strip() == "uac" else "uas" if said.strip() == "uas" else ""
    return SessionExpires(seconds, refresher)


def parse_min_se(value: str | None) -> int:
    """The shortest interval that a peer bears; without the header that of RFC 4028 §5.

    Raises RemoteProtocolError for what is no number.
    """
    if value is None:
        return SHORTEST_S
    return max(parse_delta_seconds(value.partition(";")[0], "Min-SE"), SHORTEST_S)
