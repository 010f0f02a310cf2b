"""How the engine speaks to the party of a leg, and hears it, where its sound is not only relayed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from trunkline.base.errors import MediaError
from trunkline.media.codecs import Pairing, formats_of
from trunkline.media.commands import PlaySignal, SendDigits, SetFormats, SetRemote, ToneStep
from trunkline.media.conversion import formats_for, heard_from, spoken_to
from trunkline.media.engine import MediaEngine
from trunkline.media.offer_answer import ServiceMedia, Stream, streams_of
from trunkline.proto.sdp import Direction

# RFC 3551 §6: numbers that mean the same in every description.
_ASSIGNED: Final = {0: "PCMU", 3: "GSM", 8: "PCMA", 9: "G722", 10: "L16", 11: "L16", 13: "CN", 18: "G729"}


class LegCodecs:
    """The half of ``LegMedia`` that is about codecs. It fills the attributes."""

    __slots__ = ()
    ports: list[str | None]
    _engine: MediaEngine
    _formats: dict[str, SetFormats]
    _remotes: dict[str, tuple[SetRemote, Direction]]
    _said: bytes

    @property
    def told(self) -> str:
        """What the party was told last, plain."""
        raise NotImplementedError

    @property
    def secured(self) -> bool:
        """Whether the party has keys."""
        raise NotImplementedError

    async def speak(self, position: int, how: Pairing, stream: Stream, *, asked: bool) -> None:
        """How the party's sound is converted, or that it is not; ``asked`` whether it has made the offer."""
        port = self.ports[position] if position < len(self.ports) else None
        if port is None:
            return
        formats = formats_for(port, how, stream, self.told, asked=asked) if how.convert else None
        if formats is None:
            self._formats.pop(port, None)
        else:
            await self._tell_formats(formats)

    async def serve(self, media: ServiceMedia, *, asked: bool) -> None:
        """How the party and we talk, when its one stream ends at us; ``asked`` whether it has made the offer."""
        port = self.ports[0] or ""
        how = Pairing(True, None, media.speaks, media.speaks)
        formats = formats_for(port, how, media.stream, self.told, asked=asked)
        if formats is not None:
            await self._tell_formats(formats)

    async def _tell_formats(self, formats: SetFormats) -> None:
        port = formats.port
        if self._formats.get(port) != formats:
            self._formats[port] = formats
            await self._engine.execute(formats)
        remote = self._remotes.get(port)
        event = next((one for one in formats.receive if one.codec == "telephone-event"), None)
        if remote is None or event is None:
            return
        known = remote[0]
        if (known.dtmf_payload_type, known.clock_hz) != (event.payload_type, event.clock_hz):
            # ``hear`` has said what the party across names: this one is told otherwise.
            known.dtmf_payload_type, known.clock_hz = event.payload_type, event.clock_hz
            await self._engine.execute(known)

    async def ring_back(self, steps: Sequence[ToneStep]) -> None:
        """Send the party a signal in its own codec, in place of whom it hears; raises MediaError."""
        formats = self._spoken_to()
        if formats is not None:
            self._formats.pop(formats.port, None)
            await self._engine.execute(formats)
            await self._engine.execute(PlaySignal(formats.port, list(steps)))

    async def press(self, key: str, duration_ms: int) -> None:
        """Send the party a key in the sound, for it takes no telephone events; raises MediaError when it cannot be."""
        formats = self._spoken_to()
        if formats is None:
            raise MediaError("the party has no codec that is spoken here", "media.argument")
        if formats.port not in self._formats:
            await self._engine.execute(formats)
        await self._engine.execute(SendDigits(formats.port, key, 0, duration_ms))

    def _spoken_to(self) -> SetFormats | None:
        streams = streams_of(self._said) if self._said else []
        spoken = (
            spoken_to(port, stream)
            for stream, port in zip(streams, self.ports, strict=False)
            if port is not None
        )
        return next((formats for formats in spoken if formats is not None), None)

    async def name_codecs(self) -> None:
        """Tell the engine what the party sends where it is only relayed, so that a recording can decode it."""
        if not (self._said and self.told):
            return
        for port, stream, told in zip(
            self.ports, streams_of(self._said), streams_of(self.told), strict=False
        ):
            if port is not None and port not in self._formats and stream.kind == "audio":
                formats = heard_from(port, stream, told)
                if formats is not None:
                    await self._engine.execute(formats)

    def is_converted(self, port: str) -> bool:
        """Whether the sound of a port is converted on its way to and from the other party."""
        return port in self._formats

    @property
    def unusual(self) -> bool:
        """Whether the party has keys, or is converted: anything but plain RTP that is relayed as it comes."""
        return bool(self._formats) or self.secured

    def spoken_on(self, port: str) -> str:
        """The codec that we speak on a port, as ``opus`` or ``G722``; "" when packets pass as they are."""
        formats = self._formats.get(port)
        return formats.send.codec if formats is not None and formats.send is not None else ""

    def codec_of(self, payload_type: int) -> str:
        """The codec of what the party sends under a number, as ``PCMA``; "" when nobody has named it."""
        assigned = _ASSIGNED.get(payload_type)
        if assigned is not None:
            return assigned
        # RFC 3264 §6.1: the party sends by the numbers that it was told.
        for body in (self.told, self._said):
            for stream in streams_of(body) if body else []:
                for one in formats_of(stream.shape):
                    if one.payload_type == payload_type:
                        return one.format.codec
        return ""
