"""What the phone tells: an event a line, as words or as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from trunkline.app.phone.outcome import Outcome
from trunkline.app.terminal import Screen, safe


class Tell(Protocol):
    """Takes events: ``name`` is stable, ``data`` plain values."""

    def __call__(self, name: str, **data: Any) -> None:
        """One event."""


class Teller:
    """Writes each event as a line; ``wall`` gives seconds since 1970."""

    def __init__(self, screen: Screen, *, as_json: bool, wall: Callable[[], float] = time.time) -> None:
        self._screen = screen
        self._as_json = as_json
        self._wall = wall

    def __call__(self, name: str, **data: Any) -> None:
        if self._as_json:
            body = {"time": round(self._wall(), 3), "event": name, **data}
            self._screen.line(json.dumps(body, ensure_ascii=False, separators=(",", ":")))
            return
        words = _WORDS.get(name)
        text = words(data) if words is not None else " ".join(map(str, (name, *data.values())))
        self._screen.line(safe(text))


def outcome_data(outcome: Outcome) -> dict[str, Any]:
    """A summary as plain values."""
    figures = outcome.statistics
    media = {} if figures is None else {
        "packets_in": figures.packets_in,
        "packets_out": figures.packets_out,
        "lost": figures.lost,
        "jitter_ms": round(figures.jitter_ms, 3),
    }  # fmt: skip
    return {
        "number": outcome.number,
        "status": outcome.status,
        "reason": outcome.reason,
        "answered": outcome.answered,
        "heard": outcome.heard,
        "ended_by": outcome.ended_by,
        "ring_s": round(outcome.ring_s, 3),
        "talk_s": round(outcome.talk_s, 3),
        **media,
    }


def unheard(status: int) -> str:
    """Words for a status that came from nobody: 408 after our timers, else the network refused."""
    return "the server did not answer" if status == 408 else "the server cannot be reached"


def _ended(data: Mapping[str, Any]) -> str:
    status = f"{data['status']} {data['reason']}"
    if not data["answered"] and not data["heard"]:
        return unheard(data["status"])
    if not data["answered"]:
        hint = " (wrong user or password?)" if data["status"] in {401, 407} else ""
        return f"not answered: {status}{hint} (rang {data['ring_s']:.1f} s)"
    by = f" by {data['ended_by']}" if data["ended_by"] else ""
    text = f"ended{by}: rang {data['ring_s']:.1f} s, talked {data['talk_s']:.1f} s"
    if "packets_in" not in data:
        return text
    lost, jitter = data["lost"], data["jitter_ms"]
    return f"{text}, packets in {data['packets_in']} out {data['packets_out']}, lost {lost}, jitter {jitter:.1f} ms"


_WORDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "registered": lambda data: f"registered as {data['address']} for {data['expires_s']} s",
    "unregistered": lambda _: "no longer registered",
    "registration_lost": lambda data: f"registration lost: {data['status']} {data['reason']}",
    "calling": lambda data: f"calling {data['number']}",
    "ringing": lambda data: f"ringing: {data['status']} {data['reason']}",
    "incoming": lambda data: f"incoming call from {data['number']}",
    "answered": lambda data: f"answered, {data['codec']} with {data['remote']}",
    "held": lambda data: f"held by {data['by']}",
    "resumed": lambda data: f"resumed by {data['by']}",
    "refused": lambda data: f"{data['what']} refused: {data['status']}",
    "dtmf": lambda data: f"heard key {data['digit']}",
    "dtmf_sent": lambda data: f"sent key {data['digit']} by {data['by']}",
    "played": lambda data: f"played: {data['outcome']} {data['reason']}".rstrip(),
    "recorded": lambda data: f"recorded {data['seconds']:.1f} s into {data['file']}",
    "record_failed": lambda data: f"recording failed: {data['reason']}",
    "tone": lambda data: (
        f"heard {data['frequency_hz']:g} Hz for {data['seconds']} s"
        if data["heard"]
        else f"{data['frequency_hz']:g} Hz was not heard for half a second"
    ),
    "ended": _ended,
    "problem": lambda data: f"problem: {data['text']}",
    "help": lambda data: f"commands: {data['commands']}",
}
