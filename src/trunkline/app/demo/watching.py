"""Where the arrows come from: the SIP messages at the PBX, and the pushes at the stand-ins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

from trunkline.app.demo.app import App
from trunkline.app.demo.play import Play
from trunkline.app.demo.steps import CALLER, GATEWAY, PBX, PUSH
from trunkline.app.trace.facts import facts_of
from trunkline.app.trace.tracer import Seen
from trunkline.net import host_port
from trunkline.push.doubles.apns import FakeApns
from trunkline.push.doubles.fcm import FakeFcm

_TYPES: Final = {"voip": "VoIP"}  # as people write it


class SipView:
    """Every message of a play comes by the PBX: from or to the caller, at ``caller``, or else the gateway."""

    def __init__(self, play: Play) -> None:
        self.caller = ""
        self._play = play

    def take(self, seen: Seen) -> None:
        """One message (``trace.Viewer``)."""
        facts = facts_of(seen.data)
        other = CALLER if host_port(*seen.remote) == self.caller else GATEWAY
        source, target = (other, PBX) if seen.incoming else (PBX, other)
        good = None if not facts.status else facts.status < 300
        note = ", ".join(one for one in facts.notes if not one.startswith("CSeq "))
        self._play.arrow("sip", source, target, facts.label, note, good=good, method=facts.method)


class Pushes(Protocol):
    """A stand-in as it is watched."""

    async def follow(self, play: Play, apps: Iterable[App]) -> None:
        """Tell of each push and give it to its app, for ever."""


class ApnsPushes:
    """Those for iPhones."""

    def __init__(self, apns: FakeApns) -> None:
        self._apns = apns

    async def follow(self, play: Play, apps: Iterable[App]) -> None:
        while True:
            push = await self._apns.next_push()
            note = f"APNs, {push.payload.get('type', 'incoming_call')}"
            app = _app_of(apps, push.token)
            _tell(
                play,
                f"{_TYPES.get(push.push_type, push.push_type)} push",
                note,
                push.status,
                push.payload,
                app,
            )


class FcmPushes:
    """Those for Android."""

    def __init__(self, fcm: FakeFcm) -> None:
        self._fcm = fcm

    async def follow(self, play: Play, apps: Iterable[App]) -> None:
        while True:
            push = await self._fcm.next_push()
            note = f"FCM, {push.data.get('type', '')}, {str(push.android.get('priority', 'normal')).lower()}"
            _tell(play, "message", note, push.status, push.data, _app_of(apps, push.target))


def _app_of(apps: Iterable[App], token: str) -> App | None:
    return next((app for app in apps if token in {app.push["push_token"], app.push.get("alert_token")}), None)


def _tell(play: Play, label: str, note: str, status: int, data: Mapping[str, Any], app: App | None) -> None:
    play.arrow("push", GATEWAY, PUSH, label, note)
    play.arrow("push", PUSH, GATEWAY, str(status), good=status == 200)
    if app is not None and status == 200:
        play.arrow("push", PUSH, app.name, label)
        app.pushed.put_nowait(data)
