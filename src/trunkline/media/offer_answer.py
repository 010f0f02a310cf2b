"""SDP offer/answer (RFC 3264) for a relaying B2BUA and for our own service legs: the public face.

On a relayed call the two dialogs share one negotiation. The caller's body is rewritten and sent to the
callee, the callee's answer is rewritten and sent to the caller; payload numbers are each side's own and
the relay forwards packets unchanged. Everything here is pure: text and plain values go in and come out.
"""

from __future__ import annotations

from collections.abc import Sequence

from trunkline.base.errors import RemoteProtocolError
from trunkline.media.identity import LocalPort, SdpIdentity
from trunkline.media.profile import CONSERVATIVE, PROFILES, TRANSPARENT, Profile, carries
from trunkline.media.rewrite import rewrite
from trunkline.media.service_leg import (
    ServiceMedia,
    agreed_for_service,
    answer_for_service,
    offer_for_service,
)
from trunkline.media.sketch import sketch_of
from trunkline.media.streams import REVERSED, Hold, Stream, Transport, hold_of
from trunkline.proto.sdp import excerpt, text_of

__all__ = [
    "CONSERVATIVE",
    "PROFILES",
    "REVERSED",
    "TRANSPARENT",
    "Hold",
    "LocalPort",
    "Profile",
    "SdpIdentity",
    "ServiceMedia",
    "Stream",
    "Transport",
    "agreed_for_service",
    "answer_for_service",
    "carries",
    "check_answer",
    "hold_of",
    "offer_for_service",
    "rewrite",
    "same_formats",
    "streams_of",
]


def streams_of(sdp: str | bytes) -> list[Stream]:
    """The streams of a peer's body, one for each m-line, in order (at most 32).

    Raises RemoteProtocolError 400 when the body cannot be parsed or a live stream has no address.
    """
    return list(sketch_of(text_of(sdp)).streams)


def check_answer(offered: Sequence[Stream], answer: str | bytes) -> list[Stream]:
    """The streams of an answer, after holding it against the streams of the offer that it answers.

    RFC 3264 §6: as many m-lines as the offer, of the same kinds and transports in the same order; rejected ones
    after them are left out, for our offer may have had them (``rewrite``). Formats are not compared, for each side
    numbers its own payload types (§6.1), and AVP answers AVPF. Raises RemoteProtocolError 488 that names the m-line
    at fault, or 400 when the answer cannot be parsed.
    """
    answered = streams_of(answer)
    if len(answered) > len(offered) and all(given.rejected for given in answered[len(offered) :]):
        answered = answered[: len(offered)]
    if len(answered) != len(offered):
        raise RemoteProtocolError(f"SDP answer has {len(answered)} media lines, expected {len(offered)}", 488)
    for asked, given in zip(offered, answered, strict=True):
        place = f"SDP answer, media line {asked.position + 1}"
        if given.kind != asked.kind:
            raise RemoteProtocolError(f"{place}: {excerpt(given.kind)}, expected {excerpt(asked.kind)}", 488)
        live = not (asked.rejected or given.rejected)
        if live and given.transport != asked.transport:
            expected = f"{excerpt(given.protocol)}, expected {excerpt(asked.protocol)}"
            raise RemoteProtocolError(f"{place}: {expected}", 488)
    return answered


def same_formats(offered: Sequence[Stream], answered: Sequence[Stream]) -> bool:
    """Whether an answer takes all of an offer: its streams, formats, telephone events and directions.

    If so, a party whose own description was offered may send whatever that says (RFC 3264 §6.1).
    """
    return all(
        asked.rejected == given.rejected
        and set(asked.formats) <= set(given.formats)
        and set(asked.telephone_events) == set(given.telephone_events)
        and REVERSED[asked.effective_direction] == given.effective_direction
        for asked, given in zip(offered, answered, strict=True)
    )
