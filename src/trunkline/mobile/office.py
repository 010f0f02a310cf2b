"""What all calls of apps share: clocks, the live channel, pushes, the journal, and how patient we are."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from trunkline.base.wheel import TimerWheel
from trunkline.call.passing_media import MediaPolicy
from trunkline.media.leg_security import Encryption
from trunkline.mobile.call_journal import HandOverJournal
from trunkline.mobile.ports import DeviceBook, Live

if TYPE_CHECKING:
    from trunkline.mobile.app_calls import AppCalls
    from trunkline.mobile.pushing import Pushing
    from trunkline.model.device import MobileDevice

Provisional: TypeAlias = Literal["on_invite", "on_push_accepted", "on_device_fetch"]
CancelPush: TypeAlias = Literal["alert", "background", "off"]


@dataclass(frozen=True, slots=True)
class HandOverPolicy:
    """Times in seconds. They nest: a provider's answer, ``contact_s`` (T1), ``answer_s`` (T2), the caller's patience.

    ``contact_s`` is how long a device has to get in touch, ``answer_s`` how long it may ring from then on; whoever
    calls is told ``no_answer_status`` then. A device on the live channel has ``live_patience_s`` to react before it
    gets a push too. ``provisional`` says when the caller hears that it rings; it is told so again each ``repeat_s``,
    before a Timer C (3 minutes, RFC 3261 §16.6) on the way ends the call. ``show_caller`` puts who calls into pushes.
    ``cancel_push`` is how a phone that rings is told that nobody calls any more; ``gateway_url`` where its app asks.
    """

    provisional: Provisional = "on_push_accepted"
    contact_s: float = 20.0
    answer_s: float = 45.0
    no_answer_status: int = 480
    live_patience_s: float = 2.0
    repeat_s: float = 60.0
    show_caller: bool = True
    cancel_push: CancelPush = "alert"
    gateway_url: str = ""
    media: Literal["bypass", "relay", "encrypted"] = "bypass"

    @property
    def way(self) -> MediaPolicy:
        """Whether packets of calls with other exchanges pass here."""
        return "bypass" if self.media == "bypass" else "relay"

    @property
    def encryption(self) -> Encryption:
        """What apps are offered."""
        return "dtls" if self.media == "encrypted" else "off"

    @property
    def ring_s(self) -> float:
        """Longer than all else: the last resort against a device that is in no state to be waited for."""
        return self.contact_s + self.answer_s + 5.0


class Office:
    """Handed to each app's side of a call. ``now`` is the loop's time, ``wall`` gives wall-clock seconds.

    ``pushing`` and ``calls`` are put in by whoever makes them; ``policy`` may be replaced while we run.
    """

    calls: AppCalls
    pushing: Pushing

    def __init__(
        self,
        wheel: TimerWheel,
        now: Callable[[], float],
        wall: Callable[[], float],
        spawn: Callable[[Coroutine[Any, Any, None]], Any],
        devices: DeviceBook,
        live: Live,
        journal: HandOverJournal,
        policy: HandOverPolicy | None = None,
    ) -> None:
        self.wheel = wheel
        self.now = now
        self.wall = wall
        self.spawn = spawn
        self.devices = devices
        self.live = live
        self.journal = journal
        self.policy = policy or HandOverPolicy()
        self.heard: Callable[[MobileDevice], None] = lambda _device: None
        """Told of each device that is in touch about a call: it is alive, and so is its account."""
        self.domain_of: Callable[[str | None], str] = lambda _account_id: ""
        """The domain of an account as it stands in a URI: where its devices' calls are at home; "" when it is gone."""
