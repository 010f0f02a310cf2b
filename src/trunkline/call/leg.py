"""A leg: one party of a call, whatever it is reached by.

Three kinds share this face: a SIP dialog, a mobile app or script behind REST, and a source and sink of PCM
frames. What a call does with a leg it does through ``Leg``; what a leg has to say it says to its
``LegObserver``, synchronously and in order.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from trunkline.base.errors import CallFailed
from trunkline.call.leg_media import LegMedia
from trunkline.call.leg_outcome import LegOutcome
from trunkline.proto.sip.transaction.incoming import Incoming


class LegKind(StrEnum):
    """How a leg is reached."""

    SIP = "sip"
    APP = "app"
    FRAME = "frame"


class Info(Protocol):
    """A message within the call that wants passing on: ``method`` INFO or MESSAGE, bytes, and a way to answer."""

    method: str
    content_type: str
    body: bytes
    package: str | None

    def answer(self, status: int) -> None:
        """Tell the sender what became of it: a SIP status, 200..699."""
        ...


class Leg(Protocol):
    """One party of a call.

    Bodies are session descriptions as the party sees them. ``hang_up`` may be called in any state and ends
    the leg in the way that its state asks for.
    """

    id: str
    kind: LegKind
    media: LegMedia
    outcome: LegOutcome
    observer: LegObserver

    @property
    def done(self) -> bool:
        """True once the leg has said that it failed or ended."""
        ...

    @property
    def committed(self) -> bool:
        """Whether the party of an incoming leg was given a description reliably, which counts for good."""
        ...

    @property
    def settled(self) -> bool:
        """Whether it is up and no change is under way: the time to write it down."""
        ...

    @property
    def takes_update(self) -> bool:
        """Whether the party may be offered a change before it is answered."""
        ...

    @property
    def asks_briefly(self) -> bool:
        """Whether the change that the party offered wants its answer at once (UPDATE)."""
        ...

    @property
    def offers_early(self) -> bool:
        """Whether the description of the party's provisional is an offer, for ``acknowledge`` to answer."""
        ...

    def progress(self, status: int, body: bytes, *, followed: bool = False) -> None:
        """Tell the party of an incoming leg that it rings (101..199), with early media when there is a body.

        ``followed``: what is passed on arrived for certain, and should so do again (RFC 3262).
        """
        ...

    def answer(self, body: bytes) -> None:
        """Answer an incoming leg."""
        ...

    def refuse(self, failure: CallFailed) -> None:
        """End an unanswered incoming leg with a failure."""
        ...

    def hang_up(self, reason: str = "", *, code: str = "call.hangup", by: str = "exchange") -> None:
        """End the leg; ``reason`` is a Reason header value, ``code`` and ``by`` are what the record says."""
        ...

    def acknowledge(self, body: bytes) -> None:
        """Give the answer to an offer that came with the party's acceptance (late offer), or reliably before it."""
        ...

    def confirm(self) -> None:
        """The call is up: the party across has confirmed it, or has nothing to confirm."""
        ...

    def offer(
        self, body: bytes, on_done: Callable[[int, bytes], None], extra: str = "", *, brief: bool = False
    ) -> None:
        """Change the session: ``on_done(status, answer)`` is called once. An empty body asks for an offer.

        ``extra`` holds finished header lines, such as who the party talks to from now on. ``brief``: the party is
        asked for an answer at once (UPDATE), where it takes that.
        """
        ...

    def withdraw_offer(self) -> None:
        """Ask the party to forget the change that it was offered; ``on_done`` still tells what became of it."""
        ...

    def answer_offer(self, body: bytes) -> None:
        """Accept the change that the party offered last."""
        ...

    def refuse_offer(self, status: int) -> None:
        """Refuse it; the session stays as it was."""
        ...

    def send_info(self, info: Info) -> None:
        """Pass a message within the call to the party, and its fate back to the sender."""
        ...

    def let_go(self, observer: LegObserver) -> None:
        """Its call is closed: forget what refers to that, or back to the leg, if nothing of it goes on."""
        ...


class LegObserver(Protocol):
    """Who is told what legs do: the call."""

    def leg_progress(self, leg: Leg, status: int, body: bytes, *, reliable: bool = False) -> None:
        """The party rings (180), or more (181..199); ``reliable``: it was acknowledged (RFC 3262)."""

    def leg_answered(self, leg: Leg, body: bytes) -> None:
        """The party accepted; ``body`` answers our offer, or offers when we made none."""

    def leg_failed(self, leg: Leg, failure: CallFailed) -> None:
        """An outgoing leg was not answered."""

    def leg_cancelled(self, leg: Leg, reason: str | None) -> None:
        """The party of an incoming leg gave up before the answer; ``reason`` as in ``leg_ended``."""

    def leg_acknowledged(self, leg: Leg, body: bytes) -> None:
        """The party confirmed our acceptance, or a reliable provisional; a body answers an offer of ours."""

    def leg_ended(self, leg: Leg, reason: str | None) -> None:
        """An answered leg is over; ``reason`` is the Reason header that the party gave."""

    def leg_offer(self, leg: Leg, body: bytes) -> None:
        """The party wants to change the session; empty asks us for an offer."""

    def leg_offer_withdrawn(self, leg: Leg) -> None:
        """The party does not want its change any more; it is refused already."""

    def leg_info(self, leg: Leg, info: Info) -> None:
        """The party sent a message within the call."""

    def leg_refer(self, leg: Leg, request: Incoming) -> None:
        """The party asks for a transfer (REFER); answer it."""

    def leg_notify(self, leg: Leg, request: Incoming) -> bool:
        """The party tells how a transfer goes that it was asked for (NOTIFY); False when nobody has asked."""
        ...
