"""What is sent, to whom, and what became of it: the same for all services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from trunkline.base.values import value


class Service(StrEnum):
    """Who carries a notification."""

    APNS = "apns"
    FCM = "fcm"
    WEBPUSH = "webpush"  # UnifiedPush speaks the same protocol
    WEBHOOK = "webhook"


class Purpose(StrEnum):
    """What it is for, which decides how urgently it goes and by which token.

    ``CALL`` must make the phone ring (APNs: VoIP push, FCM: high priority). ``ALERT`` is shown to a person: a missed
    call, a call that was answered elsewhere. ``BACKGROUND`` wakes an app for something that is no call.
    """

    CALL = "call"
    ALERT = "alert"
    BACKGROUND = "background"


@value
class PushAddress:
    """One app on one phone.

    ``token`` is what its service calls it: a device token, a registration token or FID, the URL of an endpoint.
    ``kind`` says which of several sorts it is: ``voip`` or ``alert`` (APNs), ``token`` or ``fid`` (FCM). ``app`` is the
    bundle id without ``.voip`` (APNs) or the project (FCM), "" for the configured one; ``team`` the APNs team, ""
    likewise; ``environment`` "production" or "sandbox" (APNs). ``p256dh`` and ``auth`` are the keys of a Web Push
    subscription (RFC 8291 §3.1), as unpadded base64url.
    """

    service: Service
    token: str = field(repr=False)
    kind: str = ""
    app: str = ""
    team: str = ""
    environment: str = "production"
    p256dh: str = field(default="", repr=False)
    auth: str = field(default="", repr=False)


@value
class Notification:
    """``id`` is a UUID, the provider's name for it where it takes one. ``data`` are texts for the app.

    ``title`` and ``body`` are shown to a person when the app does not run. ``expires_at`` (wall-clock seconds) is when
    nobody wants it any more; 0: it is delivered now or never. Notifications with the same ``collapse`` (64 bytes
    at most) replace each other on the phone.
    """

    address: PushAddress
    purpose: Purpose
    id: str
    data: Mapping[str, str]
    title: str = ""
    body: str = ""
    expires_at: float = 0.0
    collapse: str = ""


class Outcome(StrEnum):
    """What became of it.

    ``SENT``: the provider has taken it. ``GONE``: the token is dead. ``MISMATCH``: a token of another app, project or
    environment. ``SUSPECT``: so it is said, and our settings may be to blame: no token is given up. ``REFUSED``: what
    we sent, or who we are, is wrong: nothing that a retry mends. ``BUSY``: this device gets too many. ``UNAVAILABLE``:
    the provider cannot be reached or is in trouble. ``DROPPED``: our queue was full.
    """

    SENT = "sent"
    GONE = "gone"
    MISMATCH = "mismatch"
    SUSPECT = "suspect"
    REFUSED = "refused"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"
    DROPPED = "dropped"


@value
class Fate:
    """``status`` is the provider's HTTP status, 0 without one; ``reason`` its word, fit for logs, without any token.

    ``since`` (wall-clock seconds) is since when the provider knows that a token is dead (APNs 410), None when it does
    not say. ``retry_after_s`` is what it asks us to wait. ``environment`` is set when the token proved to belong to
    another one than we thought, and the notification was taken there.
    """

    outcome: Outcome
    status: int = 0
    reason: str = ""
    since: float | None = None
    retry_after_s: float = 0.0
    environment: str = ""

    @property
    def sent(self) -> bool:
        return self.outcome is Outcome.SENT


@dataclass(frozen=True, slots=True)
class Health:
    """How a provider does: ``word`` is ``ready``, ``idle`` (nothing was sent yet), ``failing``, ``suspect``, ``unset``.

    ``suspect``: it calls tokens another app's in a way that wrong settings would explain (``push.trust``).

    ``why`` says what is wrong, ``since`` (wall-clock seconds) since when it is as it is; ``queued`` notifications wait.
    """

    service: Service
    word: str
    why: str = ""
    since: float = 0.0
    queued: int = 0


class Pusher(Protocol):
    """One provider. Retries that cannot ring a phone twice are its own affair."""

    service: Service

    async def send(self, notification: Notification) -> Fate:
        """Send one; never raises for what a provider or the network does, and returns within a few seconds."""
        ...

    def health(self) -> Health:
        """How it does now."""
        ...

    def aim_of(self, address: PushAddress) -> str:
        """What of the settings decides whether a token is taken there, in words fit for logs; "" for none of them."""
        ...

    async def start(self) -> None:
        """Begin what it does in the background; raises ConfigError for a key that cannot be used."""
        ...

    async def stop(self) -> None:
        """End connections and tasks."""
        ...
