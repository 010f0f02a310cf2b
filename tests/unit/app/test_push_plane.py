"""What everybody may know of the push services."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkline.app.push_plane import UNUSABLE, PushPlane
from trunkline.app.settings import Settings
from trunkline.base.errors import ConfigError
from trunkline.push.notification import Health, Service

WRONG = ConfigError(
    "settings", "push.apns.certificate", "/etc/keys/voip.pem, which cannot be read", "a PEM file"
)


@pytest.mark.parametrize("why", [str(WRONG), f"api.push.apple.com: {WRONG}", "503 Shutdown"])
def test_paths_of_our_files_are_told_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    plane = PushPlane(Settings(), tmp_path, lambda: 0.0)
    monkeypatch.setattr(plane.pushers, "health", lambda: (Health(Service.APNS, "failing", why),))
    (told,) = plane.health()
    assert told.word == "failing"
    assert told.why == (UNUSABLE if "/etc" in why else why)
