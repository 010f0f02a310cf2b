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

from trunkline.app.audio_socket_plans import audio_socket_plans
from trunkline.app.chores import Chores
from trunkline.app.earlier_calls import EarlierCalls
from trunkline.app.earlier_flows import EarlierFlows
from trunkline.app.event_log import log_event
from trunkline.app.explain.attempts import Attempts
from trunkline.app.fencing import Fencing
from trunkline.app.finding import Finding
from trunkline.app.from_settings import (
    encryption_of,
    event_policy,
    fence_policy,
    listeners_of,
    media_settings,
    net_settings,
    overload_policy,
    registrar_policy,
    ringback_of,
    text_policy,
    timer_policy,
    tls_settings,
)
from trunkline.app.handlers import load_directory
from trunkline.app.hearing import Hearing
from trunkline.app.live_directory import GOODBYE_S, LiveDirectory
from trunkline.app.load_watch import LoadWatch
from trunkline.app.logs import log_call
from trunkline.app.media_plane import call_mark, media_engine, media_troubles
from trunkline.app.media_story import MediaStory
from trunkline.app.mobile_plane import MobilePlane
from trunkline.app.native_push import NativePush
from trunkline.app.peering import Peers, Signatures, signatures_of
from trunkline.app.push_plane import PushPlane
from trunkline.app.reaching import Reaching
from trunkline.app.recording_handlers import log_over
from trunkline.app.settings import Settings
from trunkline.app.sound_files import sounds_of
from trunkline.app.text_log import log_kept_text, log_text
from trunkline.app.trace.tracing import Tracing
from trunkline.app.trunk_lines import TrunkLines
from trunkline.base.ids import NodeIds
from trunkline.call.checkpoints import Checkpoints
from trunkline.call.context import CallContext
from trunkline.call.moving import Moves
from trunkline.call.recording import CallRecordings
from trunkline.call.registry import Calls
from trunkline.media.commands import CloseStrays
from trunkline.message.queue import TextQueue
from trunkline.mobile.push_records import KeptPushRecords
from trunkline.model.binding import Binding
from trunkline.model.tenant import SystemScope
from trunkline.net import Flow, Net
from trunkline.pbx.app_calls import AppCallPlacing
from trunkline.pbx.directory import Directory
from trunkline.pbx.door import ExchangeDoor
from trunkline.pbx.events.plane import Events
from trunkline.pbx.peer_door import PeerDoor
from trunkline.pbx.refer_door import ReferDoor
from trunkline.pbx.route import Snapshot
from trunkline.pbx.text_delivery import TextDelivery
from trunkline.pbx.text_door import TextDoor
from trunkline.proto.sip.nonce import Nonces
from trunkline.registrar.door import RegistrarDoor
from trunkline.registrar.gruu import Gruus
from trunkline.registrar.location import Location
from trunkline.store.call_journal import CallJournal
from trunkline.store.journals import BindingJournal, RecordJournal
from trunkline.store.mobile_journal import MobileJournal
from trunkline.store.store import Store
from trunkline.store.text_journal import TextJournal
from trunkline.store.writer import Writer
from trunkline.ua.authentication import Authenticator
from trunkline.ua.door import Door
from trunkline.ua.endpoint import Endpoint

log = structlog.get_logger("exchange")

