"""One open connection to APNs: the asyncio shell of ``Connection``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, Protocol, cast

from trunkline.base.errors import RemoteProtocolError
from trunkline.push.apns.connection import (
    Answered,
    Connection,
    Dead,
    Happening,
    Leaving,
    Lost,
    Ready,
    Reply,
    Request,
)

CLOSED: Final = "the connection was closed"


class Post:
    """One request on its way: queued, or on ``channel`` as ``stream``; ``future`` gets its reply or a ``PostLost``."""

    __slots__ = ("avoided", "begun", "channel", "future", "moves", "request", "stream")

    def __init__(self, request: Request, future: asyncio.Future[Reply], avoided: Channel | None) -> None:
        self.request = request
        self.future = future
        self.avoided = avoided
        """The connection that it failed on before."""
        self.channel: Channel | None = None
        self.stream = 0
        self.begun = 0.0
        self.moves = 0
        """How often a peer gave it back untouched."""

    def fail(self, why: str) -> None:
        if not self.future.done():
            self.future.set_exception(PostLostError(why))


class PostLostError(Exception):
    """A request got no answer; whether the peer has touched it is not known."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Owner(Protocol):
    """Whom a channel tells what happens to it."""

    def ready(self, channel: Channel) -> None:
        """Requests may begin."""
        ...

    def room(self, channel: Channel) -> None:
        """Another request may begin, perhaps."""
        ...

    def returned(self, channel: Channel, posts: Iterable[Post], why: str) -> None:
        """The peer did nothing with these."""
        ...

    def leaving(self, channel: Channel, why: str) -> None:
        """It takes no more requests."""
        ...

    def gone(self, channel: Channel, why: str) -> None:
        """It is closed; told once, after the posts on it have failed."""
        ...


class Channel(asyncio.Protocol):
    """Closes itself when it is leaving and its last request is answered."""

    def __init__(self, connection: Connection, owner: Owner) -> None:
        self._connection = connection
        self._owner = owner
        self._posts: dict[int, Post] = {}
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._why = ""
        self._retired = False
        self._to_flush = False
        self.address = ""
        self.answered = 0.0
        """When the last answer came, in the loop's time."""
        self.used = self.opened = self._loop.time()
        """When the last request began or was answered."""
        self.counted = False
        """Whether its end was counted as a failure to connect."""
        self.closed = False

    @property
    def free(self) -> int:
        """How many more requests may begin now."""
        return 0 if self.closed or self._retired else self._connection.free

    @property
    def takes(self) -> bool:
        """Whether requests may begin on it, now or when there is room."""
        return not (self.closed or self._retired)

    @property
    def is_ready(self) -> bool:
        """Whether the peer's settings have come."""
        return self._connection.ready

    @property
    def limit(self) -> int:
        """How many at once the peer takes."""
        return self._connection.limit

    @property
    def open(self) -> int:
        """Requests on it."""
        return len(self._posts)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses of asyncio's
        self._connection.begin(self._loop.time())
        self._flush()
        self._arm()

    def begin(self, post: Post) -> None:
        """Send one, with all that are begun in this moment; there must be room (``free``)."""
        post.stream = self._connection.request(post.request)
        post.channel = self
        post.begun = self.used = self._loop.time()
        self._posts[post.stream] = post
        if not self._to_flush:
            self._to_flush = True
            self._loop.call_soon(self._flush)

    def abandon(self, post: Post) -> None:
        """Nobody waits for it any more."""
        if self._posts.pop(post.stream, None) is not None and not self.closed:
            self._connection.cancel(post.stream)
            self._flush()
            self._end_if_done()

    def doubt(self) -> None:
        """Ask the peer whether it is there."""
        if not self.closed:
            self._connection.doubt(self._loop.time())
            self._flush()
            self._arm()

    def retire(self, why: str) -> None:
        """Begin no more requests on it, and close it when the last is answered."""
        if not self._retired and not self.closed:
            self._retired = True
            self._why = self._why or why
            self._owner.leaving(self, why)
            self._end_if_done()

    def close(self, why: str) -> None:
        """Now; what is on it fails."""
        if self.closed:
            return
        self._why = self._why or why
        if self._transport is not None:
            self._connection.close()
            self._flush()
        self._abort()

    def data_received(self, data: bytes) -> None:
        try:
            happened = self._connection.receive(data, self._loop.time())
        except RemoteProtocolError as error:
            self._flush()
            self._why = self._why or error.reason
            self._abort()
            return
        self._flush()
        self._tell(happened)
        if not self.closed:
            self._end_if_done()
            self._arm()

    def connection_lost(self, error: Exception | None) -> None:
        self._finish(f"{CLOSED}: {type(error).__name__}" if error is not None else CLOSED)

    def _tell(self, happened: Iterable[Happening]) -> None:
        returned: list[Post] = []
        why = ""
        room = False
        for one in happened:
            if isinstance(one, Answered):
                self._answer(one)
                room = True
            elif isinstance(one, Lost):
                room = True
                post = self._posts.pop(one.stream, None)
                if post is not None and one.untouched:
                    returned.append(post)
                    why = one.why
                elif post is not None:
                    post.fail(one.why)
            elif isinstance(one, Ready):
                self._owner.ready(self)
            elif isinstance(one, Leaving):
                self._retired = True
                self._why = one.why
                self._owner.leaving(self, one.why)
        if returned:
            self._owner.returned(self, returned, why)
        if room or not happened:
            self._owner.room(self)  # the peer's limit may have grown, too

    def _answer(self, answered: Answered) -> None:
        self.answered = self.used = self._loop.time()
        post = self._posts.pop(answered.stream, None)
        if post is not None and not post.future.done():
            post.future.set_result(answered.reply)

    def _end_if_done(self) -> None:
        if (self._retired or self._connection.leaving) and not self._posts:
            self.close(self._why)

    def _flush(self) -> None:
        self._to_flush = False
        if self._transport is not None and not self.closed and (data := self._connection.data_to_send()):
            self._transport.write(data)

    def _arm(self) -> None:
        deadline = self._connection.next_deadline()
        if self._timer is not None:
            if self._timer.when() <= deadline:
                return  # it looks again when it fires
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        for one in self._connection.advance(self._loop.time()):
            if isinstance(one, Dead):
                self._why = self._why or one.why
                self._abort()
                return
        self._flush()
        self._arm()

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        self._finish(self._why)

    def _finish(self, why: str) -> None:
        """Once, whoever closed it."""
        if self.closed:
            return
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        why = self._why or why
        posts, self._posts = self._posts, {}
        for post in posts.values():
            post.fail(why)
        self._owner.gone(self, why)
