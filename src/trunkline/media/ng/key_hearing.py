"""Where instances send their reports of key presses: a UDP socket of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from trunkline.base.errors import MediaError, RemoteProtocolError
from trunkline.media.ng.dtmf_log import KeyPress, key_press


class KeyHearing:
    """``take`` is given each key press; what is none is dropped."""

    def __init__(self, take: Callable[[KeyPress], None]) -> None:
        self._take = take
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self, host: str, port: int) -> None:
        """Bind; raises MediaError ``media.address``."""
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_datagram_endpoint(
                lambda: _Receiver(self._heard), local_addr=(host, port)
            )
        except OSError as error:
            raise MediaError(
                f"key presses cannot be heard at {host}:{port}: {error.strerror}", "media.address"
            ) from None

    def stop(self) -> None:
        """Hear no more."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def _heard(self, datagram: bytes) -> None:
        try:
            press = key_press(datagram)
        except RemoteProtocolError:
            return
        if press is not None:
            self._take(press)


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._take(data)
