"""Which headers cross the B2BUA: an allow-list for each trust level; everything else stays on its side."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from trunkline.media.preconditions import are_met
from trunkline.proto.sip.draft import header_lines
from trunkline.proto.sip.message import Message


class Trust(StrEnum):
    """How far the other side may learn from this one."""

    PHONE = "phone"
    UNTRUSTED = "trunk-untrusted"
    TRUSTED = "trunk-trusted"


# What describes the call and not the network: nothing that identifies, routes or authenticates. Who calls is never
# copied, but written anew for each side (``call.identity``).
_DESCRIBING: Final = ("Subject", "Priority", "Reason", "Accept-Language")

ALLOWED: Final[dict[Trust, tuple[str, ...]]] = {
    Trust.PHONE: _DESCRIBING,
    Trust.UNTRUSTED: _DESCRIBING,
    # RFC 8496 §5.1: who pays is for those who trust each other, on both sides.
    Trust.TRUSTED: ("P-Charge-Info",),
}
MAX_BLOCK: Final = 2048


def crossing(message: Message, trust: Trust = Trust.PHONE) -> str:
    """Finished lines of ``message`` that may go to the other side; none beyond ``MAX_BLOCK`` characters."""
    headers = message.headers
    lines = "".join([header_lines(name, headers[name]) for name in ALLOWED[trust] if name in headers])
    return lines if len(lines) <= MAX_BLOCK else ""


def description_of(message: Message) -> bytes:
    """The session description in a message; empty when its body is something else, or there is none."""
    headers = message.headers
    kind = headers.get("Content-Type", "application/sdp")
    if kind == "application/sdp" and "Content-Encoding" not in headers:
        return message.body  # nearly always
    if kind != "application/sdp" and kind.partition(";")[0].strip().lower() != "application/sdp":
        return b""
    packed = headers.get("Content-Encoding", "identity").strip().lower() != "identity"
    return b"" if packed else message.body


def requires_preconditions(message: Message) -> bool:
    """Whether the sender goes on only where preconditions are understood (RFC 3312 §11)."""
    return "Require" in message.headers and "precondition" in message.headers["Require"].lower()


def lacks_preconditions(message: Message) -> bool:
    """Whether it requires preconditions, and a mandatory one is not met; who only supports them goes on without."""
    return requires_preconditions(message) and not are_met(message.body)


def is_silent(early_media: str) -> bool:
    """Whether a P-Early-Media (RFC 5009 §8) lets nothing of the callee be heard."""
    streams = [each.partition(";")[0].strip().lower() for each in early_media.split(",")]
    known = [each for each in streams if each in {"sendrecv", "sendonly", "recvonly", "inactive"}]
    return bool(known) and all(each in {"recvonly", "inactive"} for each in known)


def reason_of(message: Message | None) -> str | None:
    """The Reason header (RFC 3326) that the other leg's CANCEL or BYE repeats, if it is of sane length."""
    value = message.headers.get("Reason") if message is not None else None
    return value if value is not None and len(value) <= 256 else None
