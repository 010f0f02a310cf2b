"""The exchange: everything that runs while ``trunkline up`` runs, put together, started and stopped in order."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import structlog

from trunkline.app.earlier_calls import EarlierCalls
from trunkline.app.earlier_flows import EarlierFlows
from trunkline.app.fence_log import FenceLog
from trunkline.app.finding import Finding
from trunkline.app.from_settings import (
    fence_policy,
    listeners_of,
    media_settings,
    registrar_policy,
    tls_settings,
)
from trunkline.app.handlers import load_directory
from trunkline.app.logs import log_call
from trunkline.app.media_story import MediaStory
from trunkline.app.reaching import Reaching, source_of_uri
from trunkline.app.recording_handlers import log_over
from trunkline.app.settings import Settings
from trunkline.app.sound_files import sounds_of
from trunkline.app.text_log import log_text
from trunkline.app.trace.tracing import Tracing
from trunkline.base.errors import TrunklineError
from trunkline.base.ids import NodeIds
from trunkline.base.story import Story
from trunkline.call.checkpoints import Checkpoints
from trunkline.call.context import CallContext
from trunkline.call.recording import CallRecordings
from trunkline.call.registry import Calls
from trunkline.media.embedded import EmbeddedMediaEngine
from trunkline.model.binding import Binding
from trunkline.model.extension import Extension
from trunkline.model.tenant import SystemScope
from trunkline.net import Flow, Net
from trunkline.net.fence import Ban, Fence
from trunkline.net.listener import split_host_port
from trunkline.pbx.directory import Directory
from trunkline.pbx.door import ExchangeDoor
from trunkline.pbx.route import Snapshot
from trunkline.pbx.text_door import TextDoor
from trunkline.proto.sip.nonce import Nonces
from trunkline.registrar.door import RegistrarDoor
from trunkline.registrar.location import Location
from trunkline.store.call_journal import CallJournal
from trunkline.store.journals import BindingJournal, RecordJournal
from trunkline.store.store import Store
from trunkline.store.writer import Writer
from trunkline.ua.authentication import Authenticator
from trunkline.ua.endpoint import Endpoint

log = structlog.get_logger("exchange")

SWEEP_S = 10.0
EARLY_MESSAGES = 4096  # that came while we started; more are lost, and sent again
GOODBYE_S = 2.0  # how long the last BYEs may take to be answered when we stop


class Exchange:
    """One node's SIP plane, media engine and state. Make it on the running loop, ``start``, ``stop``."""

    def __init__(self, settings: Settings, store: Store, data: Path) -> None:
        loop = asyncio.get_running_loop()
        self.settings = settings
        self.data = data
        self.store = store
        self.wall: Callable[[], float] = time.time
        self.started_at = self.wall()
        self.started = False
        self.stopping: asyncio.Future[float] = loop.create_future()
        self._loop = loop
        self._chores: list[asyncio.TimerHandle] = []
        self._early: deque[tuple[bytes, Flow]] = deque(maxlen=EARLY_MESSAGES)
        # State
        self.directory: Directory = load_directory(store, settings.domain)
        self.location = Location()
        self.writer = Writer(store.database, on_pressure=_tell_pressure)
        self.journal = BindingJournal(self.writer)
        # Planes
        self.fence = Fence(fence_policy(settings), self._banned)
        self.fence.is_called = self._is_called
        self._fence_log = FenceLog(loop.time, _log_registration)
        self.net = Net(loop, self._receive, tls=tls_settings(settings, data), fence=self.fence)
        ids = NodeIds(settings.node)
        self.endpoint = Endpoint(
            self.net,
            ids,
            loop,
            tag_key=store.box.derive("tags"),
            answer_to_source=lambda listener: self.settings.sip.nat and listener.role == "phones",
            fence=self.fence,
        )
        self.engine = EmbeddedMediaEngine(media_settings(settings))
        self.calls = Calls()
        self.recordings = CallRecordings(self.engine, self.calls, self.wall, log_over)
        self.tracing = Tracing(self.net, self.calls, data, settings.trace, self.wall)
        self.policy = registrar_policy(settings)
        self.reaching = Reaching(self.net, self.location, self.policy, settings.sip.sdp_profile, self.wall)
        self.earlier_flows = EarlierFlows(self.net, self.policy)
        self.endpoint.another_way = self.earlier_flows.another_way
        self.finding = Finding(settings, self.net, loop)
        self.endpoint.large.within_s = settings.sip.tcp_within_s
        self.context = self._call_context()
        self.checkpoints = Checkpoints(self.calls, CallJournal(self.writer), settings.node, self.wall)
        self.earlier = EarlierCalls(
            store.kept_calls, settings.node, self.context, self.calls, self.checkpoints
        )
        self.snapshot = Snapshot(
            self.directory,
            self.bindings_of,
            self.calls.load,
            lambda: self.settings.limits.calls_per_extension,
        )
        self.authenticator = Authenticator(
            Nonces(store.box.derive("nonces"), worker=settings.node), self.wall, fence=self.fence
        )
        self.registrar = RegistrarDoor(
            self.directory,
            self.location,
            self.journal,
            self.authenticator,
            self.policy,
            wall=self.wall,
            spawn=self.context.spawn,
            on_story=self._fence_log.registration,
        )
        self.door = ExchangeDoor(
            self.directory,
            self.snapshot,
            self.authenticator,
            self.context,
            self.calls,
            self.reaching.targets,
            self._fence_log.refused_call,
        )
        self.texts = TextDoor(
            self.directory,
            self.bindings_of,
            self.authenticator,
            self.context,
            self.reaching.targets,
            self._fence_log.refused_text,
            log_text,
        )
        self.endpoint.set_doors([self.registrar, self.door, self.texts])

    def _call_context(self) -> CallContext:
        addresses = {
            4: self.settings.media.advertise or self.settings.media.address or "127.0.0.1",
            6: media_settings(self.settings).advertise6 or "::1",
        }
        return CallContext(
            self.endpoint,
            self.engine,
            RecordJournal(self.writer),
            self.finding.next_hops,
            wall=self.wall,
            media_address=lambda family: addresses[family],
            ring_timeout_s=self.settings.sip.ring_timeout_s,
            max_forwards=self.settings.sip.max_forwards,
            sounds=sounds_of(self.data),
            on_call_over=log_call,
            on_fault=_log_fault,
        )

    def _receive(self, data: bytes, flow: Flow) -> None:
        if self.started:
            self.endpoint.receive(data, flow)
        else:
            self._early.append((data, flow))  # a BYE must not come before its call is there again

    # Life

    async def start(self) -> None:
        """Bind, restore, serve. Raises ConfigError or MediaError; what was started is stopped again then."""
        async with contextlib.AsyncExitStack() as undo:
            self.writer.start()
            undo.push_async_callback(self.writer.stop)
            await self.engine.start()
            undo.push_async_callback(self.engine.stop)
            self.recordings.listen()
            self.engine.subscribe(MediaStory(self.calls, self.settings.media.inactivity_s))
            kept = self.store.bindings.load_all(SystemScope("bindings outlive a restart"), self.wall())
            self.location.restore(kept, self.wall())
            self._let_in_known()
            self.earlier_flows.remember(kept)
            await self.earlier.load()
            await self.net.start(listeners_of(self.settings, self.endpoint.ids.prefix))
            self.earlier.take_up()
            undo.pop_all()
        self.tracing.start()
        self.started = True
        while self._early:
            self._loop.call_soon(self.endpoint.receive, *self._early.popleft())
        self._sweep()
        self._flush()
        self._keep_calls()

    async def stop(self, grace_s: float) -> None:
        """No new calls; those in progress may go on for ``grace_s`` seconds, then get BYE. Everything ends."""
        self.endpoint.draining = True
        if not await self.calls.idle(grace_s):
            log.info("ending calls", calls=len(self.calls.active))
            for call in list(self.calls.active.values()):
                call.tell("call.exchange_stops", "the exchange is being stopped")
                call.hang_up(code="call.exchange_stops")
        await self._goodbye()
        for chore in self._chores:
            chore.cancel()
        await self.tracing.stop()
        await self.net.stop()
        await self.finding.stop()
        self.endpoint.close()
        for task in list(self.context.tasks):
            task.cancel()
        await asyncio.gather(*self.context.tasks, return_exceptions=True)
        await self.engine.stop()
        self.checkpoints.close()
        self.journal.flush_all()
        await self.writer.stop()

    async def _goodbye(self) -> None:
        """Wait until the last BYEs are answered, but not long."""
        end = self._loop.time() + GOODBYE_S
        while (self.endpoint.sessions or self.calls.active) and self._loop.time() < end:  # noqa: ASYNC110  (two seconds at most, once)
            await asyncio.sleep(0.02)

    @property
    def state(self) -> Literal["starting", "running", "draining", "stopping"]:
        """``draining`` takes no new calls but goes on; ``stopping`` also ends."""
        if self.stopping.done():
            return "stopping"
        if self.endpoint.draining:
            return "draining"
        return "running" if self.started else "starting"

    def take_settings(self, settings: Settings) -> None:
        """A reload has changed these; what keeps a value of its own is told by ``app.live_parts``."""
        self.settings = settings

    def drain(self, *, undo: bool = False) -> None:
        """Refuse new calls, or take them again; registrations and the calls that are up go on."""
        self.endpoint.draining = not undo

    def request_stop(self, grace_s: float) -> None:
        """Ask the program to stop; the first request counts."""
        if not self.stopping.done():
            self.stopping.set_result(grace_s)

    def _let_in_known(self) -> None:
        """Who was registered has proven itself: no ban at its address is to meet it after a restart."""
        for binding in self.location:
            realm = self.directory.realm_of(binding.tenant)
            with contextlib.suppress(ValueError):
                host, port = split_host_port(binding.received)
                self.fence.proved((host, port or 0), realm, binding.user, self._loop.time())

    def _is_called(self, source: str) -> bool:
        """Whether an extension has a fixed contact at that address."""
        for tenant in self.directory.tenants:
            for entry in tenant.extensions.values():
                if entry.contact is not None and source_of_uri(entry.contact) == source:
                    return True
        return False

    def _banned(self, ban: Ban) -> None:
        self._fence_log.banned(ban)
        self.net.shut(ban.source)

    # Chores

    def _every(self, delay_s: float, chore: Callable[[], None]) -> None:
        self._chores = [
            handle for handle in self._chores if not handle.cancelled() and handle.when() > self._loop.time()
        ]
        self._chores.append(self._loop.call_later(delay_s, chore))

    def _sweep(self) -> None:
        for binding in self.location.sweep(self.wall(), self._is_lost):
            with contextlib.suppress(TrunklineError):
                self.journal.gone(binding).add_done_callback(_forget_outcome)
        self._every(SWEEP_S, self._sweep)

    def _is_lost(self, binding: Binding) -> bool:
        """Whether a WebSocket client has left without a word, such as a page that was closed."""
        if self.net.flow_from_token(binding.flow) is not None:
            return False
        story = Story(self._loop.time())
        text = f"{binding.user} left {binding.contact}: its WebSocket is closed"
        story.add(self._loop.time(), "register.lost", text, received=binding.received)
        _log_registration(binding.user, story)
        return True

    def _flush(self) -> None:
        now = self._loop.time()
        due = self.journal.flush_due(now)
        self._every(max(0.005, due - now), self._flush)

    def _keep_calls(self) -> None:
        now = self._loop.time()
        due = self.checkpoints.step(now)
        self._every(max(0.005, due - now), self._keep_calls)

    # What calls and commands ask

    def bindings_of(self, tenant: str, number: str) -> int:
        """How many live contacts an extension has."""
        return len(self.location.of(tenant, number, self.wall()))

    def put_extension(self, extension: Extension) -> None:
        """An extension was added or changed."""
        self.directory.put(extension)

    async def remove_extension(self, tenant: str, number: str) -> int:
        """An extension is gone: so are its contacts."""
        self.directory.remove(tenant, number)
        known = list(self.location.all_of(tenant, number))
        for binding in known:
            self.location.remove(binding)
            await self.journal.gone(binding)
        return len(known)

    async def remove_tenant(self, tenant: str) -> tuple[int, int]:
        """A tenant goes: nobody of it is admitted, its calls and registrations end, and all that is written."""
        self.directory.remove_tenant(tenant)
        calls = [call for call in self.calls.active.values() if call.tenant == tenant]
        for call in calls:
            call.tell("call.tenant_removed", "the tenant was removed")
            call.hang_up(code="call.tenant_removed")
        known = [binding for binding in self.location if binding.tenant == tenant]
        for binding in known:
            self.location.remove(binding)
        await asyncio.gather(*map(self.journal.gone, known))
        end = self._loop.time() + GOODBYE_S
        while any(call.id in self.calls.active for call in calls) and self._loop.time() < end:  # noqa: ASYNC110  (two seconds at most)
            await asyncio.sleep(0.02)
        await self.writer.drain()
        return len(known), len(calls)

    def warnings(self) -> Iterator[str]:
        """What an operator should look at."""
        if self.writer.pressed:
            yield f"the store is behind: {self.writer.queued} rows wait to be written"
        if self.engine.snapshot().ports_free == 0:
            yield "no media port is free: widen [media] ports"
        yield from self.net.tls.warnings()


def _tell_pressure(pressed: bool) -> None:
    log.warning("the store is behind" if pressed else "the store has caught up")


def _log_registration(user: str, story: Story) -> None:
    last = story.steps[-1]
    log.info(
        "register", user=user, code=last.code, story=[f"{step.code}: {step.text}" for step in story.steps]
    )


def _log_fault(error: BaseException) -> None:
    log.error("a task failed", exc_info=error)


def _forget_outcome(future: asyncio.Future[None]) -> None:
    """An expired binding that could not be deleted is loaded and dropped again at the next start."""
    if not future.cancelled():
        future.exception()
