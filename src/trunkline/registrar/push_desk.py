"""The registrar's desk for phones that sleep: who is to be woken, who is awake, who has come (RFC 8599 §5)."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from trunkline.base.errors import RemoteProtocolError
from trunkline.model.binding import Binding
from trunkline.net.flow import Flow
from trunkline.proto.sip.message import Request
from trunkline.push.notification import Fate, Outcome
from trunkline.registrar.location import Location
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.registrar.ports import PushRecords, Wake, Waker
from trunkline.registrar.push_parameters import has_push, push_key
from trunkline.registrar.push_record import PushRecord
from trunkline.registrar.push_services import PushAsk, PushServices
from trunkline.registrar.registration import Changes
from trunkline.registrar.waking_policy import WakingPolicy

FlowFromToken: TypeAlias = Callable[[str], Flow | None]
Came: TypeAlias = Callable[[Binding], None]
MOST_PURRS: Final = 200_000
_PURR_BYTES: Final = 20


class Watch:
    """Somebody waits for a phone; ``came(binding)`` is called once, after the 2xx of its next REGISTER."""

    __slots__ = ("came", "record")

    def __init__(self, record: PushRecord, came: Came) -> None:
        self.record = record
        self.came = came


class PushDesk:
    """``records`` are kept longer than bindings; ``waker`` sends; ``purr_key`` (secret) makes the PURRs.

    ``on_registered(record, binding)`` hears of each REGISTER of such a phone, ``on_gone(record)`` of phones that are
    not woken any more.
    """

    def __init__(
        self,
        services: PushServices,
        records: PushRecords,
        waker: Waker,
        location: Location,
        flow_from_token: FlowFromToken,
        *,
        wall: Callable[[], float],
        purr_key: bytes,
        policy: WakingPolicy | None = None,
        registrar: RegistrarPolicy | None = None,
    ) -> None:
        self.services = services
        self.records = records
        self.policy = policy or WakingPolicy()
        self.registrar = registrar or RegistrarPolicy()
        self.location = location
        self.flow_from_token = flow_from_token
        self.wall = wall
        self.on_registered: Callable[[PushRecord, Binding], None] = lambda _record, _binding: None
        self.on_gone: Callable[[PushRecord], None] = lambda _record: None
        self._waker = waker
        self._purr_key = purr_key
        self._watches: dict[tuple[str, str], list[Watch]] = {}
        self._purrs: dict[str, tuple[str, str]] = {}

    # What the door asks

    def read(self, request: Request) -> PushAsk | None:
        """What a REGISTER asks for, None without push parameters; raises RemoteProtocolError, among them a 555."""
        if not has_push(request.headers.get("Contact", "")) or not self.services:
            return None
        return self.services.read(request)

    def lines(self, ask: PushAsk, tenant: str, user: str) -> str:
        """The header lines that the 200 has besides."""
        purr = self.purr(tenant, user, ask.wanted[0].key) if ask.wanted else ""
        if purr:
            self._give(purr, tenant, user)
        return self.services.lines(ask, purr)

    def _give(self, purr: str, tenant: str, user: str) -> None:
        if purr not in self._purrs:
            if len(self._purrs) >= MOST_PURRS:
                del self._purrs[next(iter(self._purrs))]
            self._purrs[purr] = tenant, user

    def restore(self, records: Iterable[PushRecord]) -> None:
        """Know the PURRs that the process before us gave: calls outlive it."""
        for one in records:
            self._give(self.purr(one.tenant, one.user, one.key), one.tenant, one.user)

    def registered(self, ask: PushAsk, tenant: str, user: str, now: float) -> None:
        """The 2xx is on its way: the phones are kept, and who waits for them is told."""
        for left in ask.left:
            self._left(tenant, user, left.key)
        known = self.location.all_of(tenant, user)
        for wanted in ask.wanted:
            binding = next(
                (one for one in known if one.expires_at > now and _key_of(one) == wanted.key), None
            )
            if binding is None:
                self._left(tenant, user, wanted.key)
                continue
            record = self._record(tenant, user, wanted.key, binding.instance or "", now)
            self.records.keep(record)
            self.on_registered(record, binding)
            self._tell(record, binding)

    def _record(
        self, tenant: str, user: str, key: tuple[str, str, str], instance: str, now: float
    ) -> PushRecord:
        for one in self.records.of(tenant, user):
            if one.key == key and one.instance == instance:
                one.registered_at = now
                return one
        return PushRecord(tenant, user, *key, instance, now)

    def _left(self, tenant: str, user: str, key: tuple[str, str, str]) -> None:
        for one in self.records.of(tenant, user):
            if one.key == key:
                self.forget(one)

    def changed(self, tenant: str, user: str, changes: Changes, *, left: bool) -> None:
        """Bindings were made and ended by a phone's own word; what merely expires is never told here.

        ``left``: the extension leaves with all its phones.
        """
        if not self.records.of(tenant, user):
            return
        if left:
            self.forget_all(tenant, user)
        added = {_key_of(binding) for binding in changes.added}
        for binding in changes.removed:
            key = _key_of(binding)
            if key is not None and key not in added:
                self._left(tenant, user, key)
        # RFC 8599 §4.1.2: a phone that leaves its push parameters out does not want to be woken any more.
        plain = {one.instance for one in changes.added if one.instance and not has_push(one.contact)}
        for record in tuple(self.records.of(tenant, user)):
            if record.instance in plain:
                self.forget(record)

    def forget_all(self, tenant: str, user: str) -> None:
        """An extension leaves with all its phones, or is removed; with "" a whole tenant is."""
        for one in tuple(self.records.of(tenant, user) if user else self.records.all_of(tenant)):
            self.forget(one)

    def forget(self, record: PushRecord) -> None:
        """A phone that is not to be woken any more."""
        self.records.forget(record)
        self.on_gone(record)

    # Who is awake

    def asleep(self, tenant: str, user: str, live: Sequence[Binding]) -> Sequence[PushRecord]:
        """The phones of an AOR that have to be woken; ``live`` are its bindings that have not expired."""
        records = self.records.of(tenant, user)
        if not records or not self.services:
            return ()
        awake = [binding for binding in live if self.is_awake(binding)]
        keys = {_key_of(binding) for binding in awake}
        instances = {binding.instance for binding in awake if binding.instance}
        return [
            one
            for one in records
            if one.key not in keys and one.instance not in instances and self.services.has(one.provider)
        ]

    def to_ring(self, live: Sequence[Binding], asleep: Sequence[PushRecord]) -> list[Binding]:
        """The bindings without those of the phones that sleep: what is sent there now reaches nobody."""
        keys = {one.key for one in asleep}
        instances = {one.instance for one in asleep if one.instance}
        return [one for one in live if one.instance not in instances and _key_of(one) not in keys]

    def away(self, tenant: str, user: str, live: Sequence[Binding]) -> int:
        """How many phones of an AOR have no binding any more, and can be woken."""
        if not self.records.of(tenant, user):
            return 0
        keys = {_key_of(binding) for binding in live}
        instances = {binding.instance for binding in live if binding.instance}
        asleep = self.asleep(tenant, user, live)
        return sum(one.key not in keys and one.instance not in instances for one in asleep)

    def drowsy(self, tenant: str, user: str, live: Sequence[Binding]) -> Sequence[tuple[PushRecord, Binding]]:
        """Phones with a connection that stands and has not been used lately: their system may have cut it unsaid."""
        records = self.records.of(tenant, user)
        if not records or not self.services:
            return ()
        found = []
        for binding in live:
            alone = not binding.instance or sum(one.instance == binding.instance for one in live) == 1
            if alone and self.is_awake(binding) and not self._was_here(binding):
                key = _key_of(binding)
                found += [
                    (one, binding) for one in records if one.key == key and self.services.has(one.provider)
                ]
        return found

    def is_of(self, binding: Binding, record: PushRecord) -> bool:
        """Whether a binding is that phone's."""
        same = bool(binding.instance) and binding.instance == record.instance
        return same or _key_of(binding) == record.key

    def is_awake(self, binding: Binding) -> bool:
        """Whether a phone hears what is sent to it now: its connection is open, or it was here just now."""
        flow = self.flow_from_token(binding.flow)
        if flow is None or flow.reliable:
            return flow is not None
        return self._was_here(binding)

    def _was_here(self, binding: Binding) -> bool:
        at = binding.refreshed_at if binding.refreshed_at is not None else binding.registered_at
        return self.wall() - at < self.policy.awake_s

    def purr(self, tenant: str, user: str, key: tuple[str, str, str]) -> str:
        """The reference by which requests of a dialog name a phone (RFC 8599 §6.2.1): nobody can guess it."""
        text = "\0".join((tenant, user, *key)).encode("utf-8", "surrogateescape")
        digest = hmac.digest(self._purr_key, text, "sha256")[:_PURR_BYTES]
        return base64.b32encode(digest).decode().lower()

    def named(self, purr: str) -> PushRecord | None:
        """The phone that a PURR names; None for one that nobody was given, or whose phone is gone."""
        aor = self._purrs.get(purr)
        known = self.records.of(*aor) if aor is not None else ()
        return (
            next((one for one in known if self.purr(*aor, one.key) == purr), None)
            if aor is not None
            else None
        )

    # Waking

    def watch(self, record: PushRecord, came: Came) -> Watch:
        """Call ``came`` when the phone has registered; ``unwatch`` ends it."""
        watch = Watch(record, came)
        self._watches.setdefault((record.tenant, record.user), []).append(watch)
        return watch

    def unwatch(self, watch: Watch) -> None:
        """Harmless when it was called already."""
        key = watch.record.tenant, watch.record.user
        watches = self._watches.get(key)
        if watches is not None and watch in watches:
            watches.remove(watch)
            if not watches:
                del self._watches[key]

    @property
    def watched(self) -> int:
        """How many wait for phones."""
        return sum(map(len, self._watches.values()))

    def _tell(self, record: PushRecord, binding: Binding) -> None:
        watches = self._watches.get((record.tenant, record.user))
        if watches is None:
            return
        for watch in [one for one in watches if one.record.is_same_phone(record)]:
            self.unwatch(watch)
            watch.came(binding)

    async def wake(self, record: PushRecord, wake: Wake) -> Fate:
        """Send a push; a phone whose token proves dead is forgotten."""
        fate = await self._waker.wake(record, wake)
        if fate.environment:
            record.environment = fate.environment
            self.records.keep(record)
        # The phone may have registered with the same token after the provider last saw it gone.
        newer = fate.since is not None and record.registered_at >= fate.since
        if fate.outcome in {Outcome.GONE, Outcome.MISMATCH} and not newer:
            self.forget(record)
        return fate


def _key_of(binding: Binding) -> tuple[str, str, str] | None:
    try:
        return push_key(binding.contact)
    except RemoteProtocolError:
        return None
