"""The media of a leg whose party sends its packets straight to the other one: descriptions pass as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, TypeAlias

from trunkline.base.errors import CallFailed, MediaError
from trunkline.call.leg_media import LegMedia
from trunkline.media.engine import MediaEngine
from trunkline.media.offer_answer import LocalPort, SdpIdentity, Stream

MediaPolicy: TypeAlias = Literal["relay", "bypass"]
"""``relay``: packets pass through the media engine; ``bypass``: byte for byte, descriptions are the other party's."""


class PassingIdentity(SdpIdentity):
    """``body`` is what the party was told last, as the other party said it."""

    __slots__ = ()

    def pass_on(self, body: str) -> None:
        """The party is told this."""
        self._before = self._after
        self._after = body

    def take_back(self) -> None:
        """The party has refused it: what it was told before holds."""
        if self._before:
            self._after = self._before

    @property
    def body(self) -> str:
        return self._after


class PassingMedia(LegMedia):
    """The face of ``LegMedia`` without a port: it opens nothing, and alters nothing that is said."""

    __slots__ = ()
    passes: ClassVar[bool] = True

    def __init__(self, engine: MediaEngine, owner: str) -> None:
        super().__init__(engine, owner, "")
        self.identity: PassingIdentity = PassingIdentity(0, "")

    def read(self, body: bytes, *, answer: bool = False) -> bytes:
        """The description as it came: whatever keys are in it are for the other party."""
        return body

    async def open_for(self, streams: Sequence[Stream], other: LegMedia) -> None:
        """Nothing to open; whether a stream suits them is the parties' to say."""

    async def open_one(self, *, here: bool = False) -> LocalPort:
        """Raises MediaError: nobody can be answered here."""
        raise MediaError("the call's media does not pass here, so that it has no port", "media.bypassed")

    async def own_offer(self) -> bytes:
        """Raises CallFailed 488: there is no port to offer."""
        raise CallFailed(488, "Not Acceptable Here", 65, "media.bypassed")

    def rewritten(self, body: bytes, count: int, *, offer: bool = False) -> bytes:
        """The description as it came."""
        if body:
            self.identity.pass_on(body.decode("utf-8", "surrogateescape"))
        return body

    async def hear(self, streams: Sequence[Stream], across: Sequence[Stream], first: int = 0) -> None:
        """Nothing passes here."""

    async def hush(self, *, hushed: bool) -> None:
        """Whom a party hears is not ours to say."""

    async def restore(self, data: dict[str, Any]) -> None:
        kept = data["identity"]
        self.identity = PassingIdentity(kept["session_id"], kept["address"])
        self.identity.pass_on(kept["after"])