EARLY_MESSAGES = 4096  # that came while we started; more are lost, and sent again


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
        self._early: deque[tuple[bytes, Flow]] = deque(maxlen=EARLY_MESSAGES)
        self._make_state()
        self._make_network()
        self._make_calls()
        self._make_doors()
        self.chores = Chores(loop, self.net, self.location, self.journal, self.checkpoints, self.wall)
        hearing = Hearing(self.context, self.calls)
        self.chores.others += [*self.mobile.chores, self.push_records.flush_due, hearing.step]

    def _make_state(self) -> None:
        """What is known, in memory, and how it reaches the store."""
        self.directory: Directory = load_directory(self.store, self.settings.domain)
        self.location = Location()
        self.writer = Writer(self.store.database, on_pressure=_tell_pressure)
        self.journal = BindingJournal(self.writer)
        self.calls = Calls()
        self.live = LiveDirectory(
            self.directory, self.location, self.journal, self.writer, self.calls, self.wall
        )

    def _make_network(self) -> None:
        """Sockets, the fence before them, the endpoint behind them, the ways to others."""
        settings, loop = self.settings, self._loop
        self._fencing = Fencing(fence_policy(settings), self.directory, self._shut, loop.time)
        self.fence = self._fencing.fence
        self.net = Net(
            loop,
            self._keep_early,
            settings=net_settings(settings),
            tls=tls_settings(settings, self.data),
            fence=self.fence,
        )
        self.endpoint = Endpoint(
            self.net,
            NodeIds(settings.node, key=self.store.box.derive("call ids")),
            loop,
            tag_key=self.store.box.derive("tags"),
            answer_to_source=lambda listener: self.settings.sip.nat and listener.role == "phones",
            fence=self.fence,
        )
        self.policy = registrar_policy(settings)
        self.gruus = Gruus(self.store.box.derive("gruus"))
        self.reaching = Reaching(
            self.net, self.location, self.gruus, self.policy, settings.sip.sdp_profile, self.wall
        )
        self.earlier_flows = EarlierFlows(self.net, self.policy)
        self.endpoint.another_way = self.earlier_flows.another_way
        self.finding = Finding(settings, self.net, loop)
        self.endpoint.large.within_s = settings.sip.tcp_within_s
        self.endpoint.set_session_timers(timer_policy(settings))
        self.endpoint.set_reliable_provisionals(settings.sip.reliable_provisionals)
        self.endpoint.overload.policy = overload_policy(settings)
        self.load_watch = LoadWatch(loop, self.net, self.endpoint.overload)

    def _make_calls(self) -> None:
        """The media engine, and what calls need of everything else."""
        settings = self.settings
        self.engine = media_engine(settings, call_mark(self.store.box, settings.node))
        self.recordings = CallRecordings(self.engine, self.calls, self.wall, log_over)
        self.tracing = Tracing(self.net, self.calls, self.data, settings.trace, self.wall)
        self.context = self._call_context()
        self.checkpoints = Checkpoints(self.calls, CallJournal(self.writer), settings.node, self.wall)
        self.context.keep_now = self.checkpoints.write_now
        self.context.on_disk = self.checkpoints.on_disk
        self.earlier = EarlierCalls(
            self.store.kept_calls, settings.node, self.context, self.calls, self.checkpoints
        )

    def _make_doors(self) -> None:
        """Who may claim an incoming request, and in which order."""
        self._make_trunks()
        self._make_registrar()
        self._make_call_door()
        self._make_texts()
        self._make_events()
        self._make_peer_door()
        self._make_apps()
        doors: list[Door] = [self.mobile.door] if self.settings.api.address is not None else []
        if self.settings.exchange.enabled:
            doors = [self.registrar, *doors, self.peer_door, self.door, self.texts, self.events.door]
            doors.append(self.referring)
        self.endpoint.set_doors(doors)

    def _make_trunks(self) -> None:
        """Where calls go out, and with it all that routing looks at."""
        self.trunking = TrunkLines(
            self.endpoint,
            self.finding.next_hops,
            self.directory,
            self.store,
            self.writer,
            self.wall,
            self.context.spawn,
        )
        self.snapshot = Snapshot(
            self.directory,
            self.live.bindings_of,
            self.calls.load,
            lambda: self.settings.limits.calls_per_extension,
            self.trunking.trunks.route,
            lambda number: number in self.door.sockets,
            lambda tenant, number: self.reaching.asleep(tenant, number) + self.mobile.reach(tenant, number),
        )

    def _make_registrar(self) -> None:
        """Who somebody is, and where they are reached."""
        nonces = Nonces(self.store.box.derive("nonces"), worker=self.settings.node)
        self.authenticator = Authenticator(nonces, self.wall, fence=self.fence)
        self.attempts = Attempts(self.directory.knows, self.wall, self.endpoint.now)
        self.registrar = RegistrarDoor(
            self.directory,
            self.location,
            self.journal,
            self.authenticator,
            self.policy,
            wall=self.wall,
            spawn=self.context.spawn,
            on_story=self._fencing.log.registration,
            gruus=self.gruus,
            on_moved=self.earlier_flows.moved,
            on_attempt=self.attempts.note,
            on_stale=self.attempts.stale,
        )
        self.location.watchers.append(self.attempts.watch)

    def _make_call_door(self) -> None:
        """Calls of our extensions, and what hands them on."""
        self.door = ExchangeDoor(
            self.directory,
            self.snapshot,
            self.authenticator,
            self.context,
            self.calls,
            self.reaching.ringing,
            self._fencing.log.refused_call,
        )
        self.door.find_phone = self.reaching.instance
        self.door.sockets.update(audio_socket_plans(self.settings))
        self.door.handing_on.recalls = lambda: self.settings.transfers.recall
        self.door.picking_up.allowed = lambda: self.settings.transfers.pickup
        self.referring = ReferDoor(
            self.directory,
            self.authenticator,
            self.context,
            self.door.handing_on,
            self._fencing.log.refused_call,
        )

    def _make_texts(self) -> None:
        """Texts, and their queue."""
        delivery = TextDelivery(self.directory, self.context, self.reaching.targets)
        delivery.find_phone = self.reaching.instance
        self.text_queue = TextQueue(
            delivery,
            TextJournal(self.writer),
            self.endpoint.wheel,
            now=self.endpoint.now,
            wall=self.wall,
            spawn=self.context.spawn,
            policy=text_policy(self.settings),
            on_over=log_kept_text,
        )
        self.location.watchers.append(self._wake_texts)
        self.texts = TextDoor(
            self.directory,
            self.live.bindings_of,
            self.authenticator,
            self.context,
            self.text_queue,
            self._fencing.log.refused_text,
            log_text,
        )
        self.texts.find_phone = self.reaching.instance

    def _make_events(self) -> None:
        """Who watches whom."""
        self.events = Events(
            self.directory,
            self.authenticator,
            self.context,
            self.calls,
            self.location,
            self.reaching.targets,
            event_policy(self.settings),
            gruus=self.gruus,
            on_refused=self._fencing.log.refused_watcher,
            on_story=log_event,
        )
        self.live.on_removed = self._forget_removed

    def _make_peer_door(self) -> None:
        """Calls of those whom we know by where they come from."""
        self.peers = Peers(self.directory, self.settings)
        self.peer_door = PeerDoor(
            self.peers.peer_of,
            self.directory,
            self.snapshot,
            self.context,
            self.calls,
            self.reaching.ringing,
        )
        if self.settings.trunks:
            self.peer_door.trunk_of = self.trunking.peer_of
        self.take_signatures(signatures_of(self.settings.stir, self.wall))

    def _make_apps(self) -> None:
        """Apps behind REST, and phones that are woken before they are rung."""
        self.push = PushPlane(self.settings, self.data, self.wall)
        self.push_records = KeptPushRecords(
            MobileJournal(self.writer),
            self.store.mobile_devices.load_all(SystemScope("phones that sleep outlive a restart")),
        )
        self.native = NativePush(
            self, self.push_records, self.push.pushers.send, self.push.offered, lambda: self.push.vapid
        )
        placing = AppCallPlacing(self.directory, self.snapshot, self.door.script, self.endpoint.now)
        self.mobile = MobilePlane(self, self.push.pushers, placing)
        self.reaching.apps = self.mobile.targets
        self.door.has_apps = self.peer_door.has_apps = self.mobile.book.of_extension
        self.live.on_password = self.mobile.devices.password_changed
        trunks = self.trunking.trunks
        self._fencing.is_trunk = lambda source: trunks.calls(source) or self.mobile.calls_at(source)

    def _call_context(self) -> CallContext:
        addresses = {
            4: self.settings.media.advertise or self.settings.media.address or "127.0.0.1",
            6: media_settings(self.settings).advertise6 or "::1",
        }
        context = CallContext(
            self.endpoint,
            self.engine,
            RecordJournal(self.writer),
            self.finding.next_hops,
            wall=self.wall,
            media_address=lambda family: addresses[family],
            ring_timeout_s=self.settings.sip.ring_timeout_s,
            max_forwards=self.settings.sip.max_forwards,
            early_media=self.settings.sip.early_media,
            sounds=sounds_of(self.data),
            on_call_over=log_call,
            on_fault=_log_fault,
        )
        context.encryption = encryption_of(self.settings)
        context.converts = self.settings.media.convert
        context.ringback = ringback_of(self.settings)
        context.translates_keys = self.settings.sip.dtmf == "translate"
        return context

    def _wake_texts(self, binding: Binding, event: str) -> None:
        if event == "registered":
            self.text_queue.wake(binding.tenant, binding.user)

    def _forget_removed(self, tenant: str, number: str) -> None:
        self.events.gone(tenant, number)
        self.text_queue.gone(tenant, number)
        self.native.removed(tenant, number)
        self.mobile.removed(tenant, number)

    def _shut(self, source: str) -> None:
        self.net.shut(source)

    def _keep_early(self, data: bytes, flow: Flow) -> None:
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
            moves = Moves(self.calls, self.settings.media.rtpengine.moves_per_s)
            self.engine.subscribe(moves)
            kept = self.store.bindings.load_all(SystemScope("bindings outlive a restart"), self.wall())
            self.location.restore(kept, self.wall())
            self._fencing.let_in(self.location)
            self.earlier_flows.remember(kept)
            self.mobile.load()
            await self.earlier.load()
            await self.engine.execute(CloseStrays())
            self.text_queue.restore(self.store.texts.load_all(SystemScope("texts outlive a restart")))
            trunks = self.trunking.plans(self.settings)
            await self.net.start(listeners_of(self.settings, self.endpoint.ids.prefix))
            self.earlier.take_up(self.mobile.side)
            self.mobile.resume(list(self.calls.active.values()))
            self.recordings.resume(list(self.calls.active.values()))
            moves.resume(list(self.calls.active.values()))
            undo.pop_all()
        self.tracing.start()
        await self.push.start()
        self.started = True
        self.trunking.start(trunks)
        self.mobile.start()  # before calls come in: a contact that is not known yet would be answered with 404
        await self.mobile.find_registrars()
        self.native.start()
        self.net.hand_to(self.endpoint.receive)
        while self._early:
            self._loop.call_soon(self.endpoint.receive, *self._early.popleft())
        self.chores.start()
        self.load_watch.start()
        self.text_queue.start()

    async def end_calls(self, grace_s: float) -> None:
        """No new calls; those in progress may go on for ``grace_s`` seconds, then get BYE."""
        self.endpoint.draining = True
        if not await self.calls.idle(grace_s):
            log.info("ending calls", calls=len(self.calls.active))
            for call in list(self.calls.active.values()):
                call.tell("call.exchange_stops", "the exchange is being stopped")
                call.hang_up(code="call.exchange_stops")

    async def stop(self, grace_s: float) -> None:
        """As ``end_calls``, and then everything else ends."""
        await self.end_calls(grace_s)
        await self.events.stop()
        await asyncio.gather(self.trunking.stop(), self.mobile.stop())
        await self._goodbye()
        await self.push.stop()
        self.chores.stop()
        self.load_watch.stop()
        await self.tracing.stop()
        await self.net.stop()
        await self.finding.stop()
        self.endpoint.close()
        for task in list(self.context.tasks):
            task.cancel()
        await asyncio.gather(*self.context.tasks, return_exceptions=True)
        await self.engine.stop()
        self.checkpoints.close()
        self.native.stop()
        self.push_records.flush_all()
        self.journal.flush_all()
        await self.writer.stop()

    async def _goodbye(self) -> None:
        """Wait until the last BYEs and NOTIFYs are answered, but not long."""
        end = self._loop.time() + GOODBYE_S
        while self._is_leaving() and self._loop.time() < end:  # noqa: ASYNC110  (two seconds at most, once)
            await asyncio.sleep(0.02)

    def _is_leaving(self) -> bool:
        return bool(self.endpoint.sessions or self.calls.active or self.events.notifier.count)

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

    def take_signatures(self, signatures: Signatures) -> None:
        """Sign and check calls with these from now on."""
        self.context.signer = signatures.signer
        self.peer_door.verifier = signatures.verifier

    def drain(self, *, undo: bool = False) -> None:
        """Refuse new calls, or take them again; registrations and the calls that are up go on."""
        self.endpoint.draining = not undo

    def request_stop(self, grace_s: float) -> None:
        """Ask the program to stop; the first request counts."""
        if not self.stopping.done():
            self.stopping.set_result(grace_s)

    def warnings(self) -> Iterator[str]:
        """What an operator should look at."""
        if self.writer.pressed:
            yield f"the store is behind: {self.writer.queued} rows wait to be written"
        if self.endpoint.overload.level:
            refused = sum(self.endpoint.overload.refused.values())
            yield f"overloaded: new calls get 503, {refused} requests so far; see sip.overload"
        yield from media_troubles(self.engine)
        yield from self.net.tls.warnings()


def _tell_pressure(pressed: bool) -> None:
    log.warning("the store is behind" if pressed else "the store has caught up")


def _log_fault(error: BaseException) -> None:
    log.error("a task failed", exc_info=error)
