"""Ask the exchange: over its control socket when it runs, else over the store when the request allows it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from trunkline.app.cli.offline import offline
from trunkline.app.control_client import ControlClient, NotRunning
from trunkline.app.data_folder import find_data_folder
from trunkline.base.message_codec import Message
from trunkline.base.messages import MAX_PAGE, PAGE, Request

if TYPE_CHECKING:
    from trunkline.app.ports import Wiring

R = TypeVar("R", bound=Message)
MAX_ROWS = 1_000_000


class Asker(Protocol):
    """Answers requests; raises Refused, NotRunning, TransportError."""

    def ask(self, request: Request[R]) -> R:
        """The reply."""


def load_wiring() -> Wiring:
    """The composition root, imported when first needed: it is heavy, and ``--help`` does not need it."""
    return cast("Wiring", importlib.import_module("trunkline.app.wiring"))


class OfTenant:
    """Asks another asker, and names the tenant in every request that names none."""

    def __init__(self, asker: Asker, tenant: str) -> None:
        self._asker = asker
        self._tenant = tenant

    def ask(self, request: Request[R]) -> R:
        """The reply."""
        return self._asker.ask(request if request.tenant else replace(request, tenant=self._tenant))


@contextmanager
def exchange(data: Path | None, tenant: str | None = None) -> Iterator[Asker]:
    """An asker for the data folder that ``data`` and the environment name, for one ``tenant`` when given."""
    with _any_tenant(data) as asker:
        yield asker if tenant is None else OfTenant(asker, tenant)


@contextmanager
def _any_tenant(data: Path | None) -> Iterator[Asker]:
    folder = find_data_folder(data)
    try:
        client = ControlClient(folder.socket)
    except NotRunning:
        with offline(folder, data, load_wiring) as store:
            yield store
        return
    with client:
        yield client


def fetch(asker: Asker, request: Any, most: int = MAX_ROWS) -> list[Any]:
    """All rows of a list request (its reply has ``rows`` and ``next``), page by page, ``most`` at most."""
    rows: list[Any] = []
    while True:
        page = asker.ask(replace(request, limit=min(most - len(rows), PAGE, MAX_PAGE)))
        rows += page.rows
        if page.next is None or not page.rows or len(rows) >= most:
            return rows[:most]
        request = replace(request, after=page.next)
