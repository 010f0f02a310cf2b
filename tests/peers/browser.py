"""A browser's phone: JsSIP in Chromium without a window, with WebRTC, a microphone that plays a tone, and Opus."""

from __future__ import annotations

from pathlib import Path

from tests.peers.programs import program
from tests.peers.tones import write_tone
from tests.peers.web_client import FOLDER, WebClient

_TONE_S = 30.0


class BrowserClient(WebClient):
    """As ``WebClient``; certificates are not checked, and ``tone_hz`` is what its microphone hears.

    ``folder`` takes the file of the tone.
    """

    def __init__(self, url: str, uri: str, password: str, folder: Path, *, tone_hz: float = 440.0) -> None:
        super().__init__(url, uri, password, tone_hz=tone_hz)
        self._tone = folder / f"microphone-{tone_hz:.0f}.wav"

    def _script(self) -> list[str]:
        write_tone(self._tone, self._tone_hz, _TONE_S, rate=48_000)
        return [str(FOLDER / "browser.mjs"), program("chromium"), *self._account, str(self._tone)]
