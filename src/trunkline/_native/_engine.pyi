from typing import Literal, Self, TypeAlias, final

class EngineError(Exception):
    args: tuple[str, str]

@final
class PortFigures:
    @property
    def packets_in(self) -> int: ...
    @property
    def bytes_in(self) -> int: ...
    @property
    def packets_out(self) -> int: ...
    @property
    def bytes_out(self) -> int: ...
    @property
    def rtcp_in(self) -> int: ...
    @property
    def rtcp_out(self) -> int: ...
    @property
    def lost(self) -> int: ...
    @property
    def jitter_ms(self) -> float: ...
    @property
    def foreign(self) -> int: ...
    @property
    def invalid(self) -> int: ...
    @property
    def refused(self) -> int: ...
    @property
    def last_heard_s(self) -> float | None: ...
    @property
    def ssrc(self) -> int | None: ...
    @property
    def payload_type(self) -> int | None: ...
    @property
    def concealed(self) -> int: ...
    @property
    def late(self) -> int: ...
    @property
    def rtt_ms(self) -> float | None: ...
    @property
    def remote_lost(self) -> int | None: ...
    @property
    def remote_jitter_ms(self) -> float | None: ...
    @property
    def mos(self) -> float | None: ...
    @property
    def remote_mos(self) -> float | None: ...

@final
class EngineFigures:
    @property
    def ports_open(self) -> int: ...
    @property
    def ports_free(self) -> int: ...
    @property
    def ports_resting(self) -> int: ...
    @property
    def packets_relayed(self) -> int: ...
    @property
    def packets_unsent(self) -> int: ...
    @property
    def packets_stray(self) -> int: ...
    @property
    def events_dropped(self) -> int: ...
    @property
    def wakeups(self) -> int: ...

_Event: TypeAlias = (
    tuple[Literal["latched"], str, str, str, int, bool]
    | tuple[Literal["inactive"], str, str, float]
    | tuple[Literal["active"], str, str]
    | tuple[Literal["dtmf"], str, str, str, int]
    | tuple[Literal["tone_ended"], str, str]
    | tuple[Literal["digits_sent"], str, str, str]
    | tuple[Literal["played"], str, str, str, str, int, int, str, str]
    | tuple[Literal["recorded"], str, str, str, str, int, int, str, int]
    | tuple[Literal["record_failed"], str, str, str, str, int, str, str]
)

_Format: TypeAlias = tuple[int, str, int, int, str]

@final
class MediaEngine:
    def __new__(
        cls,
        addresses: list[str],
        first_port: int,
        last_port: int,
        *,
        workers: int,
        inactivity_s: float,
        quarantine_s: float,
        learn_s: float,
        relearn_s: float,
        coalesce_us: int,
        event_queue: int,
    ) -> MediaEngine: ...
    def stop(self) -> None: ...
    def open(self, port: str, owner: str, ipv6: bool, rtp_port: int) -> tuple[str, int]: ...
    def set_remote(
        self,
        port: str,
        host: str,
        rtp_port: int,
        rtcp_host: str,
        rtcp_port: int,
        rtcp_mux: bool,
        nat: bool,
        dtmf_payload_type: int | None,
        clock_hz: int,
        opaque: bool,
    ) -> None: ...
    def set_keys(self, port: str, suite: str, send: bytes, receive: bytes) -> None: ...
    def set_plain(self, port: str) -> None: ...
    def link(self, port: str, other: str, convert: bool) -> None: ...
    def set_formats(
        self,
        port: str,
        receive: list[_Format],
        send: _Format | None,
        send_events: _Format | None,
        ptime_ms: int,
    ) -> None: ...
    def unlink(self, port: str) -> None: ...
    def echo(self, port: str) -> None: ...
    def tone(
        self,
        port: str,
        frequency_hz: float,
        level_dbov: float,
        payload_type: int,
        duration_ms: int | None,
    ) -> None: ...
    def send_digits(
        self, port: str, digits: str, payload_type: int, duration_ms: int, gap_ms: int
    ) -> None: ...
    def play(self, port: str, playback: str, files: list[str], payload_type: int, repeat: bool) -> None: ...
    def stop_play(self, port: str, playback: str) -> None: ...
    def record(
        self,
        port: str,
        recording: str,
        file: str,
        other: str | None,
        stereo: bool,
        max_duration_s: float,
        max_bytes: int,
        keep_free_bytes: int,
        silence_s: float,
    ) -> None: ...
    def stop_record(self, recording: str) -> None: ...
    def set_direction(self, port: str, send: bool, receive: bool) -> None: ...
    def statistics(self, port: str) -> PortFigures: ...
    def close(self, port: str) -> PortFigures: ...
    def close_owner(self, owner: str) -> list[tuple[str, PortFigures]]: ...
    def events_fd(self) -> int: ...
    def take_events(self) -> list[_Event]: ...
    def counters(self) -> EngineFigures: ...

_Via: TypeAlias = tuple[str, str, int | None, str, str, str, int]

class Scanner:
    def __new__(cls, canonical: dict[str, str]) -> Self: ...
    def scan(
        self, data: bytes, host: str | None = None, port: int = 0
    ) -> (
        tuple[
            str | int,
            str,
            dict[str, str],
            bytes,
            _Via | None,
            tuple[int, str] | None,
            str | None,
            str | None,
            bool,
            tuple[str, str] | None,
        ]
        | None
    ): ...
