"""One notification for one team in one environment: an attempt, and at most one more elsewhere or with a new token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from trunkline.base.errors import ConfigError
from trunkline.push.apns.channel import Channel, Post, PostLostError
from trunkline.push.apns.fates import Remedy, Verdict, verdict_of
from trunkline.push.apns.payload import Composed
from trunkline.push.apns.plan import ApnsTeam
from trunkline.push.apns.pool import Pool, QueueFullError
from trunkline.push.apns.provider_token import ProviderToken
from trunkline.push.notification import Fate, Outcome

LATE: Final = "no answer in time"
_OVERSLEPT_S: Final = 0.05
_LEAST_S: Final = 0.05  # with less time left another attempt is of no use


@dataclass(frozen=True, slots=True)
class Lane:
    """``token`` is asked for each time and raises ConfigError without a key; None: a certificate says who we are."""

    team: ApnsTeam
    environment: str
    pool: Pool
    token: Callable[[], ProviderToken] | None

    async def send(self, composed: Composed, deadline: float, patience_s: float) -> Verdict:
        """What became of it, by ``deadline`` of the loop's clock; never raises for what the peer does.

        A notification is sent again only when Apple has not taken it: after an answer that says so, or after none.
        """
        avoided: Channel | None = None
        elsewhere = renewed = False
        while True:
            attempt = _Attempt(self, composed, avoided)
            verdict = await attempt.run(deadline, deadline if elsewhere else patience_s, elsewhere)
            left = deadline - asyncio.get_running_loop().time()
            if left < _LEAST_S:
                return verdict
            if verdict.remedy is Remedy.ELSEWHERE and not elsewhere:
                elsewhere, avoided = True, attempt.channel
            elif verdict.remedy is Remedy.RENEW and not renewed and attempt.renewed():
                renewed = True
            else:
                return verdict


class _Attempt:
    def __init__(self, lane: Lane, composed: Composed, avoided: Channel | None) -> None:
        self._lane = lane
        self._composed = composed
        self._avoided = avoided
        self._token: ProviderToken | None = None
        self._used = b""
        self._timer: asyncio.TimerHandle | None = None
        self.channel: Channel | None = None

    async def run(self, deadline: float, patience_s: float, last: bool) -> Verdict:
        """``last``: there is no other attempt, so all the time is for this one."""
        try:
            self._sign()
            post = self._lane.pool.submit(self._composed.request(self._used), self._avoided)
        except ConfigError as error:
            return Verdict(Fate(Outcome.REFUSED, reason=str(error)), Remedy.ALARM)
        except QueueFullError:
            return Verdict(Fate(Outcome.DROPPED, reason="too many wait for a connection"), Remedy.NONE)
        self._watch(post, deadline, None if last else patience_s)
        try:
            verdict = verdict_of(await post.future)
        except PostLostError as lost:
            verdict = Verdict(Fate(Outcome.UNAVAILABLE, reason=lost.why), Remedy.ELSEWHERE)
        except asyncio.CancelledError:
            self._lane.pool.withdraw(post)
            raise
        finally:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self.channel = post.channel
        return self._heed(verdict)

    def renewed(self) -> bool:
        """Whether there is another token to try with, after Apple called the one that was used expired."""
        return self._token is not None and self._token.expired(self._used)

    def _sign(self) -> None:
        if self._lane.token is not None:
            self._token = self._lane.token()
            self._used = self._token.current()

    def _watch(self, post: Post, deadline: float, patience_s: float | None) -> None:
        """Give up at the deadline, or when an answer was not there ``patience_s`` after the request had begun."""
        loop = asyncio.get_running_loop()
        planned = _until(post, deadline, patience_s, loop.time())
        self._timer = loop.call_at(planned, self._look, post, deadline, patience_s, planned)

    def _look(self, post: Post, deadline: float, patience_s: float | None, planned: float) -> None:
        if post.future.done():
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        until = _until(post, deadline, patience_s, now)
        if now - planned > _OVERSLEPT_S and now < deadline:
            # We were busy ourselves, and the answer may be here, not read yet: whoever asks too early rings twice.
            until = min(deadline, now + _OVERSLEPT_S)
        if now < until:
            self._timer = loop.call_at(until, self._look, post, deadline, patience_s, until)
            return
        self._lane.pool.distrust(post)
        post.fail(LATE)

    def _heed(self, verdict: Verdict) -> Verdict:
        if verdict.remedy is Remedy.PAUSE and self._token is not None:
            self._token.too_many()
        if verdict.fate.reason == "UnrelatedKeyIdInToken" and self.channel is not None:
            # A connection is bound to the key of its first request: another key needs another one.
            self.channel.retire("another key")
        return verdict


def _until(post: Post, deadline: float, patience_s: float | None, now: float) -> float:
    if patience_s is None:
        return deadline
    return min(deadline, (post.begun if post.channel is not None else now) + patience_s)
