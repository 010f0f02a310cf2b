"""What calls ask of the exchange when a party wants to hand its call on."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from trunkline.call.party import Party
from trunkline.call.target import Target
from trunkline.proto.sip.uri import SipUri

if TYPE_CHECKING:
    from trunkline.call.call import Call, Script
    from trunkline.call.leg import Leg


MAX_LEGS: Final = (
    100  # of one call, however often it is handed on: each has a record that is kept until the end
)


class Onward(NamedTuple):
    """Whom to ring for a transfer: ``caller`` is who calls, as the new party sees it, ``number`` whom it calls.

    ``referrer`` is the URI of who transfers. With a ``script`` nobody is rung: it serves whoever stays.
    ``replaces`` names a dialog that the new party has, and we have not.
    """

    targets: AsyncIterable[Target]
    number: str
    caller: Party
    referrer: str
    script: Script | None = None
    replaces: str = ""


class Referrals(Protocol):
    """The rules of transfers: who may, whereto, and for whom a call counts."""

    def route(self, call: Call, leg: Leg, stays: Leg, uri: SipUri) -> Onward:
        """Where the party of ``leg`` may transfer ``stays`` to; it tells the steps in the call's story.

        Raises CallFailed with what the asker is answered.
        """
        ...

    def back(self, call: Call, leg: Leg, stays: Leg) -> Onward | None:
        """The way back to a party that left before its transfer failed; None when it is not to be rung."""
        ...

    def number_of(self, call: Call, leg: Leg) -> str:
        """The extension that a leg's party is; empty for a stranger."""
        ...

    def count(self, call: Call, *legs: Leg) -> None:
        """The call counts for these parties from now on, and for nobody else."""
        ...

    def connected(self, call: Call, leg: Leg, towards: Leg) -> str:
        """Header lines that tell ``towards`` that it talks to ``leg`` from now on (RFC 3325), or none."""
        ...


class Progress(Protocol):
    """Whoever asked for a transfer is told how it goes."""

    def tell(self, status: int, reason: str = "", *, final: bool = False) -> None:
        """Tell a SIP status of the new call; nothing is told after a final one."""
        ...

    async def told(self) -> None:
        """Wait until what was told has been answered, or was lost."""
        ...


class Substitution(Protocol):
    """Parties of a call change places; there is one at a time, which the call tells what its legs do."""

    def progress(self, leg: Leg, status: int) -> bool:
        """A leg rings; whether that was for us, and not for the caller."""
        ...

    def outlives(self, leg: Leg) -> bool:
        """Whether the call goes on although this leg has ended."""
        ...

    def acknowledged(self, leg: Leg, body: bytes) -> bool:
        """A leg has confirmed our answer; whether that was waited for here."""
        ...

    def left(self, leg: Leg) -> None:
        """A leg that the call outlives has ended."""
        ...

    def cancel(self) -> None:
        """The call is over: there is nothing to change any more."""
        ...
