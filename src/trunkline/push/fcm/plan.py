"""What is configured of FCM."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from trunkline.net.http_proxy import HttpProxy

GOOGLE: Final = "https://fcm.googleapis.com"


@dataclass(frozen=True, slots=True)
class FcmPlan:
    """``service_account`` is the JSON text of a service account's key, or ``service_account_path`` its file.

    The file is read again when it changes. ``project_id`` "" is the account's. ``base_url`` is Google's API or what
    stands in for it. ``timeout_s`` is for one attempt; a notification gets two at most. ``at_once`` connections are
    open at most.
    """

    service_account_path: Path | None = None
    service_account: str = field(default="", repr=False)
    project_id: str = ""
    base_url: str = GOOGLE
    ca: Path | None = None
    proxy: HttpProxy | None = None
    timeout_s: float = 2.5
    at_once: int = 64
