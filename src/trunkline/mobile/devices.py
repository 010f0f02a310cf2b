"""Devices of apps: answers what apps, their backends and the command line ask (``base.messages.devices``).

What belongs to another owner is answered as what is not there.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from hmac import compare_digest
from typing import Final

from trunkline.base.messages import MAX_PAGE, Refused
from trunkline.base.messages.devices import (
    AccountProven,
    ChangeDevice,
    DeviceFound,
    DeviceHeard,
    DeviceList,
    DeviceRegistered,
    DeviceRemoved,
    DeviceRow,
    GetDevice,
    Heartbeat,
    ListDevices,
    ProveAccount,
    ProveDevice,
    PushTarget,
    RegisterDevice,
    RemoveDevice,
)
from trunkline.mobile.account_form import read_account
from trunkline.mobile.accounts import REGISTERED, Account, Accounts, AccountStatus
from trunkline.mobile.book import Book, hash_of
from trunkline.mobile.domains import host_of
from trunkline.mobile.extensions import Extensions
from trunkline.mobile.policy import MobilePolicy
from trunkline.mobile.ports import Live
from trunkline.mobile.proving import Proving
from trunkline.mobile.push_form import PushForm, read_push
from trunkline.mobile.registering import REPLACED, Journal, Registering
from trunkline.model.device import MobileDevice
from trunkline.ua.registrations.asking import WRONG

PURGED: Final = "its account's password was forgotten after a long silence"


class Devices:
    """``wall`` gives wall-clock seconds. Methods that take ``tenant`` take its id."""

    def __init__(
        self,
        book: Book,
        accounts: Accounts,
        proving: Proving,
        extensions: Extensions,
        live: Live,
        journal: Journal,
        policy: MobilePolicy,
        wall: Callable[[], float],
    ) -> None:
        self.book = book
        self.accounts = accounts
        self.proving = proving
        self._extensions = extensions
        self._live = live
        self._registering = Registering(self, journal, extensions, policy, wall)
        self._policy = policy
        self._wall = wall
        self.push_trouble: Callable[[MobileDevice], str] = lambda _device: ""
        """Why pushes to a device are refused although it is not given up, "" when they are not."""
        self.on_gone: Callable[[MobileDevice], None] = lambda _device: None
        """Told of each device that is removed, or that calls do not reach any more, before its next owner has it."""
        accounts.on_status = self._tell_all
        book.on_change = self.tell

    async def register(self, tenant: str, ask: RegisterDevice) -> DeviceRegistered:
        """Register a device, or update the one with the same key or the same push token."""
        return await self._registering.register(tenant, ask)

    def drop_unused(self, account_id: str | None) -> None:
        """Take an account off its registrar when no device has it any more."""
        account = self.accounts.find(account_id)
        if account is not None and not self.book.all_of_account(account.row.id):
            self.accounts.drop(account)

    # Asking and changing

    async def get(self, tenant: str, ask: GetDevice) -> DeviceFound:
        """One device."""
        return DeviceFound(device=self._row(self._owned(tenant, ask.device_id, ask.owner)))

    async def list(self, tenant: str, ask: ListDevices) -> DeviceList:
        """A page of devices by id."""
        limit = max(1, min(ask.limit, MAX_PAGE))
        all_of = self.book.of_tenant(tenant) if ask.owner is None else self.book.of_owner(tenant, ask.owner)
        after = ask.after or ""
        some = heapq.nsmallest(limit + 1, (one for one in all_of if one.id > after), key=lambda one: one.id)
        rows = tuple(self._row(one) for one in some[:limit])
        return DeviceList(rows=rows, next=rows[-1].id if len(some) > limit else None)

    async def change(self, tenant: str, ask: ChangeDevice) -> DeviceFound:
        """Other tokens, or another environment."""
        device = self._owned(tenant, ask.device_id, ask.owner)
        target = PushTarget(
            device.push_kind if ask.push_kind is None else ask.push_kind,
            device.push_token if ask.push_token is None else ask.push_token,
            device.alert_token if ask.alert_token is None else ask.alert_token,
            device.environment if ask.environment is None else ask.environment,
            device.bundle_id if ask.bundle_id is None else ask.bundle_id,
            device.p256dh if ask.p256dh is None else ask.p256dh,
            device.auth if ask.auth is None else ask.auth,
        )
        push = read_push(device.platform, target)
        self.book.move(device, lambda one: _take_push(one, push, self._wall()))
        return DeviceFound(device=self._row(device))

    async def remove(self, tenant: str, ask: RemoveDevice) -> DeviceRemoved:
        """Forget one; with the last of its account the contact is taken off the registrar."""
        device = self.book.owned(tenant, ask.device_id, ask.owner)
        if device is None:
            return DeviceRemoved(was_there=False)
        self._forget(device)
        return DeviceRemoved(was_there=True)

    def _forget(self, device: MobileDevice) -> None:
        self.book.remove(device)
        self.on_gone(device)
        self.drop_unused(device.account_id)

    def deactivate(self, device: MobileDevice, why: str) -> None:
        """No call reaches it until it is registered again."""
        device.active, device.disabled_why = False, why
        self.book.keep(device)
        self.on_gone(device)
        self.tell(device)

    async def heartbeat(self, tenant: str, ask: Heartbeat) -> DeviceHeard:
        """The app lives."""
        device = self._owned(tenant, ask.device_id, ask.owner)
        if not device.active:
            raise Refused("device.inactive", "the device is not active any more", "register it again", 410)
        self.heard(device)
        account = self.accounts.find(device.account_id)
        if account is not None:
            self.accounts.try_now(account, self._wall())
        return DeviceHeard()

    def heard(self, device: MobileDevice) -> None:
        """A device lives: its account's password is kept longer."""
        now = self._wall()
        device.seen_at = now
        self.book.keep(device)
        account = self.accounts.find(device.account_id)
        if account is not None:
            self.accounts.touch(account, now)

    # Proving

    async def prove_account(self, tenant: str, ask: ProveAccount) -> AccountProven:
        """Whose account it is. Where no tenant is named, an extension is of the tenant that its domain belongs to."""
        if ask.tenant is None:
            tenant = self._extensions.owner_of(host_of(ask.account.domain) or "") or tenant
        form = read_account(tenant, ask.account, self._policy.listed, self._extensions)
        await self.proving.prove(form)
        return AccountProven(owner=f"sip:{form.subject}", tenant_id=tenant)

    async def prove_device(self, tenant: str, ask: ProveDevice) -> AccountProven:
        """Whose device it is."""
        device = self.book.find(tenant, ask.device_id)
        hashed = hash_of(ask.device_key)
        # Compared where there is none too, so that nobody can tell the one from the other by the time it takes.
        if (
            not compare_digest(device.key_hash if device is not None else hash_of(""), hashed)
            or device is None
        ):
            raise Refused(
                "device.key", "this is not the key of that device", "register the device again", 401
            )
        return AccountProven(owner=device.owner, tenant_id=tenant)

    # What happens by itself

    def purge(self, account: Account) -> None:
        """Its devices were silent for long: forget its password, and tell them when they come back."""
        self.accounts.purge(account)
        for one in self.book.all_of_account(account.row.id):
            self.deactivate(one, PURGED)

    def extension_removed(self, tenant: str, number: str) -> None:
        """An extension of ours is gone, and its devices with it."""
        for device in self.book.all_of_extension(tenant, number):
            self._forget(device)

    def password_changed(self, tenant: str, number: str) -> None:
        """An extension of ours has another password: its devices have to register again with that one."""
        for device in self.book.all_of_extension(tenant, number):
            if device.active:
                self.deactivate(device, REPLACED)

    def tenant_removed(self, tenant: str) -> None:
        """A tenant is gone with all that it had."""
        for device in tuple(self.book.of_tenant(tenant)):
            self._forget(device)

    def _tell_all(self, account: Account) -> None:
        """Its registration has another word now."""
        word = account.registration.word if account.registration is not None else ""
        if word == WRONG:
            self.proving.note_failure(account.row.tenant, account.address)
        elif word == REGISTERED:
            self.proving.note_success(account.row.tenant, account.subject)
        for device in self.book.all_of_account(account.row.id):
            self.tell(device)

    def tell(self, device: MobileDevice) -> None:
        """Tell the owner how it stands with a device."""
        status = self._status(device)
        data = {
            "sip_status": status.word,
            "since": status.since,
            "next_try": status.next_try,
            "active": device.active,
            "push_status": self._push_status(device),
        }
        self._live.tell(device.tenant, device.owner, "device.status", device_id=device.id, data=data)

    # Reading

    def _owned(self, tenant: str, device_id: str, owner: str | None) -> MobileDevice:
        device = self.book.owned(tenant, device_id, owner)
        if device is None:
            raise Refused(
                "device.unknown", "there is no such device", "trunkline devices list shows them", 404
            )
        return device

    def _status(self, device: MobileDevice) -> AccountStatus:
        if not device.active:
            return AccountStatus(f"error: {device.disabled_why}")
        return self.accounts.status(self.accounts.find(device.account_id))

    def _push_status(self, device: MobileDevice) -> str:
        if device.disabled_why:
            return device.disabled_why
        trouble = self.push_trouble(device)
        return f"error: {trouble}" if trouble else "ok"

    def _row(self, device: MobileDevice) -> DeviceRow:
        account = self.accounts.find(device.account_id)
        status = self._status(device)
        return DeviceRow(
            id=device.id,
            owner=device.owner,
            platform=device.platform,
            address=account.address if account is not None else device.user,
            sip_status=status.word,
            active=device.active,
            push_kind=device.push_kind,
            push_status=self._push_status(device),
            environment=device.environment,
            bundle_id=device.bundle_id,
            since=status.since,
            next_try=status.next_try,
            created_at=device.created_at,
            seen_at=device.seen_at,
            live=self._live.is_live(device.id),
        )


def _take_push(device: MobileDevice, push: PushForm, now: float) -> None:
    device.service, device.push_kind = push.service.value, push.kind
    device.push_token, device.alert_token = push.token, push.alert_token
    device.environment, device.bundle_id = push.environment, push.bundle_id
    device.p256dh, device.auth = push.p256dh, push.auth
    device.registered_at = now
    if device.active:
        device.disabled_why = ""
