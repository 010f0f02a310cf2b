"""What calls need of the world, handed in once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from trunkline.call.conference import Conferences
from trunkline.call.party import Party
from trunkline.call.quality import QualityCounts
from trunkline.call.referrals import Referrals
from trunkline.call.sounds import Sounds
from trunkline.call.target import Target
from trunkline.media.commands import ToneStep
from trunkline.media.encryption import MediaEncryption
from trunkline.media.engine import MediaEngine
from trunkline.model.record import CallRecord
from trunkline.net.flow import Flow
from trunkline.proto.sip.dialog import first_hop
from trunkline.proto.sip.identity.diversion import Diversion
from trunkline.ua.endpoint import Endpoint
from trunkline.ua.next_hops import NextHops, Tell, Ways

if TYPE_CHECKING:
    from trunkline.call.call import Call
    from trunkline.call.early_media import EarlyMediaPolicy


class Signer(Protocol):
    """What signs who calls (RFC 8224); ``ua.stir`` does."""

    def lines(
        self,
        caller: Party,
        number: str,
        target: Target,
        diversions: tuple[Diversion, ...],
        tell: Tell,
        *,
        afresh: bool = False,
    ) -> str:
        """Finished lines for the INVITE to ``target``, or none; ``number`` is how the caller is shown there.

        ``afresh``: without the signatures that the call came with.
        """
        ...


class Recorder(Protocol):
    """Where call records go; it neither blocks nor loses one."""

    def append(self, *records: CallRecord) -> None:
        """Take the records of a call over."""
        ...


class CallContext:
    """Endpoint, media engine, clock, records, and the tasks that calls start.

    ``wall`` gives wall-clock seconds; ``media_address(family)`` the engine's address for peers that we reach
    by IPv4 (4) or IPv6 (6); ``max_forwards`` bounds the hops left to a call; ``on_call_over`` is told each
    record of a caller's leg, for the log.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        engine: MediaEngine,
        recorder: Recorder,
        next_hops: NextHops,
        *,
        wall: Callable[[], float],
        media_address: Callable[[int], str],
        ring_timeout_s: float = 60.0,
        max_forwards: int = 70,
        early_media: EarlyMediaPolicy = "callee",
        sounds: Sounds | None = None,
        on_call_over: Callable[[CallRecord], None] = lambda _record: None,
        on_fault: Callable[[BaseException], None] = lambda _error: None,
    ) -> None:
        self.endpoint = endpoint
        self.engine = engine
        self.recorder = recorder
        self.next_hops = next_hops
        self.wall = wall
        self._media_address = media_address
        self.ring_timeout_s = ring_timeout_s
        self.max_forwards = max_forwards
        self.early_media = early_media
        self.sounds = sounds or Sounds()
        self.conferences = Conferences(engine)
        self.quality = QualityCounts()
        self.referrals: Referrals | None = None  # without it nobody may transfer calls
        self.encryption = MediaEncryption()
        self.converts = False
        """Whether parties who share no codec are converted between."""
        self.translates_keys = False
        """Whether a key that comes by INFO goes on as telephone events, and the reverse, where a party needs it."""
        self.ringback: Sequence[ToneStep] = ()
        """What a party hears that waits for somebody who rings, where nothing else is to be heard; (): nothing."""
        self.on_call_over = on_call_over
        self.on_fault = on_fault
        self.signer: Signer | None = None
        self.on_change: Callable[[Call], None] | None = None
        """Told that something happened to a call, while somebody wants to know."""
        self.keep_now: Callable[[Call], None] | None = None
        """Writes a call down at once, which a sweep would come to later: where an app's state is told to others."""
        self.on_disk: Callable[[], Coroutine[Any, Any, None]] | None = None
        """Returns when all that was written down before is on disk, or the disk takes too long to be waited for."""
        self.tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine as a task that is kept until it ends; what it raises goes to ``on_fault``."""
        task = self.endpoint.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled():
            error = task.exception()
            if error is not None:
                self.on_fault(error)

    def media_for(self, flow: Flow) -> str:
        """The engine's address for a party that speaks to us over ``flow``."""
        return self._media_address(6 if ":" in flow.remote[0] else 4)

    def media_for_app(self) -> str:
        """The engine's address for a party that has no address yet."""
        return self._media_address(4)

    def flow_at_once(self, target: Target) -> Flow | None:
        """The way to a target when there is but one, and nobody has to be asked for it."""
        if target.flow is not None or target.route:
            return target.flow
        return self.next_hops.at_once(target.next_hop or target.uri)

    async def ways_to(self, target: Target, tell: Tell) -> Ways:
        """The ways to a target that has to be looked up.

        Raises TransportError when there is none, within a deadline; RemoteProtocolError for a malformed URI.
        """
        asked = target.next_hop or first_hop(target.uri, target.route)
        return await self.next_hops.ways(asked, tell, target.sticky)
