"""Keys that two parties of a call tell in different ways: by INFO here, by telephone events there.

A key that a party sends both ways is told once: the engine says which events it heard, and an INFO with the same key is
taken for another word of it. Who takes neither hears it in the sound (ITU-T Q.23). Parties whose sound passes elsewhere
settle it between themselves.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from trunkline.base.errors import MediaError
from trunkline.call.key_presses import AppInfo
from trunkline.call.sip_info import key_of
from trunkline.media.commands import SendDigits
from trunkline.media.events import DtmfReceived

if TYPE_CHECKING:
    from trunkline.call.bridge import Bridge
    from trunkline.call.leg import Info, Leg
    from trunkline.media.event import MediaEvent

# An INFO and the events of one key press come within this time, whichever is first.
_SAME_S: Final = 0.4
_PRESSED_MS: Final = 160
_KIND: Final = "application/dtmf-relay"


class KeyInterworking:
    """Between the two legs of a bridge."""

    __slots__ = ("_bridge", "_heard")

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._heard: dict[
            tuple[str, str], float
        ] = {}  # when a port had a key, by events: at most 16 keys each
        call = bridge.call
        # It ends with the call: the engine forgets the listeners of an owner that is closed.
        call.context.engine.subscribe(self._on_event, call.id)

    def info(self, leg: Leg, info: Info) -> bool:
        """Whether an INFO of a leg is a key that the other party takes as events; it is answered here then."""
        other = self._bridge.other(leg)
        key = key_of(info)
        if not key:
            return False
        way = leg.media.events_towards(other.media)
        if way is None:
            other.send_info(self._or_in_the_sound(other, key, info))
        else:
            self._bridge.call.context.spawn(self._press(leg, info, key, way))
        return True

    def _or_in_the_sound(self, other: Leg, key: str, info: Info) -> Info:
        """The same INFO; when ``other`` refuses it, it hears the key as a tone."""

        def answered(status: int) -> None:
            if status < 300 or other.done or other.media.names_events:
                info.answer(status)
            else:
                self._bridge.call.context.spawn(self._press_in_the_sound(other, key, info, status))

        return AppInfo(info.method, info.content_type, info.body, answered, info.package)

    async def _press_in_the_sound(self, other: Leg, key: str, info: Info, status: int) -> None:
        try:
            await other.media.press(key, _PRESSED_MS)
        except MediaError:
            info.answer(status)
        else:
            info.answer(200)

    async def _press(self, leg: Leg, info: Info, key: str, way: tuple[str, int]) -> None:
        if leg.media.names_events:
            loop = self._bridge.call.context.endpoint.loop
            began = loop.time()
            await asyncio.sleep(_SAME_S)
            ports = [port for port in leg.media.ports if port is not None]
            if any(self._heard.get((port, key), -1.0) >= began - _SAME_S for port in ports):
                info.answer(200)  # its events went through by themselves
                return
        port, payload_type = way
        try:
            await self._bridge.call.context.engine.execute(SendDigits(port, key, payload_type, _PRESSED_MS))
        except MediaError:
            self._bridge.other(leg).send_info(info)
            return
        info.answer(200)

    def _on_event(self, event: MediaEvent) -> None:
        """A key by events: the other party gets it by INFO where it takes no events, and ours are not relayed."""
        bridge = self._bridge
        if not isinstance(event, DtmfReceived) or bridge.call.bridge is not bridge:
            return
        self._heard[event.port, event.digit] = bridge.call.context.endpoint.loop.time()
        leg = next((leg for leg in (bridge.a, bridge.b) if event.port in leg.media.ports), None)
        if leg is None or not leg.media.is_converted(event.port):
            return
        other = bridge.other(leg)
        if not other.media.names_events and not other.done:
            body = f"Signal={event.digit}\r\nDuration={event.duration_ms}\r\n".encode()
            info = AppInfo("INFO", _KIND, body, lambda _status: None)
            other.send_info(self._or_in_the_sound(other, event.digit, info))
