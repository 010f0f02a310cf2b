"""What a caller's INVITE asks for, as far as its callees are concerned."""

from __future__ import annotations

from typing import NamedTuple, Self

from trunkline.call.breadth import DEFAULT, breadth_of
from trunkline.call.headers import crossing
from trunkline.call.leg_media import LegMedia
from trunkline.call.party import Party
from trunkline.media.offer_answer import Stream, streams_of
from trunkline.media.preconditions import MARK as PRECONDITIONS
from trunkline.media.preconditions import without_preconditions
from trunkline.proto.sip.message import Request
from trunkline.ua.option_tags import supports


class Invitation:
    """``offer`` is the caller's description (empty: it wants ours) with its ``streams``.

    ``takes_early_offer``: it has none and takes ours in a reliable provisional (RFC 3262 §5).
    ``max_forwards`` (that of the request less one, bounded), ``headers`` (finished lines) and shares of
    ``max_breadth`` are what the INVITEs to callees carry. ``media``, the caller's, reads the offer. Raises
    RemoteProtocolError when the offer, or one of these, cannot be read.
    """

    __slots__ = ("headers", "max_breadth", "max_forwards", "offer", "streams", "takes_early_offer")

    def __init__(self, request: Request, max_forwards: int, media: LegMedia) -> None:
        self.offer = request.body
        if PRECONDITIONS in self.offer and not media.passes:
            self.offer = without_preconditions(self.offer)  # we reserve nothing, and let nobody wait for it
        if self.offer:
            self.offer = media.read(self.offer)
        self.streams: list[Stream] = streams_of(self.offer) if self.offer else []
        self.takes_early_offer = not self.offer and supports(request, "100rel")
        # RFC 7332: a B2BUA counts hops down as a proxy does, or loops through it never end.
        self.max_forwards = min(request.max_forwards - 1, max_forwards)
        self.max_breadth = breadth_of(request)
        self.headers = crossing(request)

    @classmethod
    def made(cls, offer: bytes, headers: str, max_forwards: int) -> Self:
        """One of ours, on behalf of somebody who talks already."""
        made = cls.__new__(cls)
        made.offer = offer
        made.streams = streams_of(offer) if offer else []
        made.takes_early_offer = False
        made.max_forwards = max_forwards
        made.max_breadth = DEFAULT
        made.headers = headers
        return made


class Errand(NamedTuple):
    """What a fork calls for: ``caller`` calls ``number``, its media by ``media``, and asks for ``asked``."""

    asked: Invitation
    caller: Party
    number: str
    media: LegMedia
