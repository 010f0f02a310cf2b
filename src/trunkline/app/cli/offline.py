"""Answer requests over the store alone, when no exchange runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from trunkline.app.control_client import NotRunning
from trunkline.app.data_folder import DataFolder
from trunkline.base.errors import TransportError
from trunkline.base.message_codec import Message
from trunkline.base.messages import Command, Request

if TYPE_CHECKING:
    import asyncio

    from trunkline.app.ports import Handlers, Wiring

R = TypeVar("R", bound=Message)


@contextmanager
def offline(folder: DataFolder, data: Path | None, wiring: Callable[[], Wiring]) -> Iterator[Offline]:
    """An asker without an exchange, its store closed at the end."""

    def open_handlers() -> AbstractAsyncContextManager[Handlers]:
        from trunkline.app.settings.file import load_settings  # noqa: PLC0415  (pydantic models are slow to make)

        return wiring().open_offline(load_settings(data=data))

    asker = Offline(folder, open_handlers)
    try:
        yield asker
    finally:
        asker.close()


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
        import asyncio  # noqa: PLC0415  (most that is asked without an exchange ends before this)

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
