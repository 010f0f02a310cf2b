"""Keys that phones tell by INFO."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from trunkline.call.sip_info import key_of


@pytest.mark.parametrize(
    ("kind", "body", "key"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", "5"),
        ("application/dtmf-relay", b"signal = # \r\n", "#"),
        ("Application/DTMF-Relay; charset=utf-8", b"Duration=160\nSignal=a", "A"),
        ("application/dtmf-relay", b"Signal=10\r\n", "*"),
        ("application/dtmf", b"7", "7"),
        ("application/dtmf", b"11", "#"),
        ("application/dtmf", b"77", ""),
        ("application/dtmf", b"", ""),
        ("application/dtmf", b"\xff", ""),
        ("application/dtmf-relay", b"Duration=160", ""),
        ("application/dtmf-relay", b"Signal=", ""),
        ("application/media_control+xml", b"5", ""),
    ],
)
def test_a_key_is_read_in_both_forms(kind: str, body: bytes, key: str) -> None:
    info: Any = SimpleNamespace(content_type=kind, body=body)
    assert key_of(info) == key
