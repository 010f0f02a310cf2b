"""While the exchange runs: settings read anew, no new calls, log levels."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.base.message_codec import Message, message
from trunkline.base.messages.request import Command, Query


@dataclass(frozen=True, slots=True)
class SettingChange:
    """A setting whose value differs: its dotted ``key``, both values as text, secrets hidden."""

    key: str
    old: str
    new: str


@message("settings.reloaded")
class Reloaded(Message):
    """``applied`` holds from now on (``dry_run``: would), ``restart`` at the next start.

    ``file`` is empty when the exchange was started without one; ``notices`` are lines about the file;
    ``done`` what else was done, such as certificates read anew.
    """

    file: str = ""
    dry_run: bool = False
    applied: tuple[SettingChange, ...] = ()
    restart: tuple[SettingChange, ...] = ()
    done: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


@message("settings.reload")
class Reload(Command[Reloaded]):
    """Read the settings anew; refused with ``settings.wrong``, and then nothing has changed."""

    dry_run: bool = False


@message("exchange.drained")
class DrainState(Message):
    """Whether new calls are refused, and how many ``calls`` are still up."""

    draining: bool
    calls: int = 0


@message("exchange.drain")
class Drain(Command[DrainState]):
    """Refuse new calls with 503, or take them again (``undo``); refused with ``exchange.stopping``."""

    undo: bool = False


@dataclass(frozen=True, slots=True)
class LoggerRow:
    """A logger and the level that holds for it; ``own``: set for it, not the general one."""

    name: str
    level: str
    own: bool = False


@message("log.state")
class LogState(Message):
    """The general ``level``, that of the settings, every logger, and lines lost for want of a reader."""

    level: str
    configured: str
    loggers: tuple[LoggerRow, ...] = ()
    dropped: int = 0


@message("log.show")
class ShowLog(Query[LogState]):
    """Which levels hold."""


@message("log.level")
class SetLogLevel(Command[LogState]):
    """Until the next reload or start: for one ``logger`` and those below it, or for all.

    Refused with ``log.level`` or ``log.logger``.
    """

    level: str
    logger: str | None = None
