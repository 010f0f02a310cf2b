"""Ask the exchange: over its control socket when it runs, else over the store when the request allows it."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from trunkline.app.control_client import ControlClient, NotRunning
from trunkline.app.data_folder import DataFolder, find_data_folder
from trunkline.base.errors import TransportError
from trunkline.base.message_codec import Message
from trunkline.base.messages import MAX_PAGE, PAGE, Command, Request

if TYPE_CHECKING:
    from trunkline.app.ports import Handlers, Wiring

R = TypeVar("R", bound=Message)
MAX_ROWS = 1_000_000


class Asker(Protocol):
    """Answers requests; raises Refused, NotRunning, TransportError."""

    def ask(self, request: Request[R]) -> R:
        """The reply."""


def load_wiring() -> Wiring:
    """The composition root, imported when first needed: it is heavy, and ``--help`` does not need it."""
    return cast("Wiring", importlib.import_module("trunkline.app.wiring"))


@contextmanager
def exchange(data: Path | None) -> Iterator[Asker]:
    """An asker for the data folder that ``data`` and the environment name."""
    folder = find_data_folder(data)
    try:
        client = ControlClient(folder.socket)
    except NotRunning:
        with closing_offline(folder, data) as offline:
            yield offline
        return
    with client:
        yield client


@contextmanager
def closing_offline(folder: DataFolder, data: Path | None) -> Iterator[Offline]:
    """An asker without an exchange, its store closed at the end."""

    def open_handlers() -> AbstractAsyncContextManager[Handlers]:
        from trunkline.app.settings_file import load_settings  # noqa: PLC0415  (pydantic models are slow to make)

        return load_wiring().open_offline(load_settings(data=data))

    offline = Offline(folder, open_handlers)
    try:
        yield offline
    finally:
        offline.close()


class Offline:
    """Handlers over the store alone, opened by the first request that may be answered so."""

    def __init__(
        self, folder: DataFolder, open_handlers: Callable[[], AbstractAsyncContextManager[Handlers]]
    ) -> None:
        self._folder = folder
        self._open = open_handlers
        self._runner: asyncio.Runner | None = None
        self._context: AbstractAsyncContextManager[Handlers] | None = None
        self._handlers: Handlers | None = None

    def ask(self, request: Request[R]) -> R:
        """As ``ControlClient.ask``; NotRunning when only a running exchange can answer."""
        if not request.offline or not (self._folder.path.is_dir() or isinstance(request, Command)):
            raise NotRunning(self._folder.socket)
        runner, handlers = self._opened()
        answer = runner.run(handlers.handle(request))
        if not isinstance(answer, request.reply_type()):
            raise TransportError(f"{request.type} was answered with {answer.type}")
        return cast("R", answer)

    def _opened(self) -> tuple[asyncio.Runner, Handlers]:
        if self._runner is None:
            self._runner = asyncio.Runner()
        if self._handlers is None:
            self._context = self._open()
            self._handlers = self._runner.run(_enter(self._context))
        return self._runner, self._handlers

    def close(self) -> None:
        """Close the store, if it was opened."""
        if self._runner is None:
            return
        try:
            if self._context is not None and self._handlers is not None:
                self._runner.run(_leave(self._context))
        finally:
            self._runner.close()


async def _enter(context: AbstractAsyncContextManager[Handlers]) -> Handlers:
    return await context.__aenter__()


async def _leave(context: AbstractAsyncContextManager[Handlers]) -> None:
    await context.__aexit__(None, None, None)


def fetch(asker: Asker, request: Any, most: int = MAX_ROWS) -> list[Any]:
    """All rows of a list request (its reply has ``rows`` and ``next``), page by page, ``most`` at most."""
    rows: list[Any] = []
    while True:
        page = asker.ask(replace(request, limit=min(most - len(rows), PAGE, MAX_PAGE)))
        rows += page.rows
        if page.next is None or not page.rows or len(rows) >= most:
            return rows[:most]
        request = replace(request, after=page.next)
