"""The media engine inside this process: a thin face of the compiled one, whose threads move the packets.

Commands complete without suspending and without waiting for a thread.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trunkline import _native
from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.dtls_identity import new_identity
from trunkline.media.embedded_extension import HANDLERS as EXTENSION_HANDLERS
from trunkline.media.embedded_security import HANDLERS as SECURITY_HANDLERS
from trunkline.media.embedded_sound import HANDLERS as SOUND_HANDLERS
from trunkline.media.engine import Listener
from trunkline.media.events import EVENTS
from trunkline.media.listeners import Listeners
from trunkline.media.statistics import EngineCounters, PortStatistics

_DONE = c.Done()
KERNEL_PROGRAM = Path(_native.__file__).with_name("relay.bpf.o")
"""Compiled at setup where there is clang."""


@dataclass(slots=True)
class MediaSettings:
    """How the engine is set up.

    Wrong values are refused at its start with ``media.config`` or ``media.argument``, an address that is not
    one of this machine with ``media.address``.
    """

    address: str = "127.0.0.1"
    """The local address to bind; its family is what ``OpenPort.family`` may ask for."""
    advertise: str = ""
    """The address to tell peers instead, behind NAT or in a container; empty: ``address``."""
    first_port: int = 10_000
    last_port: int = 20_000
    """The range of UDP ports, 1024..65535, inclusive: two for each m-line of a leg."""
    inactivity_s: float = 60.0
    """Silence after which ``PortInactive`` is told; 0: never."""
    workers: int = 0
    """Threads, 1..64; 0: one on up to two processors, else two."""
    address6: str = ""
    """A local address of the other family, when both are served."""
    advertise6: str = ""
    """As ``advertise``, for ``address6``."""
    quarantine_s: float = 3.0
    """Rest of a closed port before it serves another call."""
    learn_s: float = 5.0
    """How long after each offer or answer a peer behind NAT may be learnt."""
    relearn_s: float = 3.0
    """Silence of a learnt peer after which its SSRC may come from elsewhere."""
    coalesce_us: int = 900
    """Microseconds between two looks of a busy thread at its sockets: adds at most as much latency."""
    event_queue: int = 4096
    """Events that may wait; beyond it those that are not critical are dropped and counted."""
    kernel: bool = False
    """Whether calls that need nothing but forwarding are handed to a program in the kernel, where that may be."""
    kernel_interfaces: tuple[str, ...] = ()
    """Where that program sits; none: on the interfaces that carry the addresses."""
    kernel_by_filters: bool = False
    """Whether it hangs there as before Linux 6.6, whatever this system has: for tests."""


class EmbeddedMediaEngine:
    """Implements ``MediaEngine`` in this process; ``start`` binds it to the running event loop."""

    def __init__(self, settings: MediaSettings) -> None:
        self._settings = settings
        self._native: _native.MediaEngine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners = Listeners()
        self._advertised = _advertised(settings)
        # What each gives is said by the command's type, and not by a ``cast`` that would be called each time.
        self._handlers: dict[type, Callable[[_native.MediaEngine, Any], Any]] = {
            c.OpenPort: self._open_port,
            c.SetRemote: _set_remote,
            c.Link: _link,
            c.Unlink: _unlink,
            c.SetDirection: _set_direction,
            c.Echo: _echo,
            c.Tone: _tone,
            c.SendDigits: _send_digits,
            c.Play: _play,
            c.StopPlay: _stop_play,
            c.Record: _record,
            c.StopRecord: _stop_record,
            c.ReadStatistics: _read_statistics,
            c.AdoptPort: _adopt_port,
            c.ClosePort: _close_port,
            c.CloseOwner: self._close_owner,
            c.MoveOwner: lambda _native, _command: c.OwnerMoved(),  # there is nowhere else
            c.FindOwner: lambda _native, _command: c.OwnerFound(known=True),
            c.CloseStrays: lambda _native, _command: c.Done(),  # its ports end with the process
            **SECURITY_HANDLERS,
            **EXTENSION_HANDLERS,
            **SOUND_HANDLERS,
        }

    async def start(self) -> None:
        """Start the threads; ports are bound when they are first needed, each with three open files."""
        if self._native is not None:
            return
        settings = self._settings
        try:
            self._native = _native.MediaEngine(
                [address for address in (settings.address, settings.address6) if address],
                settings.first_port,
                settings.last_port,
                workers=settings.workers or (1 if (os.cpu_count() or 1) <= 2 else 2),
                inactivity_s=settings.inactivity_s,
                quarantine_s=settings.quarantine_s,
                learn_s=settings.learn_s,
                relearn_s=settings.relearn_s,
                coalesce_us=settings.coalesce_us,
                event_queue=settings.event_queue,
                kernel_program=str(KERNEL_PROGRAM) if settings.kernel else None,
                kernel_interfaces=list(settings.kernel_interfaces),
                kernel_by_filters=settings.kernel_by_filters,
            )
        except _native.EngineError as error:
            raise _media_error(error) from None
        except OverflowError as error:
            raise MediaError(f"a media setting is out of range: {error}", "media.config") from None
        self._native.set_identity(*new_identity())
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._native.events_fd(), self._take_events)

    async def stop(self) -> None:
        """Join the threads, close every socket, complete every recording, and tell the events that still wait."""
        native, loop = self._native, self._loop
        if native is None or loop is None:
            return
        loop.remove_reader(native.events_fd())
        self._take_events()
        native.stop()
        self._take_events()  # what became of files
        self._native = self._loop = None
        self._listeners.clear()

    async def execute(self, command: c.Command[c.R]) -> c.R:
        """Carry out a command; never suspends."""
        native = self._native
        if native is None:
            raise MediaError("the media engine is not running", "media.stopped")
        try:
            reply: c.R = self._handlers[type(command)](native, command)
        except _native.EngineError as error:
            raise _media_error(error) from None
        except OverflowError as error:
            raise MediaError(f"{command!r} is out of range: {error}", "media.argument") from None
        return reply

    def subscribe(self, listener: Listener, owner: str | None = None) -> Callable[[], None]:
        """Call ``listener`` from the event loop with each event, or with those of one owner's ports."""
        return self._listeners.subscribe(listener, owner)

    def snapshot(self) -> EngineCounters:
        """Figures of the engine; all zero when it does not run."""
        if self._native is None:
            return EngineCounters()
        now = self._native.counters()
        return EngineCounters(
            ports_open=now.ports_open,
            ports_free=now.ports_free,
            ports_resting=now.ports_resting,
            packets_relayed=now.packets_relayed,
            packets_unsent=now.packets_unsent,
            packets_stray=now.packets_stray,
            events_dropped=now.events_dropped,
            wakeups=now.wakeups,
            kernel_ports=now.kernel_ports,
            kernel_packets=now.kernel_packets,
            kernel=self._native.kernel_state(),
        )

    def _open_port(self, native: _native.MediaEngine, command: c.OpenPort) -> c.PortOpened:
        address, rtp_port = native.open(
            command.port, command.owner, command.family == "ipv6", command.rtp_port
        )
        advertised = self._advertised.get(command.family) or address
        return c.PortOpened(command.port, address, advertised, rtp_port, rtp_port + 1)

    def _close_owner(self, native: _native.MediaEngine, command: c.CloseOwner) -> c.OwnerClosed:
        closed = native.close_owner(command.owner)
        self._listeners.forget(command.owner)
        return c.OwnerClosed(tuple(_statistics(port, figures) for port, figures in closed))

    def _take_events(self) -> None:
        if self._native is None:
            return
        for kind, owner, port, *rest in self._native.take_events():
            event = EVENTS[kind](owner, port, *rest)
            self._listeners.tell(event)


