"""A ``net`` without sockets, and calls that are only their legs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.unit.app.trace.samples import sip
from trunkline.net import Listener
from trunkline.net.tap import Tap

LISTENER = Listener("udp:192.0.2.1:5060")


class FakeNet:
    """Hands messages to whoever taps it."""

    def __init__(self) -> None:
        self.on: Tap | None = None

    def tap(self, tap: Tap | None) -> None:
        self.on = tap

    def show(
        self, data: str, *, incoming: bool = True, remote: str = "192.0.2.10", listener: Listener = LISTENER
    ) -> None:
        if self.on is not None:
            self.on(data.encode(), listener, (remote, 5062), incoming)


def fake_call(name: str, caller: str, callee: str, *call_ids: str) -> Any:
    legs = [SimpleNamespace(outcome=SimpleNamespace(sip_call_id=one)) for one in call_ids]
    return SimpleNamespace(id=name, legs=legs, caller=SimpleNamespace(number=caller), callee=callee)


def invite(call_id: str, target: str = "1002") -> str:
    return sip(f"INVITE sip:{target}@pbx.test SIP/2.0", call_id=call_id)
