"""What pushing by APNs needs to be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PRODUCTION: Final = "production"
SANDBOX: Final = "sandbox"


@dataclass(frozen=True, slots=True)
class ApnsKey:
    """A token signing key of Apple's (``AuthKey_....p8``): its 10-character id, and the file or the text itself."""

    key_id: str
    path: Path | None = None
    pem: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ApnsCertificate:
    """The older way: a client certificate for one bundle id, with its key in the same PEM file or in ``key``."""

    path: Path
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class ApnsTeam:
    """One developer team: its 10-character id, the bundle id of its app, and a key or else a certificate.

    ``bundle_id`` is meant where an address names no app; ``.voip`` at its end is taken off. ``where`` is the section of
    the settings that errors name.
    """

    team: str
    bundle_id: str
    key: ApnsKey | None = None
    certificate: ApnsCertificate | None = None
    where: str = "push.apns"


@dataclass(frozen=True, slots=True)
class ApnsPlan:
    """``teams``: the first is meant where an address names none. Times are in seconds.

    ``environment`` is the one whose connection is kept open from the start. ``ca`` is a PEM file trusted beside the
    system's authorities (for stand-ins), ``proxy`` an HTTP proxy's URL. ``request_s`` is for one notification with its
    retry; an answer that is not there after ``patience_s`` is looked for on another connection. ``queue`` are
    notifications that may wait for a connection, for each team and environment.
    """

    teams: tuple[ApnsTeam, ...]
    environment: str = PRODUCTION
    production_url: str = "https://api.push.apple.com"
    sandbox_url: str = "https://api.sandbox.push.apple.com"
    ca: Path | None = None
    proxy: str = field(default="", repr=False)
    request_s: float = 3.0
    patience_s: float = 1.2
    connect_s: float = 1.4
    ping_idle_s: float = 60.0
    pong_s: float = 1.0
    queue: int = 2000
    keep_open: bool = True
    where: str = "push"

    def url_of(self, environment: str) -> str:
        """The base URL of ``production`` or ``sandbox``."""
        return self.sandbox_url if environment == SANDBOX else self.production_url
