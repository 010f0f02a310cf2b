"""The connections to one host of APNs for one team: normally one, kept open; another when that is needed.

A request goes down the first connection that has room. A second one is opened when a request must go elsewhere than
where it failed, or when the first is full and as many again are waiting. What a peer gives back untouched (GOAWAY,
REFUSED_STREAM) goes to the front of the queue; what may have been touched fails, and whoever sent it decides.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from trunkline.base.errors import TransportError
from trunkline.push.apns.channel import Channel, Post
from trunkline.push.apns.connection import Reply, Request
from trunkline.push.apns.dialer import Dialer

MOST: Final = 2
_MOVES: Final = 5
_PRESSED_S: Final = 0.5  # between attempts to connect while somebody waits
_LEISURELY_S: Final = 60.0  # and while nobody does
_YOUNG_S: Final = 10.0
_SETTINGS_S: Final = 0.6  # between TLS and the peer's settings
_SHED_S: Final = 60.0


class QueueFullError(Exception):
    """More requests wait for a connection than may."""


class Pool:
    """``queue`` requests may wait. With ``keep_open`` there is a connection even while nothing is sent."""

    def __init__(
        self,
        dialer: Dialer,
        *,
        queue: int = 2000,
        keep_open: bool = False,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.dialer = dialer
        self._wall = wall
        self._most_queued = queue
        self._keep_open = keep_open
        self._queue: deque[Post] = deque()
        self._channels: list[Channel] = []
        self._shaking: dict[Channel, asyncio.Future[None]] = {}
        self._dialing: asyncio.Task[None] | None = None
        self._pressed = asyncio.Event()
        self._shedding: asyncio.TimerHandle | None = None
        self._failures = 0
        self._avoided_address = ""
        self._stopped = False
        self._why = ""
        self.since = 0.0
        """Since when there is no connection, in seconds since 1970."""
        self.dials = 0
        """How often one was tried."""

    @property
    def queued(self) -> int:
        """Requests that wait for a connection."""
        return len(self._queue)

    @property
    def trouble(self) -> str:
        """Why there is no connection; "" when there is one, or none was tried."""
        return "" if self._live() else self._why

    @property
    def connected(self) -> int:
        """Connections that take requests."""
        return len(self._live())

    def start(self) -> None:
        """Connect in the background, where connections are kept open."""
        self._see()

    async def stop(self) -> None:
        """Close all; what is under way fails."""
        self._stopped = True
        if self._shedding is not None:
            self._shedding.cancel()
        if self._dialing is not None:
            self._dialing.cancel()
            with suppress(asyncio.CancelledError):
                await self._dialing
        for channel in [*self._channels, *self._shaking]:
            channel.close("the gateway stops")
        self._fail_all("the gateway stops")
        await asyncio.sleep(0)  # transports are told of their end by the loop

    def submit(self, request: Request, avoided: Channel | None = None) -> Post:
        """Send a request, not down ``avoided``. Its ``future`` gets the reply or raises PostLostError.

        Raises QueueFullError.
        """
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        post = Post(request, future, avoided)
        if self._stopped:
            post.fail("the gateway stops")
            return post
        if len(self._queue) >= self._most_queued:
            raise QueueFullError
        if not self._queue and (channel := self._room_for(post)) is not None:
            channel.begin(post)
            return post
        self._queue.append(post)
        self._see()
        return post

    def withdraw(self, post: Post) -> None:
        """Nobody waits for it any more."""
        if post.channel is not None:
            post.channel.abandon(post)
        else:
            with suppress(ValueError):
                self._queue.remove(post)

    def distrust(self, post: Post) -> None:
        """It was not answered in time. A connection on which nothing was answered since is left."""
        channel = post.channel
        self.withdraw(post)
        if channel is None or channel.closed:
            return
        channel.doubt()
        if channel.answered < post.begun:
            channel.retire("no answer in time")

    def retire_all(self, why: str) -> None:
        """New requests go down new connections."""
        for channel in self._live():
            channel.retire(why)

    # What channels tell (channel.Owner).

    def ready(self, channel: Channel) -> None:
        future = self._shaking.pop(channel, None)
        if future is not None and not future.done():
            future.set_result(None)

    def room(self, channel: Channel) -> None:
        if channel.answered:
            self._failures = 0
        self._deal()

    def returned(self, channel: Channel, posts: Iterable[Post], why: str) -> None:
        for post in reversed(list(posts)):
            post.channel = None
            post.moves += 1
            if post.moves > _MOVES:
                post.fail(why)
            elif not post.future.done():
                self._queue.appendleft(post)
        self._deal()

    def leaving(self, channel: Channel, why: str) -> None:
        self._tell_of(channel, why)
        self._see()

    def gone(self, channel: Channel, why: str) -> None:
        future = self._shaking.pop(channel, None)
        if future is not None and not future.done():
            future.set_exception(ConnectionError(why))
        if channel in self._channels:
            self._channels.remove(channel)
            self._tell_of(channel, why)
            self._deal()

    def _tell_of(self, channel: Channel, why: str) -> None:
        """A connection that ends before it was of any use counts as one that failed: no peer makes us hurry."""
        young = asyncio.get_running_loop().time() - channel.opened < _YOUNG_S
        if young and not channel.answered and not channel.counted:
            channel.counted = True
            self._failures += 1
            self._blame(why)
        self._avoided_address = channel.address

    def _blame(self, why: str) -> None:
        if not self._why:
            self.since = self._wall()
        self._why = why

    # Giving out requests.

    def _live(self) -> list[Channel]:
        return [one for one in self._channels if one.takes]

    def _room_for(self, post: Post) -> Channel | None:
        for channel in self._channels:
            if channel is not post.avoided and channel.free > 0:
                return channel
        return None

    def _deal(self) -> None:
        waiting: deque[Post] = deque()
        while self._queue:
            post = self._queue.popleft()
            if post.future.done():
                continue
            channel = self._room_for(post)
            if channel is not None:
                channel.begin(post)
                continue
            waiting.append(post)
            if post.avoided is None:
                break  # who comes behind finds no room either
        self._queue.extendleft(reversed(waiting))
        self._see()

    # Connecting.

    def _see(self) -> None:
        """Connect, if that is needed and nobody does."""
        if self._stopped or not self._needed():
            return
        if self._queue:
            self._pressed.set()
        if self._dialing is None or self._dialing.done():
            self._dialing = asyncio.get_running_loop().create_task(self._dial())

    def _needed(self) -> bool:
        live = self._live()
        if not live:
            return bool(self._queue) or self._keep_open
        if len(live) >= MOST:
            return False
        alone = live[0]
        return any(post.avoided is alone for post in self._queue) or len(self._queue) > alone.limit > 1

    async def _dial(self) -> None:
        while not self._stopped and self._needed():
            await self._pause()
            try:
                await self._connect()
            except TransportError as error:
                self._failures += 1
                self._blame(str(error))
                self._give_up(str(error))

    async def _pause(self) -> None:
        """The first two attempts follow each other at once; then there is time between them."""
        if self._failures < 2:
            return
        self._pressed.clear()
        if not self._queue:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(2.0 ** (self._failures - 2), _LEISURELY_S)):
                    await self._pressed.wait()
        if self._queue:
            await asyncio.sleep(min(0.05 * 2.0 ** min(self._failures - 2, 10), _PRESSED_S))

    async def _connect(self) -> None:
        """Raises TransportError."""
        self.dials += 1
        loop = asyncio.get_running_loop()
        channel = await self.dialer.dial(self, self._avoided_address)
        if channel.closed:
            raise TransportError(f"{self.dialer.host} closed the connection at once")
        if not channel.is_ready:
            future = self._shaking[channel] = loop.create_future()
            try:
                async with asyncio.timeout(_SETTINGS_S):
                    await future
            except (TimeoutError, OSError) as error:
                self._shaking.pop(channel, None)
                channel.close("no settings")
                raise TransportError(f"{self.dialer.host} does not speak HTTP/2") from error
            except BaseException:
                self._shaking.pop(channel, None)
                channel.close("the gateway stops")
                raise
        self._why = ""
        self._channels.append(channel)
        if len(self._live()) > 1 and self._shedding is None:
            self._shedding = loop.call_later(_SHED_S, self._shed)
        self._deal()

    def _give_up(self, why: str) -> None:
        """Fails all that no connection can take."""
        live = self._live()
        kept: deque[Post] = deque()
        for post in self._queue:
            if any(channel is not post.avoided for channel in live):
                kept.append(post)
            else:
                post.fail(why)
        self._queue = kept

    def _fail_all(self, why: str) -> None:
        while self._queue:
            self._queue.popleft().fail(why)

    def _shed(self) -> None:
        """One connection is enough when the others have nothing to do."""
        self._shedding = None
        idle_since = asyncio.get_running_loop().time() - _SHED_S
        for channel in self._live()[1:]:
            if not channel.open and channel.used <= idle_since:
                channel.retire("not needed")
        if len(self._live()) > 1:
            self._shedding = asyncio.get_running_loop().call_later(_SHED_S, self._shed)
