"""NG over a WebSocket, which rtpengine serves with ``--listen-http`` and ``--listen-https``."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.typing import Subprotocol

from trunkline.base.errors import MediaError, TransportError
from trunkline.media.ng.bencode import MAX_OCTETS, Encodable
from trunkline.media.ng.courier import Answer, Courier

SUBPROTOCOL: Final = Subprotocol("ng.rtpengine.com")
_PAUSES_S: Final = (0.2, 0.5, 1.0, 2.0)
_OPEN_S: Final = 3.0
_FIRST_S: Final = 1.0


class WebSocketTransport:
    """Keeps one connection open, and opens it anew when it breaks.

    At ``wss://`` the server's certificate must name the host, and be of an authority that the system trusts, or of the
    PEM file ``ca``. Raises MediaError ``media.config`` when that file cannot be used.
    """

    answer_octets = MAX_OCTETS

    def __init__(self, url: str, ca: str = "") -> None:
        self._url = url
        self._name = f"rtpengine at {url}"
        self._connection: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()
        self._tls = tls_context(ca) if url.startswith("wss://") else None
        self._trouble = ""  # why there is no connection
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue(4096)
        self.courier = Courier(self._name, self._send, ())

    async def start(self) -> None:
        """Begin to connect; one that is there is connected a moment later."""
        self._task = asyncio.get_running_loop().create_task(self._keep_open())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_S):
                await self._tried.wait()

    async def stop(self) -> None:
        """Close the connection."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self.courier.fail("the media engine is stopped")

    async def ask(self, question: Mapping[str, Encodable], within_s: float) -> Answer:
        """As ``Transport.ask``."""
        return await self.courier.ask(question, within_s)

    def _send(self, message: bytes) -> None:
        if self._connection is None:
            raise TransportError(f"{self._name}: not connected{self._trouble}")
        try:
            self._outgoing.put_nowait(message)
        except asyncio.QueueFull:
            raise TransportError(f"{self._name} takes no more") from None

    async def _keep_open(self) -> None:
        failures = 0
        while True:
            try:
                async with connect(
                    self._url, subprotocols=[SUBPROTOCOL], open_timeout=_OPEN_S, close_timeout=1.0,
                    max_size=MAX_OCTETS, compression=None, proxy=None, ssl=self._tls,
                ) as connection:  # fmt: skip
                    failures, self._trouble = 0, ""
                    await self._serve(connection)
            except ssl.SSLCertVerificationError as error:
                failures += 1
                self._trouble = f": its certificate is not trusted: {error.verify_message}"
            except (OSError, TimeoutError, InvalidHandshake, WebSocketException) as error:
                failures += 1
                self._trouble = f": {type(error).__name__}: {error}"[:200] if str(error) else ""
            self._tried.set()
            self.courier.fail("the connection broke")
            await asyncio.sleep(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])

    async def _serve(self, connection: ClientConnection) -> None:
        while not self._outgoing.empty():
            self._outgoing.get_nowait()  # of the connection before: nobody waits for these
        self._connection = connection
        self._tried.set()
        sender = asyncio.get_running_loop().create_task(self._send_all(connection))
        try:
            async for message in connection:
                self.courier.receive(message.encode() if isinstance(message, str) else message)
        finally:
            self._connection = None
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    async def _send_all(self, connection: ClientConnection) -> None:
        while True:
            await connection.send(await self._outgoing.get())


def tls_context(ca: str) -> ssl.SSLContext:
    """What a server's certificate is verified by; raises MediaError ``media.config``."""
    context = ssl.create_default_context()
    if ca:
        try:
            context.load_verify_locations(ca)
        except OSError as error:
            why = "no certificates in PEM" if isinstance(error, ssl.SSLError) else error.strerror
            raise MediaError(f"media.rtpengine.ca: {ca}: {why}", "media.config") from None
    return context
