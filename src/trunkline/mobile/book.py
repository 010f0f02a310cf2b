"""The devices in memory, found by all that anybody asks for them by; what changes is written down soon.

100,000 devices that sleep are that many rows and entries of dictionaries: no task, no timer and no socket.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from hmac import compare_digest
from itertools import islice
from typing import Any, Final, Protocol

from trunkline.base.errors import TrunklineError
from trunkline.model.device import REST, MobileDevice

FLUSH_S: Final = 15.0
SLICE: Final = 500
_PAUSE_S: Final = 0.02


class Journal(Protocol):
    """Where devices are written down; neither method waits."""

    def keep_devices(self, devices: Iterable[MobileDevice]) -> None:
        """Write them, new or known, some time soon. Its errors are TrunklineErrors."""
        ...

    def forget_device(self, tenant: str, key: str) -> None:
        """Delete one some time soon."""
        ...


def hash_of(device_key: str) -> str:
    """What is kept of a device key: it is random, so that a plain SHA-256 tells nothing of it."""
    return hashlib.sha256(device_key.encode("utf-8", "replace")).hexdigest()


class Book:
    """All devices with an account. Answers what calls ask (``mobile.ports.DeviceBook``) and what requests do.

    ``on_change`` hears of each device whose push address was disabled, or proved to be of another environment.
    """

    def __init__(self, journal: Journal, rows: Iterable[MobileDevice] = ()) -> None:
        self.on_change: Callable[[MobileDevice], None] = lambda _device: None
        self._journal = journal
        self._tenants: dict[str, dict[str, MobileDevice]] = {}
        self._of_account: dict[str, tuple[MobileDevice, ...]] = {}
        self._of_owner: dict[tuple[str, str], tuple[MobileDevice, ...]] = {}
        self._of_user: dict[tuple[str, str], tuple[MobileDevice, ...]] = {}
        self._by_key: dict[tuple[str, str], MobileDevice] = {}
        self._dirty: dict[str, MobileDevice] = {}
        self._due = 0.0
        for row in rows:
            if row.kind == REST:
                self.add(row)

    def __len__(self) -> int:
        return sum(map(len, self._tenants.values()))

    def __iter__(self) -> Iterator[MobileDevice]:
        return (device for devices in self._tenants.values() for device in devices.values())

    # What calls ask

    def of_account(self, tenant: str, account_id: str) -> Iterable[MobileDevice]:
        """The active devices of an account."""
        found = self._of_account.get(account_id, ())
        return [one for one in found if one.tenant == tenant and one.active]

    def of_extension(self, tenant: str, user: str) -> Iterable[MobileDevice]:
        """The active devices of an extension of ours."""
        return [one for one in self._of_user.get((tenant, user), ()) if one.active]

    def all_of_extension(self, tenant: str, user: str) -> tuple[MobileDevice, ...]:
        """The devices of an extension of ours, the inactive ones too."""
        return self._of_user.get((tenant, user), ())

    def find(self, tenant: str, device_id: str) -> MobileDevice | None:
        """One device of a tenant."""
        return self._tenants.get(tenant, {}).get(device_id)

    def disable(self, tenant: str, device_id: str, token: str, why: str) -> None:
        """No push goes to this token any more; nothing when the device has another one by now."""
        device = self.find(tenant, device_id)
        if device is None:
            return
        if token and token == device.push_token and not device.disabled_why:
            device.disabled_why = why
        elif token and token == device.alert_token:
            device.alert_token = ""
        else:
            return
        self.keep(device)
        self.on_change(device)

    def learn_environment(self, tenant: str, device_id: str, environment: str) -> None:
        """The device's tokens belong to ``production`` or ``sandbox``."""
        device = self.find(tenant, device_id)
        if device is not None and device.environment != environment:
            device.environment = environment
            self.keep(device)
            self.on_change(device)

    # What requests ask

    def owned(self, tenant: str, device_id: str, owner: str | None) -> MobileDevice | None:
        """One device of an owner, or of anybody for the operator (None)."""
        device = self.find(tenant, device_id)
        return device if device is not None and owner in {None, device.owner} else None

    def of_owner(self, tenant: str, owner: str) -> tuple[MobileDevice, ...]:
        """All devices of an owner."""
        return self._of_owner.get((tenant, owner), ())

    def of_tenant(self, tenant: str) -> Iterable[MobileDevice]:
        """All devices of a tenant."""
        return self._tenants.get(tenant, {}).values()

    def count(self, tenant: str) -> int:
        """How many devices a tenant has."""
        return len(self._tenants.get(tenant, ()))

    def by_key(self, tenant: str, device_key: str) -> MobileDevice | None:
        """The device with this key."""
        hashed = hash_of(device_key)
        device = self._by_key.get((tenant, hashed))
        return device if device is not None and compare_digest(device.key_hash, hashed) else None

    def by_token(self, tenant: str, owner: str, push_token: str) -> MobileDevice | None:
        """The owner's device with this push token."""
        return next((one for one in self.of_owner(tenant, owner) if one.push_token == push_token), None)

    def all_of_account(self, account_id: str) -> tuple[MobileDevice, ...]:
        """The devices of an account, the inactive ones too."""
        return self._of_account.get(account_id, ())

    # Changes

    def add(self, device: MobileDevice) -> None:
        """Take one in, as it stands in the store."""
        self._tenants.setdefault(device.tenant, {})[device.id] = device
        for index, key in self._places(device):
            index[key] = (*index.get(key, ()), device)
        if device.key_hash:
            self._by_key[device.tenant, device.key_hash] = device

    def remove(self, device: MobileDevice) -> None:
        """Forget one, in the store too."""
        self._take_out(device)
        self._dirty.pop(device.id, None)
        self._journal.forget_device(device.tenant, device.id)

    def move(self, device: MobileDevice, change: Callable[[MobileDevice], None]) -> None:
        """Change whatever a device is found by."""
        self._take_out(device)
        change(device)
        self.add(device)
        self.keep(device)

    def keep(self, device: MobileDevice) -> None:
        """It was changed; it is written as it is when its turn comes."""
        self._dirty[device.id] = device

    def flush_due(self, now: float) -> float:
        """Hand over what was changed, when it is time (``now`` of any steady clock); returns when to call again."""
        if now < self._due:
            return self._due
        if self._dirty:
            self._flush(SLICE)
        if self._dirty:
            return now + _PAUSE_S
        self._due = now + FLUSH_S
        return self._due

    def flush_all(self) -> None:
        """Hand over everything, before the writer is stopped."""
        while self._dirty:
            before = len(self._dirty)
            self._flush(SLICE)
            if len(self._dirty) == before:
                return

    def _flush(self, most: int) -> None:
        some = list(islice(self._dirty.values(), most))
        # When the writer's queue is full they stay, and go when there is room.
        with suppress(TrunklineError):
            self._journal.keep_devices(some)
            for one in some:
                del self._dirty[one.id]

    def _take_out(self, device: MobileDevice) -> None:
        self._tenants.get(device.tenant, {}).pop(device.id, None)
        for index, key in self._places(device):
            left = tuple(one for one in index.get(key, ()) if one is not device)
            if left:
                index[key] = left
            else:
                index.pop(key, None)
        if self._by_key.get((device.tenant, device.key_hash)) is device:
            del self._by_key[device.tenant, device.key_hash]

    def _places(self, device: MobileDevice) -> Iterator[tuple[dict[Any, tuple[MobileDevice, ...]], Any]]:
        """The indexes that hold a device among others, and under which key."""
        yield self._of_owner, (device.tenant, device.owner)
        if device.account_id:
            yield self._of_account, device.account_id
        if device.user:
            yield self._of_user, (device.tenant, device.user)