def _set_remote(native: _native.MediaEngine, command: c.SetRemote) -> c.Done:
    address, rtp_port = command.address, command.rtp_port
    rtcp_port = command.rtcp_port or (rtp_port + 1 if 0 < rtp_port < 65_535 else 0)
    native.set_remote(
        command.port,
        address,
        rtp_port,
        command.rtcp_address or address,
        rtcp_port,
        command.rtcp_mux,
        command.policy == "nat",
        command.dtmf_payload_type,
        command.clock_hz,
        command.opaque,
    )
    return _DONE


def _link(native: _native.MediaEngine, command: c.Link) -> c.Done:
    native.link(command.port, command.other, command.convert)
    return _DONE


def _unlink(native: _native.MediaEngine, command: c.Unlink) -> c.Done:
    native.unlink(command.port)
    return _DONE


def _set_direction(native: _native.MediaEngine, command: c.SetDirection) -> c.Done:
    native.set_direction(command.port, command.send, command.receive)
    return _DONE


def _echo(native: _native.MediaEngine, command: c.Echo) -> c.Done:
    native.echo(command.port)
    return _DONE


def _tone(native: _native.MediaEngine, command: c.Tone) -> c.Done:
    native.tone(
        command.port, command.frequency_hz, command.level_dbov, command.payload_type, command.duration_ms
    )
    return _DONE


