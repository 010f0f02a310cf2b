"""TLS between a connection's socket and its flow: a protocol to the one, a transport to the other.

The flow sees a connection from the moment it is accepted, so that bounds and deadlines hold for peers that
never finish their handshake; what it writes until then is kept here and counts as unsent.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any, Final, Protocol, cast

from trunkline.net.faults import FaultLog
from trunkline.net.settings import Counters, NetSettings
from trunkline.net.tcp import TcpFlow
from trunkline.net.tls.peer_identity import proves

_CHUNK: Final = 65536


class Owner(Protocol):
    """What a channel needs of the table of connections."""

    loop: asyncio.AbstractEventLoop
    settings: NetSettings
    counters: Counters
    faults: FaultLog


class TlsChannel(asyncio.Protocol):
    """TLS of one connection. With ``server_name`` we are the client, and the peer must prove that name."""

    __slots__ = (
        "_deadline",
        "_failure",
        "_flow",
        "_heard",
        "_incoming",
        "_kept",
        "_kept_bytes",
        "_outgoing",
        "_owner",
        "_ready",
        "_server_name",
        "_tls",
        "_transport",
    )

    def __init__(self, owner: Owner, flow: TcpFlow, context: ssl.SSLContext, server_name: str = "") -> None:
        self._owner = owner
        self._flow = flow
        self._server_name = server_name
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=not server_name,
            server_hostname=server_name or None,
        )
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._ready = False
        self._heard = False
        self._failure: OSError | None = None
        self._kept: list[bytes] = []
        self._kept_bytes = 0

    # The flow's transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default) if self._transport is not None else default

    def write(self, data: bytes) -> None:
        if self._failure is not None:
            return
        if self._ready:
            try:
                self._tls.write(data)
            except ssl.SSLError as error:
                self._fail(words(error))
                return
            self._pump()
        else:
            self._kept.append(data)
            self._kept_bytes += len(data)

    def get_write_buffer_size(self) -> int:
        below = self._transport.get_write_buffer_size() if self._transport is not None else 0
        return self._kept_bytes + below

    def close(self) -> None:
        """Say goodbye (RFC 8446 §6.1) and close once everything has left; the peer's goodbye is not awaited."""
        if self._ready and self._failure is None:
            with contextlib.suppress(ssl.SSLError):  # it wants the peer's goodbye, or the peer has broken off
                self._tls.unwrap()
            self._pump()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # The socket's protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection stands, and the handshake begins."""
        self._transport = cast("asyncio.Transport", transport)
        self._flow.connection_made(cast("asyncio.BaseTransport", self))
        if self._flow.closed:
            return
        settings = self._owner.settings
        self._deadline = self._owner.loop.call_later(settings.handshake_timeout_s, self._too_late)
        self._shake_hands()

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes came in."""
        self._heard = True
        if self._failure is not None or self._flow.closed:
            return
        self._incoming.write(data)
        if self._ready:
            self._read()
        else:
            self._shake_hands()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the connection is gone."""
        self._stop_waiting()
        if self._failure is None and not self._ready and not self._flow.closed:
            # Whoever connects and says nothing at all looks whether the port is open.
            if self._heard or self._server_name:
                self._note("the peer closed the connection")
            exc = exc or ConnectionAbortedError("the peer closed the connection during the TLS handshake")
        self._flow.connection_lost(self._failure or exc)
        self._transport = None

    def _is_trusted(self) -> bool:
        """Whether a server has proved its name, if it has to."""
        if not self._server_name or self._tls.context.verify_mode == ssl.CERT_NONE:
            return True
        return proves(self._tls.getpeercert(), self._server_name)

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
            if not self._is_trusted():
                self._fail(f"the peer's certificate is not for {self._server_name}")
                return
        except ssl.SSLWantReadError:
            self._pump()
            return
        except (ssl.SSLError, ssl.CertificateError) as error:
            self._fail(words(error))
            return
        self._ready = True
        self._stop_waiting()
        if not self._server_name:
            self._flow.certificate = self._tls.getpeercert() or None
        kept, self._kept, self._kept_bytes = self._kept, [], 0
        self._pump()
        if kept:
            self.write(b"".join(kept))
        self._read()

    def _read(self) -> None:
        """Hand up what can be decrypted."""
        flow = self._flow
        while not flow.closed and self._failure is None:
            try:
                data = self._tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLError as error:
                self._fail(words(error))
                return
            if not data:
                # The peer's goodbye.
                self.close()
                return
            flow.data_received(data)
        self._pump()

    def _pump(self) -> None:
        if self._outgoing.pending and self._transport is not None:
            self._transport.write(self._outgoing.read())

    def _too_late(self) -> None:
        self._fail(f"no TLS handshake within {self._owner.settings.handshake_timeout_s:g} s")

    def _fail(self, reason: str) -> None:
        """Break off, after an alert that tells the peer."""
        if not self._ready:
            self._note(reason)
        self._failure = ConnectionAbortedError(f"TLS: {reason}")
        self._stop_waiting()
        self._kept.clear()
        self._kept_bytes = 0
        self._pump()
        self._flow.break_off(str(self._failure))
        if self._transport is not None:
            self._transport.close()

    def _note(self, reason: str) -> None:
        self._owner.counters.streams[self._flow.transport].handshakes_failed += 1
        self._owner.faults.note("net.tls_handshake_failed", reason, self._flow.remote)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def words(error: ssl.SSLError | ssl.CertificateError) -> str:
    """What went wrong, without the library's source lines."""
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_message:
        return f"the peer's certificate is not accepted: {error.verify_message}"
    if error.reason:
        return error.reason.lower().replace("_", " ")
    return str(error)[:120]
