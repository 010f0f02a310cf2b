"""Who diverted a call, and why: the Diversion header (RFC 5806)."""

from __future__ import annotations

from typing import Final, NamedTuple

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.grammar import render_parameters, split_list
from trunkline.proto.sip.name_addr import NameAddr, parse_name_addr

# More of them than anybody means: such a call goes round (RFC 5806 §5.1.1 leaves the number to us).
MAX_DIVERSIONS: Final = 20
MAX_COUNT: Final = 100

# RFC 5806 §3: the reasons that it names; others are tokens of the future, and count as unknown.
REASONS: Final = frozenset({
    "unknown", "user-busy", "no-answer", "unavailable", "unconditional", "time-of-day", "do-not-disturb",
    "deflection", "follow-me", "out-of-service", "away",
})  # fmt: skip


class Diversion(NamedTuple):
    """One diversion: ``uri`` and ``display`` of whom the call was for, ``reason`` of RFC 5806.

    It stands for so many ``times``. ``private``: whoever is not trusted may not learn of it.
    """

    uri: str
    reason: str = "unknown"
    times: int = 1
    display: str = ""
    private: bool = False

    def __str__(self) -> str:
        params: dict[str, str | None] = {
            "reason": self.reason,
            "counter": str(self.times),
            "privacy": "full" if self.private else "off",
        }
        return str(NameAddr(self.display, self.uri, {})) + render_parameters(params)


def parse_diversions(value: str) -> list[Diversion]:
    """The diversions of a Diversion header, the oldest first (RFC 5806 §5.1.2 writes the newest first).

    Raises RemoteProtocolError for one that is malformed, 482 for more than ``MAX_DIVERSIONS``.
    """
    elements = split_list(value)
    check_count(len(elements))
    return [_parse(element) for element in reversed(elements)]


def render_diversions(diversions: tuple[Diversion, ...]) -> str:
    """The header's lines for diversions of which the oldest stands first."""
    return "".join(f"Diversion: {diversion}\r\n" for diversion in reversed(diversions))


def check_count(count: int) -> None:
    """Raises RemoteProtocolError with 482 when a call was diverted too often to be going anywhere."""
    if count > MAX_DIVERSIONS:
        raise RemoteProtocolError(f"diverted {count} times, at most {MAX_DIVERSIONS} are followed", 482)


def _parse(element: str) -> Diversion:
    address = parse_name_addr(element)
    address.address  # noqa: B018  (malformed ones are refused here, not where they are used)
    reason = (address.params.get("reason") or "unknown").lower()
    digits = address.params.get("counter") or "1"
    plain = digits.isascii() and digits.isdecimal() and len(digits) <= 3
    count = min(max(int(digits), 1), MAX_COUNT) if plain else 1
    private = (address.params.get("privacy") or "off").lower() not in {"off", "none"}
    known = reason if reason in REASONS else "unknown"
    return Diversion(address.uri, known, count, address.display, private)