def _send_digits(native: _native.MediaEngine, command: c.SendDigits) -> c.Done:
    native.send_digits(
        command.port, command.digits, command.payload_type, command.duration_ms, command.gap_ms
    )
    return _DONE


def _play(native: _native.MediaEngine, command: c.Play) -> c.Done:
    native.play(command.port, command.playback, command.files, command.payload_type, command.loop)
    return _DONE


def _stop_play(native: _native.MediaEngine, command: c.StopPlay) -> c.Done:
    native.stop_play(command.port, command.playback)
    return _DONE


def _record(native: _native.MediaEngine, command: c.Record) -> c.Done:
    native.record(
        command.port,
        command.recording,
        command.file,
        command.other or None,
        command.channels == "stereo",
        command.max_duration_s,
        command.max_bytes,
        command.keep_free_bytes,
        command.silence_s,
    )
    return _DONE


def _stop_record(native: _native.MediaEngine, command: c.StopRecord) -> c.Done:
    native.stop_record(command.recording)
    return _DONE


def _read_statistics(native: _native.MediaEngine, command: c.ReadStatistics) -> c.StatisticsRead:
    return c.StatisticsRead(_statistics(command.port, native.statistics(command.port)))


def _adopt_port(native: _native.MediaEngine, command: c.AdoptPort) -> c.Done:
    native.adopt(command.port, command.owner)
    return c.Done()


def _close_port(native: _native.MediaEngine, command: c.ClosePort) -> c.StatisticsRead:
    return c.StatisticsRead(_statistics(command.port, native.close(command.port)))


def _statistics(port: str, figures: _native.PortFigures) -> PortStatistics:
    return PortStatistics(
        port,
        figures.packets_in,
        figures.bytes_in,
        figures.packets_out,
        figures.bytes_out,
        figures.rtcp_in,
        figures.rtcp_out,
        figures.lost,
        figures.jitter_ms,
        figures.foreign,
        figures.invalid,
        figures.last_heard_s,
        figures.ssrc,
        figures.payload_type,
        figures.refused,
        concealed=figures.concealed,
        late=figures.late,
        rtt_ms=figures.rtt_ms,
        remote_lost=figures.remote_lost,
        remote_jitter_ms=figures.remote_jitter_ms,
        mos=figures.mos,
        remote_mos=figures.remote_mos,
        kernel=figures.kernel,
        kernel_packets=figures.kernel_packets,
    )


def _media_error(error: _native.EngineError) -> MediaError:
    message, code = error.args
    return MediaError(message, code)


def _advertised(settings: MediaSettings) -> dict[str, str]:
    addresses = ((settings.address6, settings.advertise6), (settings.address, settings.advertise))
    return {"ipv6" if ":" in local else "ipv4": told for local, told in addresses if local}
