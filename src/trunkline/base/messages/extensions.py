"""Extensions: add, list, remove, import."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final

from trunkline.base.message_codec import Message, message
from trunkline.base.messages.request import PAGE, Command, Query

DEFAULT_CALLS: Final = -1  # as ``max_calls``: what the settings say


@dataclass(frozen=True, slots=True)
class ExtensionRow:
    """An extension as shown: ``contact`` a fixed address, ``bindings`` how many contacts are registered.

    ``max_calls`` is how many calls it may have at once (0: any number), None when the settings say it.
    """

    number: str
    name: str = ""
    contact: str | None = None
    bindings: int = 0
    max_calls: int | None = None


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One row to import; ``line`` (1-based) is where it stood.

    ``password`` None: generate one, unless there is a ``contact`` or the extension exists already.
    ``max_calls`` None: as the settings say, or as it is for one that exists.
    """

    line: int
    number: str
    password: str | None = field(default=None, repr=False)
    name: str = ""
    contact: str | None = None
    max_calls: int | None = None


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Why a row cannot be imported."""

    line: int
    detail: str


@dataclass(frozen=True, slots=True)
class GeneratedPassword:
    """A password that the exchange chose; told once, never again."""

    number: str
    password: str = field(repr=False)


@message("extension.added")
class ExtensionAdded(Message):
    """``password`` is set only when it was generated. ``warnings``: such as a weak given password."""

    extension: ExtensionRow
    password: str | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()


@message("extension.add")
class AddExtension(Command[ExtensionAdded]):
    """Refused with ``extension.exists`` or ``extension.invalid``.

    Without ``password`` one is made, unless there is a ``contact``: then only when ``generate`` asks for it.
    """

    offline: ClassVar[bool] = True
    number: str
    password: str | None = field(default=None, repr=False)
    name: str = ""
    contact: str | None = None
    generate: bool = False
    max_calls: int | None = None


@message("extension.changed")
class ExtensionChanged(Message):
    """The extension as it is now. ``password`` is set only when it was generated."""

    extension: ExtensionRow
    password: str | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()


@message("extension.set")
class SetExtension(Command[ExtensionChanged]):
    """Change what is given, keep what is None. Refused with ``extension.unknown`` or ``extension.invalid``.

    ``generate`` makes a new password; an empty ``contact`` takes the fixed address away; a ``max_calls`` of
    ``DEFAULT_CALLS`` leaves the limit to the settings.
    """

    offline: ClassVar[bool] = True
    number: str
    password: str | None = field(default=None, repr=False)
    name: str | None = None
    contact: str | None = None
    max_calls: int | None = None
    generate: bool = False


@message("extension.page")
class ExtensionList(Message):
    """Extensions in the order of their numbers."""

    rows: tuple[ExtensionRow, ...] = ()
    next: str | None = None


@message("extension.list")
class ListExtensions(Query[ExtensionList]):
    """All extensions of a tenant, a page at a time."""

    offline: ClassVar[bool] = True
    limit: int = PAGE
    after: str | None = None


@dataclass(frozen=True, slots=True)
class ExportRow:
    """An extension as a file has it; ``password`` is empty unless it was asked for."""

    number: str
    password: str = field(default="", repr=False)
    name: str = ""
    contact: str = ""
    max_calls: int | None = None


@message("extension.export-page")
class ExportList(Message):
    """Extensions in the order of their numbers."""

    rows: tuple[ExportRow, ...] = ()
    next: str | None = None


@message("extension.export")
class ExportExtensions(Query[ExportList]):
    """All extensions of a tenant, a page at a time, with ``passwords`` in clear text when asked for."""

    offline: ClassVar[bool] = True
    limit: int = PAGE
    after: str | None = None
    passwords: bool = False


@message("extension.removed")
class ExtensionRemoved(Message):
    """``bindings``: how many contacts were unregistered with it."""

    number: str
    bindings: int = 0


@message("extension.remove")
class RemoveExtension(Command[ExtensionRemoved]):
    """Refused with ``extension.unknown``. Calls that are up go on."""

    offline: ClassVar[bool] = True
    number: str


@message("extension.imported")
class ExtensionsImported(Message):
    """``problems`` non-empty: nothing of this chunk was written."""

    added: int = 0
    replaced: int = 0
    problems: tuple[RowProblem, ...] = ()
    generated: tuple[GeneratedPassword, ...] = field(default=(), repr=False)
    warnings: tuple[str, ...] = ()


@message("extension.import")
class ImportExtensions(Command[ExtensionsImported]):
    """One chunk (1..500 rows), written whole or not at all.

    ``check`` only looks for problems and writes nothing: a client checks every chunk before it writes the
    first, so that a bad row leaves the store as it was. ``replace`` changes extensions that exist, which are
    problems otherwise.
    """

    offline: ClassVar[bool] = True
    rows: tuple[ImportRow, ...]
    check: bool = False
    replace: bool = False
