"""A stage with mobile apps: a gateway in front of somebody else's PBX, and apps that note what they are told."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.link.phones import Party, describe
from tests.link.stage import HOST, Stage
from trunkline.base.errors import CallFailed
from trunkline.base.story import Story
from trunkline.call.app_leg import AppLeg
from trunkline.call.call import Call, Script
from trunkline.call.leg import Info
from trunkline.call.party import Party as Caller
from trunkline.call.passing_media import MediaPolicy
from trunkline.call.target import Target, static_targets
from trunkline.net.flow import Flow
from trunkline.pbx import scripts
from trunkline.proto.sip.transaction.incoming import Incoming

ANSWER = describe("192.0.2.77", "a=x-app:yes", version=5)
OTHER = describe("192.0.2.88", version=5)


class App:
    """An ``AppSide`` that notes all it is told. ``takes``: what it answers a call with, at once."""

    def __init__(self, label: str = "phone-1", *, takes: bytes | None = None) -> None:
        self.label = label
        self.takes = takes
        self.said: list[str] = []
        self.heard: list[bytes] = []
        self.infos: list[Info] = []
        self.reasons: list[str] = []
        self.done: list[tuple[int, bytes]] = []
        self.reachable = True
        self.answers: bytes | int | None = None
        self._leg: AppLeg | None = None
        self._changed = asyncio.Event()

    @property
    def leg(self) -> AppLeg:
        assert self._leg is not None
        return self._leg

    def target(self, ring_timeout_s: float | None = None) -> Target:
        return Target(app=self, ring_timeout_s=ring_timeout_s)

    # call.app_leg.AppSide

    def offered(self, leg: AppLeg, body: bytes) -> None:
        self._leg = leg
        self._say("offered", body)
        if self.takes is not None:
            leg.accept(self.takes)

    def taken(self, leg: AppLeg) -> None:
        """The caller knows."""

    def confirmed(self, leg: AppLeg, body: bytes) -> None:
        self._say("confirmed", body)

    def progressed(self, leg: AppLeg, status: int, body: bytes) -> None:
        self._say(str(status), body)

    def answered(self, leg: AppLeg, body: bytes) -> None:
        self._say("answered", body)

    def failed(self, leg: AppLeg, failure: CallFailed) -> None:
        self._say(f"failed {failure.status} {failure.code}", b"")

    def ended(self, leg: AppLeg, reason: str, code: str, by: str) -> None:
        self.reasons.append(reason)
        self._say(f"ended {code} {by}", b"")

    def asked(self, leg: AppLeg, body: bytes) -> bool:
        self._say("asked", body)
        if not self.reachable:
            return False
        if isinstance(self.answers, int):
            leg.refuse_change(self.answers)
        elif self.answers is not None:
            leg.answer_change(self.answers)
        return True

    def withdrawn(self, leg: AppLeg) -> None:
        self._say("withdrawn", b"")

    def informed(self, leg: AppLeg, info: Info) -> bool:
        self.infos.append(info)
        return self.reachable

    # What tests do

    def on_done(self, status: int, body: bytes) -> None:
        self.done.append((status, body))
        self._changed.set()

    def _say(self, what: str, body: bytes) -> None:
        self.said.append(what)
        self.heard.append(body)
        self._changed.set()

    async def until(self, what: str, within_s: float = 300.0) -> bytes:
        """Wait, in the loop's time, until this was told; the description that came with it."""
        async with asyncio.timeout(within_s):
            while what not in self.said:
                self._changed.clear()
                await self._changed.wait()
        return self.heard[self.said.index(what)]

    async def until_done(self, count: int = 1, within_s: float = 300.0) -> tuple[int, bytes]:
        """Wait until so many requests of the app's are done; the outcome of the last."""
        async with asyncio.timeout(within_s):
            while len(self.done) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.done[count - 1]


class GatewayDoor:
    """Calls that come to ``app`` from the PBX are handed to the apps."""

    methods = frozenset({"INVITE"})

    def __init__(self, stage: AppStage) -> None:
        self._stage = stage

    def claim(self, incoming: Incoming, flow: Flow) -> bool:
        if not incoming.request.uri.startswith("sip:app@") or incoming.request.to_tag is not None:
            return False
        call = self._stage.new_call("2001")
        call.begin(incoming, flow, self._stage.script)
        self._stage.calls.add(call)
        return True


class AppStage(Stage):
    """``media`` is the policy of the calls, ``foreign`` whether the parties are of somebody else's PBX."""

    def __init__(self, *, media: MediaPolicy = "bypass", foreign: bool = True, **rest: Any) -> None:
        super().__init__(**rest)
        self.media: MediaPolicy = media
        self.foreign = foreign
        self.apps: list[App] = []
        self.script: Script = self._ring_all
        self.endpoint.set_doors([GatewayDoor(self), self.door, self.refer_door])

    def new_call(self, caller: str) -> Call:
        party = Caller(caller, "other.test", "Carol")
        story = Story(self.loop.time())
        return Call(self.context, "t1", party, "app", story, media=self.media, foreign=self.foreign)

    async def _ring_all(self, call: Call) -> None:
        await scripts.ring(static_targets([app.target() for app in self.apps]))(call)

    def app(self, **rest: Any) -> App:
        """One more device that rings."""
        app = App(f"phone-{len(self.apps) + 1}", **rest)
        self.apps.append(app)
        return app

    def invite(self, party: Party, body: bytes | None = None, **rest: Any) -> None:
        """A call from the PBX to the apps."""
        self.dial(party, "app", body, **rest)

    async def talk(self, party: Party, app: App, answer: bytes = ANSWER) -> Call:
        """A call from the PBX that the app takes."""
        self.invite(party)
        await app.until("offered")
        app.leg.accept(answer)
        await party.until("answered")
        await app.until("confirmed")
        return self.calls.all[-1]

    def place(self, app: App, *targets: Target, offer: bytes = ANSWER) -> Call:
        """A call from an app to the PBX."""
        call = self.new_call("2001")
        app._leg = call.begin_app(app, offer, scripts.ring(static_targets(targets)))
        self.calls.add(call)
        return call

    def pbx(self, **rest: Any) -> tuple[Party, Target]:
        """A party of the PBX, and how it is called."""
        party = self.party(**rest)
        return party, Target(f"sip:bob@{party.host}", label=party.host)

    def body_of(self, source: str, start: str, count: int = 1) -> bytes:
        """The body of a message that a host has sent."""
        return self.sent(source, start)[count - 1].partition(b"\r\n\r\n")[2]


__all__ = ["ANSWER", "HOST", "OTHER", "App", "AppStage"]
