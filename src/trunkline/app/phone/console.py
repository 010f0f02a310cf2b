"""The phone as a conversation with its user: a command a line on standard input, an event a line on the output.

    call NUMBER  answer  refuse [STATUS]  hangup  dtmf KEYS  hold  resume
    play FILE  tone HZ  echo  silence  record FILE  stop
    wait EVENT [SECONDS]  sleep SECONDS  help  quit

``wait`` and ``sleep`` are for scripts: events that were told before count for ``wait`` unless a ``wait`` has
taken them. The end of the input is ``quit``.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TextIO

from trunkline.app.phone.conversation import Conversation
from trunkline.app.phone.outcome import PhoneExit
from trunkline.app.phone.softphone import Softphone
from trunkline.app.phone.telling import Tell
from trunkline.base.errors import TrunklineError

WAIT_S: Final = 30.0
WAITING_LINES: Final = 1000
QUIT: Final = "quit"


class Told:
    """Passes events on, and lets ``wait`` wait for them."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._untaken: Counter[str] = Counter()
        self._changed = asyncio.Condition()
        self._notices: set[asyncio.Task[None]] = set()

    def __call__(self, name: str, **data: Any) -> None:
        self._tell(name, **data)
        self._untaken[name] += 1
        task = asyncio.get_running_loop().create_task(self._notify())
        self._notices.add(task)
        task.add_done_callback(self._notices.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def wait(self, name: str, within_s: float) -> bool:
        """Take one event of this name; False when none comes in time."""
        try:
            async with asyncio.timeout(within_s), self._changed:
                await self._changed.wait_for(lambda: self._untaken[name] > 0)
        except TimeoutError:
            return False
        self._untaken[name] -= 1
        return True


class Console:
    """Runs the commands of ``lines`` on a phone that has ``told`` for its teller."""

    def __init__(self, phone: Softphone, told: Told, lines: TextIO) -> None:
        self._phone = phone
        self._told = told
        self._lines = lines
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._failed = False
        self._commands: dict[str, tuple[str, Callable[[str], Awaitable[object]]]] = {
            "call": ("NUMBER", self._call),
            "answer": ("", lambda _: self._current().answer()),
            "refuse": ("[STATUS]", self._refuse),
            "hangup": ("", self._hang_up),
            "dtmf": ("KEYS", lambda keys: self._current().dtmf(keys)),
            "hold": ("", lambda _: self._current().hold(hold=True)),
            "resume": ("", lambda _: self._current().hold(hold=False)),
            "play": ("FILE", lambda file: self._current().sound.play(_path(file))),
            "tone": ("HZ", lambda hz: self._current().sound.tone(_number(hz))),
            "echo": ("", lambda _: self._current().sound.echo()),
            "silence": ("", lambda _: self._current().sound.silence()),
            "record": ("FILE", lambda file: self._current().sound.record(_path(file))),
            "stop": ("", lambda _: self._current().sound.stop_recording()),
            "wait": ("EVENT [SECONDS]", self._wait),
            "sleep": ("SECONDS", lambda seconds: asyncio.sleep(_number(seconds))),
            "help": ("", self._help),
        }

    async def run(self) -> PhoneExit:
        """Until ``quit`` or the end of the input; REFUSED when a command could not be done."""
        self._phone.on_incoming = lambda _conversation: None
        threading.Thread(target=self._read, name="phone input", daemon=True).start()
        while (line := await self._queue.get()) != QUIT:
            await self._run(line)
        return PhoneExit.REFUSED if self._failed else PhoneExit.OK

    def _read(self) -> None:
        """Standard input may be a terminal, a pipe or a file: only a thread can wait for all of them."""
        for line in self._lines:
            self._put(line.strip())
        self._put(QUIT)

    def _put(self, line: str) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._queue.put_nowait, line)

    async def _run(self, line: str) -> None:
        name, _, rest = line.partition(" ")
        if not name or name.startswith("#"):
            return
        usage, command = self._commands.get(name, ("", None))
        if command is None:
            self._problem(f"{name} is no command (help lists them)")
        elif bool(rest.strip()) < (bool(usage) and not usage.startswith("[")):
            self._problem(f"{name} needs {usage}")
        else:
            try:
                await command(rest.strip())
            except (TrunklineError, ValueError) as error:
                self._problem(str(error))

    def _problem(self, text: str) -> None:
        self._failed = True
        self._told("problem", text=text)

    def _current(self) -> Conversation:
        """The call that commands are about: the latest."""
        if not self._phone.conversations:
            raise ValueError("there is no call")
        return self._phone.conversations[-1]

    async def _help(self, _: str) -> None:
        lines = [f"{name} {usage}".rstrip() for name, (usage, _command) in self._commands.items()]
        self._told("help", commands=", ".join([*lines, QUIT]))

    async def _call(self, number: str) -> None:
        await self._phone.call(number)

    async def _refuse(self, status: str) -> None:
        self._current().refuse(int(_number(status or "486")))

    async def _hang_up(self, _: str) -> None:
        self._current().hang_up()

    async def _wait(self, rest: str) -> None:
        name, _, seconds = rest.partition(" ")
        within_s = _number(seconds) if seconds else WAIT_S
        if not await self._told.wait(name, within_s):
            self._problem(f"no {name} within {within_s:g} s")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number") from None


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()
