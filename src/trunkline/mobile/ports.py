"""What a call that is handed to an app needs of others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

from trunkline.base.errors import CallFailed
from trunkline.model.device import MobileCall, MobileDevice
from trunkline.push.notification import Fate, Notification


class DeviceBook(Protocol):
    """The devices, in memory."""

    def of_account(self, tenant: str, account_id: str) -> Iterable[MobileDevice]:
        """The active devices of an account."""
        ...

    def find(self, tenant: str, device_id: str) -> MobileDevice | None:
        """One device, None when it is not there any more."""
        ...

    def disable(self, tenant: str, device_id: str, token: str, why: str) -> None:
        """No push goes to this token any more, and why; nothing when the device has another token by now."""
        ...

    def learn_environment(self, tenant: str, device_id: str, environment: str) -> None:
        """The device's tokens belong to ``production`` or ``sandbox``."""
        ...


class Live(Protocol):
    """The live channel."""

    def is_live(self, device_id: str) -> bool:
        """Whether the device is connected to it now."""
        ...

    def tell(
        self,
        tenant: str,
        owner: str,
        name: str,
        call_token: str = "",
        device_id: str = "",
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Tell an event of ``base.app_event`` to all devices of the owner, now or when they come back."""
        ...


class PushSender(Protocol):
    """All services that carry notifications."""

    async def send(self, notification: Notification) -> Fate:
        """Send one by the service of its address; does not raise for what a provider does."""
        ...


class CallJournal(Protocol):
    """Where hand-overs are written down."""

    def write_call(self, call: MobileCall) -> Awaitable[None]:
        """Write one, new or known; done when it is committed. Its errors are TrunklineErrors, at once or awaited."""
        ...

    def on_disk(self) -> Awaitable[None]:
        """Done when all before is committed. Its errors are TrunklineErrors, at once or awaited."""
        ...

    def keep_calls(self, calls: Iterable[MobileCall]) -> None:
        """Write them, new or known, some time soon. Its errors are TrunklineErrors."""
        ...

    def forget_calls(self, calls: Iterable[tuple[str, str]]) -> None:
        """Delete them by (tenant, token), some time soon."""
        ...


class AppLine(Protocol):
    """An app's leg, as far as mobile acts on it: ``call.app_leg.AppLeg``."""

    id: str
    confirmed: bool

    @property
    def answered(self) -> bool:
        """Whether it was accepted."""
        ...

    @property
    def ends_here(self) -> bool:
        """Whether its media comes to us, so that its description is of a path to us."""
        ...

    @property
    def done(self) -> bool:
        """Whether it is over."""
        ...

    def ring(self) -> None:
        """The phone rings."""
        ...

    def accept(self, body: bytes) -> None:
        """Take the call; raises RemoteProtocolError for a description that cannot be read."""
        ...

    def decline(self, status: int, reason: str = "") -> None:
        """Do not take it."""
        ...

    def give_up(self, failure: CallFailed) -> None:
        """Nobody is there to take it."""
        ...

    def leave(self) -> None:
        """Hang up, in whatever state."""
        ...

    def change(self, body: bytes, on_done: Callable[[int, bytes], None]) -> None:
        """Offer the other party a change."""
        ...

    def hold(self, held: bool, on_done: Callable[[int, bytes], None]) -> None:
        """Offer it the last description with another direction."""
        ...

    def answer_change(self, body: bytes) -> None:
        """Accept what it asked for."""
        ...

    def refuse_change(self, status: int) -> None:
        """Refuse it."""
        ...

    def press(self, digits: str, duration_ms: int, on_done: Callable[[int, bytes], None]) -> None:
        """Send key presses."""
        ...

    def transfer(self, target: str, on_done: Callable[[int, bytes], None]) -> None:
        """Hand the other party on."""
        ...
