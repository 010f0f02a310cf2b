"""The control socket's wire: one JSON object per line, each request answered in order.

request  {"id": 7, "deadline_s": 10.0, "message": {"type": "call.list", …}}
answer   {"id": 7, "reply": {"type": "call.page", …}}
refusal  {"id": 7, "problem": {"type": "problem", "code": "extension.exists", …}}
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trunkline.base.errors import TrunklineError
from trunkline.base.message_codec import REGISTRY, Message, MessageError, decode
from trunkline.base.messages import Problem, Request, import_all

MAX_REQUEST = 1 << 20
MAX_REPLY = 16 << 20
MAX_DEADLINE_S = 300.0
_SUN_PATH = 100  # unix(7): 108 bytes on Linux, 104 elsewhere


class AlreadyRunning(TrunklineError):  # noqa: N818  (a state of the world, not a fault)
    """Another process serves this data folder; ``pid`` is 0 when it cannot be told."""

    def __init__(self, pid: int, path: Path) -> None:
        who = f" (pid {pid})" if pid else ""
        super().__init__(f"an exchange is running already with the data folder {path.parent}{who}")
        self.pid = pid
        self.folder = path.parent


@dataclass(frozen=True, slots=True)
class Envelope:
    """A request on its way: ``id`` is echoed, ``deadline_s`` bounds the answer."""

    id: int
    deadline_s: float
    request: Request[Any]


def encode_request(envelope: Envelope) -> bytes:
    """A line, its newline included."""
    body = {"id": envelope.id, "deadline_s": envelope.deadline_s, "message": envelope.request.to_dict()}
    return _line(body)


def encode_answer(number: int, answer: Message) -> bytes:
    """A line with ``reply`` or, for a Problem, ``problem``; a Problem instead of what is too long."""
    key = "problem" if isinstance(answer, Problem) else "reply"
    line = _line({"id": number, key: answer.to_dict()})
    if len(line) <= MAX_REPLY:
        return line
    problem = Problem(
        code="control.reply_too_long",
        detail=f"the reply has {len(line)} bytes, more than {MAX_REPLY}",
        hint="ask for fewer rows",
        status=500,
    )
    return encode_answer(number, problem)


def decode_request(line: bytes) -> Envelope:
    """Raises MessageError, which never repeats what was in the line."""
    body = _object(line)
    number, deadline_s = body.get("id", 0), body.get("deadline_s", MAX_DEADLINE_S)
    if type(number) is not int:
        raise MessageError("id must be a whole number")
    if (
        isinstance(deadline_s, bool)
        or not isinstance(deadline_s, int | float)
        or not 0 < deadline_s <= MAX_DEADLINE_S
    ):
        raise MessageError(f"deadline_s must be a number of seconds up to {MAX_DEADLINE_S:g}")
    request = _message(body.get("message"))
    if not isinstance(request, Request):
        raise MessageError(f"{request.type} is no request", "message.unknown")
    return Envelope(number, float(deadline_s), request)


def decode_answer(line: bytes) -> tuple[int, Message]:
    """``(id, reply or problem)``; raises MessageError."""
    body = _object(line)
    number = body.get("id", 0)
    return (number if type(number) is int else 0), _message(body.get("problem", body.get("reply")))


def _message(data: object) -> Message:
    """Whoever asks for something has imported it; a message that nobody has asked for may still be one of ours."""
    name = data.get("type") if isinstance(data, dict) else None
    if isinstance(name, str) and name not in REGISTRY:
        import_all()
    return decode(data)


def _line(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


def _object(line: bytes) -> dict[str, Any]:
    try:
        body = json.loads(line)
    except (ValueError, RecursionError):
        raise MessageError("expected one JSON object per line", "control.not_json") from None
    if not isinstance(body, dict):
        raise MessageError("expected one JSON object per line", "control.not_json")
    return body


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A name for ``path`` that fits a Unix socket address, however deep the data folder lies."""
    if len(os.fsencode(path)) <= _SUN_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
