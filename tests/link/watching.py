"""The stage with events, and phones that watch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.link.memory_network import Weather
from tests.link.phones import Party
from tests.link.stage import DOMAIN, HOST, Stage
from trunkline.base.story import Story
from trunkline.model.binding import Binding
from trunkline.pbx.events.plane import EventPolicy, Events
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Request, Response
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.registrar.location import Location
from trunkline.ua.subscriptions import NotifierPolicy

DIALOG = "dialog"
MINUTE = NotifierPolicy(min_expires_s=60, max_expires_s=3600, default_expires_s=600)


class EventStage(Stage):
    """The exchange with its door for events. ``told`` holds the steps that stories ended with."""

    def __init__(
        self, weather: Weather | None = None, seed: int = 1, policy: EventPolicy | None = None, **rest: Any
    ) -> None:
        super().__init__(weather, seed, **rest)
        self.location = Location()
        self.told: list[tuple[str, str]] = []
        self.strangers: list[str] = []
        self.events = Events(
            self.directory,
            self.door.authenticator,
            self.context,
            self.calls,
            self.location,
            self._targets,
            policy or EventPolicy(MINUTE),
            on_refused=lambda source, _story: self.strangers.append(source),
            on_story=self._tell,
        )
        self.endpoint.set_doors([self.door, self.refer_door, self.events.door])

    def _tell(self, user: str, story: Story) -> None:
        self.told.append((user, story.last_code))

    def register(
        self, number: str, host: str = "192.0.2.1", lasts_s: float = 3600.0, tenant: str = "t1"
    ) -> Binding:
        """A contact of an extension."""
        now = self.wall()
        contact = f"sip:{number}@{host}"
        flow = f"1|udp|10.0.0.100:5060|{host}:5060"
        made = Binding(
            tenant, number, f"{number}-{host}", contact, flow, f"{host}:5060", "reg", 1, now, now + lasts_s
        )
        self.location.add(made)
        return made

    def watcher(self, number: str = "1002", event: str = DIALOG, **rest: Any) -> Watcher:
        """The next party as one that watches a number."""
        return Watcher(self, self.party(), number, event, **rest)

    async def settle(self, seconds: float = 4000.0) -> None:
        """Longer than any subscription lasts, too."""
        await super().settle(seconds)
        assert not self.events.notifier.count
        assert self.context.on_change is None, "calls tell nobody any more"
        assert not self.location.watchers


class Dialogs(dict[str, Any]):
    """A phone's dialogs, found by Call-ID alone: a NOTIFY may overtake the answer that makes its dialog."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key.rpartition(" ")[2], default)


class Watcher:
    """A phone that subscribes; ``answers`` NOTIFY with a status and header lines, or not at all when it is 0."""

    def __init__(
        self, stage: EventStage, party: Party, number: str, event: str = DIALOG, accept: str = ""
    ) -> None:
        self.stage = stage
        self.party = party
        self.number = number
        self.event = event
        self.accept = accept
        self.answers = 200
        self.extra = ""
        self.heard: list[Request] = []
        self.unanswered: Incoming | None = None
        self.at: list[float] = []
        self.on_notify: Callable[[Request], None] = lambda _request: None
        self.to = f"<sip:{number}@{DOMAIN}>"
        self.call_id = party.endpoint.ids.call_id()
        self.tag = party.endpoint.ids.tag()
        self.cseq = 0
        self.news = asyncio.Event()
        dialogs = party.endpoint.subscriptions
        party.endpoint.subscriptions = Dialogs({**dialogs, self.call_id: self})

    def receive(self, incoming: Incoming) -> None:
        """A NOTIFY."""
        incoming.begin()
        self.heard.append(incoming.request)
        self.at.append(self.stage.loop.time())
        self.on_notify(incoming.request)
        self.unanswered = incoming
        if self.answers:
            self.late(self.answers)
        self.news.set()

    def late(self, status: int) -> None:
        """Answer the last NOTIFY."""
        assert self.unanswered is not None
        self.unanswered.respond(status, extra=self.extra, now=self.stage.loop.time())

    async def subscribe(self, expires: int | None = 600, **rest: Any) -> Response:
        """Subscribe, or refresh what there is; with credentials when they are asked for."""
        endpoint = self.party.endpoint
        self.cseq += 1
        flow = self.party.node.flow_to("UDP", HOST, 5060)
        extra = f"Event: {rest.pop('event', self.event)}\r\n" + rest.pop("extra", "")
        extra += "" if expires is None else f"Expires: {expires}\r\n"
        extra += f"Accept: {self.accept}\r\n" if self.accept else ""
        draft = Draft(
            rest.pop("method", "SUBSCRIBE"),
            rest.pop("uri", f"sip:{self.number}@{HOST}"),
            f"<sip:watcher@{DOMAIN}>;tag={self.tag}",
            self.to,
            self.call_id,
            self.cseq,
            contact=rest.pop("contact", endpoint.contact(flow)),
            extra=extra,
            **rest,
        )
        response = await endpoint.request(draft, flow, authorizer=self.party.authorizer())
        self.cseq = max(self.cseq, response.cseq[0]) if response.headers else self.cseq
        if 200 <= response.status < 300:
            self.to = response.headers["To"]
        return response

    async def hears(self, count: int, within_s: float = 100.0) -> Request:
        """Wait until it has heard so many NOTIFYs; the last of them."""
        async with asyncio.timeout(within_s):
            while len(self.heard) < count:
                self.news.clear()
                await self.news.wait()
        return self.heard[count - 1]

    @property
    def states(self) -> list[str]:
        """The Subscription-State of each NOTIFY."""
        return [one.headers["Subscription-State"] for one in self.heard]

    @property
    def bodies(self) -> list[str]:
        return [one.body.decode() for one in self.heard]
