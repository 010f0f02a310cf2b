"""A media engine that moves nothing: it keeps the books of ports and links, and fails when it is told to.

A playback takes ``play_s`` seconds of virtual time for each file, a recording ends when it is told to, or after
its longest time.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Any, Literal, cast

from trunkline.base.errors import MediaError
from trunkline.media.commands import (
    AdoptPort,
    CloseOwner,
    ClosePort,
    CloseRoom,
    Command,
    Done,
    Echo,
    FindOwner,
    IdentityRead,
    Join,
    Link,
    Listen,
    MoveOwner,
    OpenPort,
    OpenRoom,
    OwnerClosed,
    OwnerFound,
    OwnerMoved,
    Play,
    PlaySignal,
    PortOpened,
    R,
    ReadIdentity,
    ReadStatistics,
    Record,
    Reply,
    SendDigits,
    SetDirection,
    SetDtls,
    SetFormats,
    SetIce,
    SetKeys,
    SetPlain,
    SetRemote,
    StatisticsRead,
    StopPlay,
    StopRecord,
    Tone,
    Unlink,
)
from trunkline.media.engine import Listener
from trunkline.media.events import DigitsSent, DtmfReceived, MediaEvent, Played, Recorded, RecordFailed
from trunkline.media.statistics import EngineCounters, PortStatistics


class FakeEngine:
    """``limit`` ports at most; ``delay_s`` of virtual time for each command; ``fault`` may refuse commands."""

    ADDRESS = "198.51.100.9"
    FINGERPRINT = "sha-256 " + ":".join(["A7"] * 32)

    def __init__(self, limit: int = 64, delay_s: float = 0.0) -> None:
        self.limit = limit
        self.delay_s = delay_s
        self.commands: list[Command[Reply]] = []
        self.owners: dict[str, str] = {}
        self.links: dict[str, str] = {}
        self.remotes: dict[str, SetRemote] = {}
        self.directions: dict[str, SetDirection] = {}
        self.doing: dict[str, Echo | Tone | Play | PlaySignal | Join] = {}
        self.listening: dict[str, Listen] = {}
        self.rooms: set[str] = set()
        self.figures: dict[str, PortStatistics] = {}
        self.keys: dict[str, SetKeys] = {}
        self.dtls: dict[str, SetDtls] = {}
        self.ice: dict[str, SetIce] = {}
        self.formats: dict[str, SetFormats] = {}
        self.converting: set[str] = set()
        self.played: list[Play] = []
        self.recording: dict[str, Record] = {}
        self.play_s = 1.0
        self.kernel = ""  # as ``EngineCounters.kernel``
        self.bad_files: set[str] = set()
        self.rtp_ports: dict[str, int] = {}
        self.stays: set[str] = set()  # owners whose engine is well
        self.moves = 0
        self.answers: asyncio.Event | None = None  # set: as no rtpengine that is not up yet, until the event
        self.knows = True  # whether it has the calls of before then
        self.relays_away = False  # whether ports that need no more than a relay are at another machine
        self.away: set[str] = set()
        self.fault: Callable[[Command[Reply]], bool] = lambda _command: False
        self._listeners: list[tuple[str | None, Listener]] = []
        self._next_port = 20_000

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""

    async def execute(self, command: Command[R]) -> R:
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        self.commands.append(cast("Command[Reply]", command))
        if isinstance(command, FindOwner) and self.answers is not None:
            await self.answers.wait()
            return cast("R", OwnerFound(self.knows))
        if self.fault(cast("Command[Reply]", command)):
            raise MediaError("refused by the test", "media.refused")
        return cast("R", self._carry_out(cast("Command[Reply]", command)))

    def _carry_out(self, command: Command[Reply]) -> Reply:
        for kind, carry_out in self._of_engine.items():
            if isinstance(command, kind):
                return carry_out(command)
        port: str = getattr(command, "port", "")
        if port in self.rooms:
            return self._do_in_room(command)
        if port not in self.owners:
            raise MediaError(f"port {port} is not open", "media.unknown_port")
        if port in self.away and isinstance(command, SetKeys | SetDtls | SetIce):
            raise MediaError("it takes no keys", "media.not_with_rtpengine")
        if isinstance(command, ClosePort):
            return StatisticsRead(self._close(port))
        if isinstance(command, ReadStatistics):
            return StatisticsRead(self._figures(port))
        for kind, do in self._of_port.items():
            if isinstance(command, kind):
                do(command)
                return Done()
        self._do(port, command)
        return Done()

    @property
    def _of_engine(self) -> dict[type, Callable[[Any], Reply]]:
        return {
            OpenPort: self._open,
            CloseOwner: self._close_owner,
            MoveOwner: self._move_owner,
            StopRecord: self._stop_record,
            OpenRoom: self._open_room,
            CloseRoom: self._close_room,
            ReadIdentity: lambda _command: IdentityRead(self.FINGERPRINT),
        }

    @property
    def _of_port(self) -> dict[type, Callable[[Any], None]]:
        return {
            AdoptPort: lambda command: self.owners.update({command.port: command.owner}),
            Link: self._link,
            SetKeys: lambda command: self.keys.update({command.port: command}),
            SetDtls: lambda command: self.dtls.update({command.port: command}),
            SetIce: lambda command: self.ice.update({command.port: command}),
            SetPlain: self._set_plain,
            SetFormats: lambda command: self.formats.update({command.port: command}),
            SetRemote: self._set_remote,
            SetDirection: lambda command: self.directions.update({command.port: command}),
            Record: self._record,
            SendDigits: self._send_digits,
            Listen: lambda command: self.listening.update({command.port: command}),
        }

    def _set_remote(self, command: SetRemote) -> None:
        for address in (command.address, command.rtcp_address):
            if address:
                ipaddress.ip_address(address)  # the engine knows no names
        self.remotes[command.port] = command

    def _close_owner(self, command: CloseOwner) -> Reply:
        ports = [port for port, owner in self.owners.items() if owner == command.owner]
        self._listeners = [entry for entry in self._listeners if entry[0] != command.owner]
        return OwnerClosed(tuple(self._close(port) for port in ports))

    def _move_owner(self, command: MoveOwner) -> Reply:
        if command.owner in self.stays:
            return OwnerMoved()
        self.moves += 1
        ports = [port for port, owner in self.owners.items() if owner == command.owner]
        address = f"198.51.100.{100 + self.moves % 100}"
        for port in ports:
            self._next_port += 2
            self.rtp_ports[port] = self._next_port
        opened = [
            PortOpened(port, address, address, self.rtp_ports[port], self.rtp_ports[port] + 1)
            for port in ports
        ]
        return OwnerMoved(tuple(opened), "one", "two")

    def _stop_record(self, command: StopRecord) -> Reply:
        self.end_recording(command.recording)
        return Done()

    def _open_room(self, command: OpenRoom) -> Reply:
        self.rooms.add(command.room)
        return Done()

    def _close_room(self, command: CloseRoom) -> Reply:
        self.rooms.discard(command.room)
        return Done()

    def _link(self, command: Link) -> None:
        if command.other not in self.owners:
            raise MediaError(f"port {command.other} is not open", "media.unknown_port")
        self._unlink(command.port)
        self._unlink(command.other)
        both = {command.port, command.other}
        if command.convert and not both <= set(self.formats):
            raise MediaError("a port has no formats", "media.codec")
        self.converting = self.converting | both if command.convert else self.converting - both
        self.links[command.port], self.links[command.other] = command.other, command.port

    def _do_in_room(self, command: Command[Reply]) -> Reply:
        if isinstance(command, Play):
            self.played.append(command)
        elif isinstance(command, Record):
            self.recording[command.recording] = command
        return Done()

    def _set_plain(self, command: SetPlain) -> None:
        self.keys.pop(command.port, None)
        self.dtls.pop(command.port, None)

    def _do(self, port: str, command: Command[Reply]) -> None:
        before = self.doing.get(port)
        if isinstance(command, StopPlay):
            if isinstance(before, Play) and before.playback == command.playback:
                self._end_play(before, "stopped")
        elif isinstance(command, Echo | Tone | Play | PlaySignal | Join | Unlink):
            if isinstance(before, Play):
                self._end_play(before, "stopped")
            if isinstance(command, Unlink):
                self.doing.pop(port, None)
            else:
                self.doing[port] = command
            if isinstance(command, Play):
                self._play(command)

    def _send_digits(self, command: SendDigits) -> None:
        event = DigitsSent(self.owners[command.port], command.port, command.digits)
        seconds = len(command.digits) * (command.duration_ms + command.gap_ms) / 1000
        asyncio.get_running_loop().call_later(
            seconds, lambda: self.tell(event) if command.port in self.owners else None
        )

    def _play(self, command: Play) -> None:
        self.played.append(command)
        loop = asyncio.get_running_loop()
        if self.bad_files & set(command.files):
            loop.call_soon(self._end_play, command, "failed")
        elif not command.loop:
            loop.call_later(self.play_s * len(command.files), self._end_play, command, "finished")

    def _end_play(self, command: Play, outcome: Literal["finished", "stopped", "failed"]) -> None:
        if self.doing.get(command.port) is not command:
            return
        del self.doing[command.port]
        why = ("media.file_unreadable", f"{command.files[0]}: not there") if outcome == "failed" else ("", "")
        self.tell(Played(self.owners[command.port], command.port, command.playback, outcome, 1000, 0, *why))

    def _record(self, command: Record) -> None:
        self.recording[command.recording] = command
        loop = asyncio.get_running_loop()
        if command.file in self.bad_files:
            loop.call_soon(self._fail_recording, command)
        elif command.max_duration_s < 600:
            loop.call_later(command.max_duration_s, self.end_recording, command.recording, "duration")

    def end_recording(
        self, recording: str, ended: Literal["stopped", "closed", "silence", "duration"] = "stopped"
    ) -> None:
        """End a recording, if it still runs, and tell of it."""
        command = self.recording.pop(recording, None)
        if command is not None:
            owner = self.owners.get(command.port, "")
            self.tell(Recorded(owner, command.port, recording, command.file, 3000, 2000, ended, 0))

    def _fail_recording(self, command: Record) -> None:
        if self.recording.pop(command.recording, None) is not None:
            why = "media.disk_full", f"{command.file}: no space is left"
            owner = self.owners.get(command.port, "")
            self.tell(RecordFailed(owner, command.port, command.recording, command.file, 0, *why))

    def press(self, port: str, digit: str) -> None:
        """The peer of a port presses a key."""
        self.tell(DtmfReceived(self.owners[port], port, digit, 100))

    def tell(self, event: MediaEvent) -> None:
        """An event, to everybody who listens to it."""
        for owner, listener in list(self._listeners):
            if owner in {None, event.owner}:
                listener(event)

    def _open(self, command: OpenPort) -> PortOpened:
        if len(self.owners) >= self.limit:
            raise MediaError("no media port is free", "media.ports_exhausted")
        number = command.rtp_port
        if number in self.rtp_ports_open:
            raise MediaError("this media port is in use", "media.port_taken")
        if not number:
            number = self._next_port = self._next_port + 2
        self.owners[command.port] = command.owner
        self.rtp_ports[command.port] = number
        awaited = self.answers is not None and bool(command.address) and not self.answers.is_set()
        here = (command.here or not self.relays_away) and not awaited
        if not here:
            self.away.add(command.port)
        return PortOpened(command.port, self.ADDRESS, self.ADDRESS, number, number + 1, here, awaited)

    @property
    def rtp_ports_open(self) -> set[int]:
        return {self.rtp_ports[port] for port in self.owners}

    def _close(self, port: str) -> PortStatistics:
        doing = self.doing.get(port)
        if isinstance(doing, Play):
            self._end_play(doing, "stopped")
        for recording in [one for one, of in self.recording.items() if port in {of.port, of.other}]:
            self.end_recording(recording, "closed")
        del self.owners[port]
        self._unlink(port)
        return self._figures(port)

    def _figures(self, port: str) -> PortStatistics:
        return self.figures.get(port) or PortStatistics(port, packets_in=50)

    def _unlink(self, port: str) -> None:
        other = self.links.pop(port, None)
        if other is not None:
            self.links.pop(other, None)

    def subscribe(self, listener: Listener, owner: str | None = None) -> Callable[[], None]:
        entry = (owner, listener)
        self._listeners.append(entry)

        def unsubscribe() -> None:
            if entry in self._listeners:
                self._listeners.remove(entry)

        return unsubscribe

    def snapshot(self) -> EngineCounters:
        free = self.limit - len(self.owners)
        return EngineCounters(ports_open=len(self.owners), ports_free=free, kernel=self.kernel)

    def relays(self, one: int, other: int) -> bool:
        """Whether the ports with these RTP port numbers of ours are linked."""
        by_number = {number: port for port, number in self.rtp_ports.items()}
        return self.links.get(by_number[one]) == by_number[other]
