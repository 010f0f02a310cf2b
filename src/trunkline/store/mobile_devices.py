"""Mobile devices at rest: read once at start-up; written by the journal while they live."""

from __future__ import annotations

from sqlalchemy import select

from trunkline.model.device import MobileDevice
from trunkline.model.tenant import Scope
from trunkline.store.mobile_rows import mobile_device_from
from trunkline.store.repository import Repository
from trunkline.store.scope import within
from trunkline.store.tables import mobile_device


class MobileDevices(Repository):
    """Apps on phones, and how they are woken."""

    __slots__ = ()

    def load_all(self, scope: Scope) -> tuple[MobileDevice, ...]:
        """All of the scope, by id. Raises KeyFileError for tokens that another key has sealed."""
        query = select(mobile_device).where(within(scope, mobile_device)).order_by(mobile_device.c.id)
        with self._database.reading() as connection:
            found = connection.execute(query).all()
        box = self._database.secrets
        return tuple(mobile_device_from(row, box) for row in found)
