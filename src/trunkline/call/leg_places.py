"""Ports of a leg that come to be elsewhere: at another engine when theirs is lost, here when their party has keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from trunkline.base.errors import MediaError
from trunkline.media.commands import ClosePort, PortOpened, SetFormats, SetRemote
from trunkline.media.engine import MediaEngine
from trunkline.media.leg_security import LegSecurity
from trunkline.media.offer_answer import LocalPort, SdpIdentity, rewrite, streams_of
from trunkline.proto.sdp import Direction


class LegPlaces:
    """The part of ``LegMedia`` that is about where its ports are. It fills the attributes."""

    __slots__ = ()
    ports: list[str | None]
    identity: SdpIdentity
    security: LegSecurity | None
    _local: list[LocalPort | None]
    _engine: MediaEngine
    _said: bytes
    _away: set[str]
    _given_up: dict[int, tuple[str, LocalPort | None]]
    _spare: dict[int, tuple[str, LocalPort | None]]
    _remotes: dict[str, tuple[SetRemote, Direction]]
    _formats: dict[str, SetFormats]

    @property
    def told(self) -> str:
        """What the party was told last, plain."""
        raise NotImplementedError

    def dress(self, *, offer: bool) -> Callable[[str], str] | None:
        """What puts our keys into a description of ours; None when there are none."""
        raise NotImplementedError

    async def _open(self, index: int, port: str = "", rtp_port: int = 0, *, here: bool = False) -> LocalPort:
        raise NotImplementedError

    # At another engine

    @property
    def said(self) -> bytes:
        """What the party has said last, plain; empty when that is not known any more."""
        return self._said

    def move_to(self, opened: Sequence[PortOpened]) -> None:
        """Where those of the ports are from now on that were opened anew. The party is yet to be told."""
        places = {one.port: LocalPort(one.advertised, one.rtp_port, one.rtcp_port) for one in opened}
        for index, port in enumerate(self.ports):
            if port in places:
                self._local[index] = places[port]
        for index, (port, _) in self._given_up.items():
            if port in places:
                self._given_up[index] = port, places[port]

    @property
    def is_elsewhere(self) -> bool:
        """Whether the party was told last of places where its ports are no more."""
        told = streams_of(self.told) if self.told else []
        return any(
            local is not None
            and not stream.rejected
            and (stream.address, stream.port) != (local.address, local.port)
            for stream, local in zip(told, self._local, strict=False)
        )

    def retold(self) -> bytes:
        """What the party was told last, as an offer from where the ports are now; keys are fresh ones."""
        told = self.told
        local = self._local[: len(streams_of(told))]
        dress = self.dress(offer=True) if self.security is not None else None
        return rewrite(told, local, self.identity, offer=True, dress=dress).encode("utf-8", "surrogateescape")

    # Here

    async def _bring_here(self, index: int) -> None:
        """A party that has begun to encrypt gets another port, where one of a relay takes no keys."""
        port = self.ports[index]
        if port is None or port not in self._away:
            return
        before = port, self._local[index]
        if index in self._spare:
            self.ports[index], self._local[index] = self._spare.pop(index)
        else:
            await self._open(index, here=True)
        self._given_up[index] = before

    def _go_back(self) -> None:
        """Its offer is refused: what would have been in their place waits for the next one."""
        for index, before in self._given_up.items():
            self._spare[index] = self.ports[index] or "", self._local[index]
            self.ports[index], self._local[index] = before
        self._given_up.clear()

    async def _close_given_up(self) -> None:
        """Both parties have agreed: the ports that were replaced are heard no more."""
        replaced = [port for port, _ in self._given_up.values()]
        self._given_up.clear()
        for port in replaced:
            self._away.discard(port)
            self._remotes.pop(port, None)
            self._formats.pop(port, None)
            with suppress(MediaError):
                await self._engine.execute(ClosePort(port))
