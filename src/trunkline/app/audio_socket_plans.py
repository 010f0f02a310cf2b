"""The programs of ``[[audio_sockets]]``, as calls need them."""

from __future__ import annotations

from trunkline.app.secret_values import secret_of
from trunkline.app.settings import Settings
from trunkline.call.audio_socket import AudioSocketPlan


def audio_socket_plans(settings: Settings) -> dict[str, AudioSocketPlan]:
    """Each plan by the number that reaches it; raises ConfigError for a token that cannot be read."""
    return {
        one.number: AudioSocketPlan(one.url, one.rate_hz, secret_of(one, f"audio_sockets[{place}]", "token"))
        for place, one in enumerate(settings.audio_sockets)
    }
