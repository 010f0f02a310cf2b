"""Registering devices: which device it is, whose account, and whether the account may be joined."""

from __future__ import annotations

import asyncio
import secrets
import string
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from trunkline.base.errors import TrunklineError
from trunkline.base.ids import uuid7
from trunkline.base.messages import Refused
from trunkline.base.messages.devices import DeviceRegistered, RegisterDevice
from trunkline.mobile.account_form import AccountForm, read_account
from trunkline.mobile.book import hash_of
from trunkline.mobile.proving import wrong_password
from trunkline.mobile.push_form import PushForm, read_platform, read_push
from trunkline.model.device import REST, MobileAccount, MobileDevice

if TYPE_CHECKING:
    from trunkline.mobile.accounts import Account
    from trunkline.mobile.devices import Devices
    from trunkline.mobile.extensions import Extensions
    from trunkline.mobile.policy import MobilePolicy

REPLACED: Final = "its account has another password now"
_KEY_CHARACTERS: Final = frozenset(string.ascii_letters + string.digits + "-_.~:+/=")
_LEAST_KEY: Final = 16
_MOST_KEY: Final = 128
_MOST_OWNER: Final = 255


class Journal(Protocol):
    """Where new devices are written down."""

    def new_device(self, device: MobileDevice, account: MobileAccount | None) -> asyncio.Future[None]:
        """Done when they are committed. Its errors are TrunklineErrors."""
        ...


