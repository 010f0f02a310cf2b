"""What calls do, told straight down the page."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import TYPE_CHECKING

from trunkline.base.errors import CallFailed
from trunkline.proto.sip.reasons import Q850, reason_phrase

if TYPE_CHECKING:
    from trunkline.call.call import Call, Script
    from trunkline.call.target import Target


def ring(targets: AsyncIterable[Target]) -> Script:
    """Ring an extension's contacts and let the parties talk."""

    async def script(call: Call) -> None:
        await call.connect(targets)
        await call.over()

    return script


def refuse(status: int, code: str) -> Script:
    """Tell the caller that it cannot be."""

    async def script(_call: Call) -> None:
        raise CallFailed(status, reason_phrase(status), Q850.get(status), code)

    return script


async def echo(call: Call) -> None:
    """Send back what the caller says: for trying out a phone and the way to it."""
    service = await call.answer()
    await service.echo()
    await call.over()


async def tone(call: Call) -> None:
    """A sine tone of 440 Hz, to hear whether audio arrives."""
    service = await call.answer()
    await service.tone()
    await call.over()
