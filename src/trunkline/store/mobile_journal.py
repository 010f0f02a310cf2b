"""The journal of mobile accounts, devices and calls: how what lives in memory reaches the store.

Rows name their tenant themselves. Methods are called on the writer's loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from trunkline.model.device import MobileAccount, MobileCall, MobileDevice
from trunkline.store.commit import Operation
from trunkline.store.mobile_rows import (
    DELETE_MOBILE_ACCOUNT,
    DELETE_MOBILE_CALL,
    DELETE_MOBILE_DEVICE,
    UPSERT_MOBILE_ACCOUNT,
    UPSERT_MOBILE_CALL,
    UPSERT_MOBILE_DEVICE,
    mobile_account_row,
    mobile_call_row,
    mobile_device_row,
)
from trunkline.store.writer import Writer


class MobileJournal:
    """Writes accounts and devices down. What is forgotten is deleted even when the queue is full."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def new_device(self, device: MobileDevice, account: MobileAccount | None) -> asyncio.Future[None]:
        """Write a device with its account; done when they are committed. Raises as Writer.commit."""
        if account is not None:
            self.keep_accounts((account,))
        return self._writer.commit(
            Operation(UPSERT_MOBILE_DEVICE, (mobile_device_row(device, self._writer.secrets),))
        )

    def keep_accounts(self, accounts: Iterable[MobileAccount]) -> None:
        """Write them, new or known, some time soon. Raises WriterFullError, WriterStoppedError."""
        self._writer.submit(Operation(UPSERT_MOBILE_ACCOUNT, [mobile_account_row(one) for one in accounts]))

    def keep_devices(self, devices: Iterable[MobileDevice]) -> None:
        """Likewise devices."""
        box = self._writer.secrets
        self._writer.submit(Operation(UPSERT_MOBILE_DEVICE, [mobile_device_row(one, box) for one in devices]))

    def forget_account(self, tenant: str, key: str) -> None:
        """Delete an account. Raises WriterStoppedError."""
        self._writer.submit(Operation(DELETE_MOBILE_ACCOUNT, ((tenant, key),), kept=True))

    def forget_device(self, tenant: str, key: str) -> None:
        """Delete a device. Raises WriterStoppedError."""
        self._writer.submit(Operation(DELETE_MOBILE_DEVICE, ((tenant, key),), kept=True))


class MobileCallJournal:
    """Writes devices' parts in calls down."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def write_call(self, call: MobileCall) -> asyncio.Future[None]:
        """Write a device's part in a call; done when it is committed. Raises as Writer.commit."""
        row = mobile_call_row(call, self._writer.secrets)
        return self._writer.commit(Operation(UPSERT_MOBILE_CALL, (row,)))

    async def on_disk(self) -> None:
        """Return when all before is committed. Raises WriterFullError, WriterStoppedError."""
        await self._writer.drain()

    def keep_calls(self, calls: Iterable[MobileCall]) -> None:
        """Write parts in calls some time soon. Raises WriterFullError, WriterStoppedError."""
        box = self._writer.secrets
        self._writer.submit(Operation(UPSERT_MOBILE_CALL, [mobile_call_row(one, box) for one in calls]))

    def forget_calls(self, calls: Iterable[tuple[str, str]]) -> None:
        """Delete parts in calls by (tenant, token). Raises WriterStoppedError."""
        rows = list(calls)
        if rows:
            self._writer.submit(Operation(DELETE_MOBILE_CALL, rows, kept=True))