class Registering:
    """A part of ``Devices``."""

    def __init__(
        self,
        devices: Devices,
        journal: Journal,
        extensions: Extensions,
        policy: MobilePolicy,
        wall: Callable[[], float],
    ) -> None:
        self._devices = devices
        self._journal = journal
        self._extensions = extensions
        self._policy = policy
        self._wall = wall

    async def register(self, tenant: str, ask: RegisterDevice) -> DeviceRegistered:
        """Register a device, or update the one with the same key or the same push token."""
        platform = read_platform(ask.platform)
        push = read_push(platform, ask.push)
        form = read_account(tenant, ask.account, self._policy.listed, self._extensions)
        key = _read_key(ask.device_key)
        if not 0 < len(ask.owner) <= _MOST_OWNER:
            raise Refused("device.owner", "the user's id is not usable", "expected 1 to 255 characters", 422)
        self._check_limits(tenant, ask.owner, self._known(tenant, ask.owner, key, push))
        await self._check_account(form, ask.owner)
        # Nothing waits from here on: what was looked up stays as it is.
        known = self._known(tenant, ask.owner, key, push)
        self._check_limits(tenant, ask.owner, known)
        told = "" if key else secrets.token_urlsafe(32)
        try:
            account = self._hold(form, ask.owner)
        except TrunklineError as error:
            raise _not_written() from error
        device = self._put(known, ask.owner, platform, push, account, hash_of(key or told))
        await self._commit(device, account, new=known is None)
        return DeviceRegistered(
            device_id=device.id, status=self._devices.accounts.status(account).word, device_key=told
        )

    def _known(self, tenant: str, owner: str, key: str, push: PushForm) -> MobileDevice | None:
        """A device key belongs to an install of an app, whoever uses it now; without one its push token says so."""
        found = self._devices.book.by_key(tenant, key) if key else None
        return found or self._devices.book.by_token(tenant, owner, push.token)

    def _check_limits(self, tenant: str, owner: str, known: MobileDevice | None) -> None:
        policy = self._policy
        if known is not None and known.owner == owner:
            return
        if len(self._devices.book.of_owner(tenant, owner)) >= policy.max_devices:
            detail = f"a user may have {policy.max_devices} devices"
            raise Refused("device.limit", detail, "remove one that is not used any more", 429)
        if known is None and self._devices.book.count(tenant) >= policy.max_tenant_devices:
            raise Refused("device.limit", "there are too many devices", "ask the operator", 429)

    async def _check_account(self, form: AccountForm, owner: str) -> None:
        """Who joins an account of somebody else must know its password, or prove that it has another one now.

        Else anybody could register a wrong one and wait for the right one to come, or replace a right one.
        """
        if form.own:
            if not self._extensions.check(form.tenant, form.user, form.password):
                raise wrong_password()
            return
        known = self._devices.accounts.of_form(form)
        if known is not None and known.knows(form):
            return
        self._devices.proving.check_tries(form)
        if known is not None and not known.is_purged and not self._is_alone(known, owner):
            await self._devices.proving.prove(form)

    def _is_alone(self, account: Account, owner: str) -> bool:
        return all(one.owner == owner for one in self._devices.book.all_of_account(account.row.id))

    def _hold(self, form: AccountForm, owner: str) -> Account:
        """The account, with the credentials of ``form``; devices of before are moved to a new one where it must be."""
        before = self._devices.accounts.of_form(form)
        if before is not None and not form.own and not before.is_purged and not before.knows(form):
            self._shut_out(before, form, owner)
            if before.row.port == form.port:
                self._devices.accounts.change_credentials(before, form)
        devices = self._devices.book.all_of_account(before.row.id) if before is not None else ()
        account = self._devices.accounts.hold(form, self._wall())
        if before is not None and account is not before:
            for one in devices:
                self._devices.book.move(one, lambda device: setattr(device, "account_id", account.row.id))
        return account

    def _shut_out(self, account: Account, form: AccountForm, owner: str) -> None:
        """Another password: whoever else came with the old one has proven nothing."""
        if account.knows(replace(form, port=account.row.port)):
            return
        for one in self._devices.book.all_of_account(account.row.id):
            if one.active and one.owner != owner:
                self._devices.deactivate(one, REPLACED)

    def _put(
        self,
        known: MobileDevice | None,
        owner: str,
        platform: str,
        push: PushForm,
        account: Account,
        key_hash: str,
    ) -> MobileDevice:
        now = self._wall()
        row = account.row
        device = MobileDevice(
            row.tenant,
            known.id if known is not None else uuid7(),
            owner,
            row.id,
            REST,
            row.user if row.own else "",
            platform,
            key_hash,
            push.service.value,
            push.kind,
            push.token,
            push.alert_token,
            push.environment,
            push.bundle_id,
            "",
            push.p256dh,
            push.auth,
            active=True,
            disabled_why="",
            created_at=known.created_at if known is not None else now,
            registered_at=now,
            seen_at=now,
        )
        row.used_at = now
        if known is None:
            self._devices.book.add(device)
            return device
        left = known.account_id
        if (known.owner, left) != (owner, row.id):
            self._devices.on_gone(known)  # what rings there is for whom it was before
        self._devices.book.move(known, lambda one: _become(one, device))
        self._devices.drop_unused(left)
        return known

    async def _commit(self, device: MobileDevice, account: Account, *, new: bool) -> None:
        try:
            await self._journal.new_device(device, account.row)
        except TrunklineError as error:
            if new and self._devices.book.find(device.tenant, device.id) is device:
                self._devices.book.remove(device)
                self._devices.drop_unused(device.account_id)
            elif not new:
                self._devices.book.keep(device)
            raise _not_written() from error


def _not_written() -> Refused:
    return Refused("store.unavailable", "the device could not be written down", "try again soon", 503)


def _read_key(key: str) -> str:
    if key and (not _LEAST_KEY <= len(key) <= _MOST_KEY or not _KEY_CHARACTERS.issuperset(key)):
        expected = (
            f"expected {_LEAST_KEY} to {_MOST_KEY} letters, digits or -_.~:+/=, random for each install"
        )
        raise Refused("device.key", "device_key is not usable", expected, 422)
    return key


def _become(device: MobileDevice, other: MobileDevice) -> None:
    """All that an app says of itself, at once."""
    for name in MobileDevice.__slots__:
        setattr(device, name, getattr(other, name))
