"""One line per call, cheap enough for a thousand a second.

A line through structlog costs 15-25 µs (binding, processors, a general encoder); these are one f-string each.
The keys are known and none is secret, so nothing needs redaction.
"""

from __future__ import annotations

import asyncio
import time
from json.encoder import encode_basestring as quoted
from typing import Any

from trunkline.app.log_stream import GuardedStream
from trunkline.model.record import CallRecord

_DIM, _BOLD, _GREEN, _YELLOW, _RESET = "\x1b[2m", "\x1b[1m", "\x1b[32m", "\x1b[33m", "\x1b[0m"


GATHER_S = 0.05


class Clock:
    """Formats wall-clock seconds; the text of a second is made once."""

    __slots__ = ("_local", "_second", "_text")

    def __init__(self, *, local: bool) -> None:
        self._local = local
        self._second = -1
        self._text = ""

    def __call__(self, at: float) -> str:
        """``20:31:05.123`` in local time, or RFC 3339 in UTC with milliseconds."""
        second = int(at)
        if second != self._second:
            self._second = second
            if self._local:
                self._text = time.strftime("%H:%M:%S", time.localtime(second))
            else:
                self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        millis = f"{int(at * 1000) % 1000:03d}"
        return f"{self._text}.{millis}" if self._local else f"{self._text}.{millis}Z"


class CallLog:
    """Writes the record of a call's ``in`` leg, which carries the story, as one line.

    Lines of calls that end within 50 ms of each other are written together, before any other line that comes.
    """

    __slots__ = ("_clock", "_colours", "_stream", "_text")

    def __init__(self, stream: GuardedStream, *, text: bool, colours: bool = False) -> None:
        self._stream = stream
        self._text = text
        self._colours = colours
        self._clock = Clock(local=text)

    def __call__(self, record: CallRecord) -> None:
        render = self._text_line if self._text else self._json_line
        line = render(record, time.time())
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._stream.write_line(line)  # nobody would come back to it
            return
        if self._stream.gather_line(line):
            loop.call_later(GATHER_S, self._stream.flush)

    def _json_line(self, record: CallRecord, now: float) -> str:
        ring_s, talk_s = _durations(record)
        return (
            f'{{"time":"{self._clock(now)}","level":"info","logger":"call","event":"call ended",'
            f'"call":{quoted(record.call)},"caller":{quoted(record.caller)},"callee":{quoted(record.callee)},'
            f'"status":{record.status},"reason":{quoted(record.reason)},"code":{quoted(record.code)},'
            f'"ended_by":{quoted(record.ended_by)},"ring_s":{ring_s:.3f},"talk_s":{talk_s:.3f},'
            f'"story":{quoted(_steps(record.story))}}}'
        )

    def _text_line(self, record: CallRecord, now: float) -> str:
        ring_s, talk_s = _durations(record)
        said = f"{shown(record.caller)} -> {shown(record.callee)}"
        outcome = f"{record.status} {shown(record.reason)} ({record.code})"
        tail = (
            f"rang {ring_s:.1f} s  talked {talk_s:.1f} s  ended by {record.ended_by or 'nobody'}  "
            f"call={shown(record.call)}  story={shown(_steps(record.story))}"
        )
        if not self._colours:
            return f"{self._clock(now)} info    call      {said}  {outcome}  {tail}"
        paint = _GREEN if record.status < 300 else _YELLOW
        head = f"{_DIM}{self._clock(now)}{_RESET} {_GREEN}info   {_RESET} {_DIM}call     {_RESET}"
        return f"{head} {_BOLD}{said}{_RESET}  {paint}{outcome}{_RESET}  {_DIM}{tail}{_RESET}"


def shown(text: str) -> str:
    """As it is when printable, else quoted with its control characters escaped."""
    return text if text.isprintable() else ascii(text)


def _durations(record: CallRecord) -> tuple[float, float]:
    """Seconds until the answer (or the end), and from the answer to the end."""
    answered = record.answered_at
    if answered is None:
        return record.ended_at - record.started_at, 0.0
    return answered - record.started_at, record.ended_at - answered


def _steps(story: list[dict[str, Any]]) -> str:
    """``0:call.received 12:route.extension``: milliseconds since the start, and the code."""
    return " ".join([f"{step['ms']}:{step['code']}" for step in story])
