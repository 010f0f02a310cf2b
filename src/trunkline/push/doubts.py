"""What one provider says of tokens, weighed by whether our settings may be to blame; the alarm when they may."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog

from trunkline.push.notification import Fate, Health, Outcome, PushAddress, Pusher, Service
from trunkline.push.trust import DOUBTED, TRUSTED, Refusal, Trust

MOST_AIMS: Final = 64
_LOOK_AT: Final = {
    Service.APNS: "look at team_id and bundle_id in [push.apns], and at the bundle id that the app was built with",
    Service.FCM: "look at [push.fcm], and at the Firebase project that the app was built with: they must be one",
    Service.WEBPUSH: "look at key_path in [push.webpush]: apps have subscribed with another key",
    Service.WEBHOOK: "look at [push.webhook]",
}

log = structlog.get_logger("push")


class Doubts:
    """A trust for each aim of ``pusher``, of which it keeps those that were used last. ``clock`` is steady, ``wall``
    gives wall-clock seconds.
    """

    def __init__(self, pusher: Pusher, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._pusher = pusher
        self._clock = clock
        self._wall = wall
        self._aims: OrderedDict[str, Trust] = OrderedDict()

    def known(self, address: PushAddress) -> Fate | None:
        """The fate of a token that was spared a moment ago: its provider is not asked with each call."""
        refusal = self._spared(address)
        return refusal.fate if refusal is not None and self._clock() < refusal.again_at else None

    def judged(self, address: PushAddress, fate: Fate) -> Fate:
        """``fate`` as it is, or ``SUSPECT`` where our settings may be to blame. What nobody was asked about stays."""
        if fate.outcome is Outcome.SENT:
            self._take(address)
        elif fate.outcome is Outcome.MISMATCH and fate.status:
            return self._refuse(address, fate)
        return fate

    def trouble_of(self, address: PushAddress) -> str:
        """The provider's word for a token that it refused last and that is not given up, else ""."""
        refusal = self._spared(address)
        return "" if refusal is None else refusal.fate.reason or refusal.fate.outcome.value

    def health(self, known: Health) -> Health:
        """``suspect`` where an aim is doubted, unless it is worse."""
        doubted = [(trust.since, aim, trust) for aim, trust in self._aims.items() if trust.state == DOUBTED]
        if not doubted or known.word == "failing":
            return known
        since, aim, trust = min(doubted, key=lambda each: each[0])
        return replace(known, word="suspect", why=self._why(aim, trust), since=since)

    def _take(self, address: PushAddress) -> None:
        aim = self._pusher.aim_of(address)
        if not aim:
            return
        trust = self._trust(aim)
        was = trust.state
        if was == TRUSTED:
            return
        trust.take()
        if was == DOUBTED:
            log.info("push.trusted", service=self._pusher.service.value, why=f"a token for {aim} was taken")

    def _refuse(self, address: PushAddress, fate: Fate) -> Fate:
        aim = self._pusher.aim_of(address)
        if not aim:
            return fate
        trust = self._trust(aim)
        was = trust.state
        told = trust.refuse(hash(address.token), fate, self._clock(), self._wall())
        if trust.state == DOUBTED and was != DOUBTED:
            log.error("push.suspect", service=self._pusher.service.value, why=self._why(aim, trust))
        return told

    def _spared(self, address: PushAddress) -> Refusal | None:
        if not any(trust.refused for trust in self._aims.values()):
            return None
        trust = self._aims.get(self._pusher.aim_of(address))
        return None if trust is None else trust.spared(hash(address.token))

    def _trust(self, aim: str) -> Trust:
        trust = self._aims.get(aim)
        if trust is None:
            trust = self._aims[aim] = Trust()
            if len(self._aims) > MOST_AIMS:
                self._aims.popitem(last=False)
        else:
            self._aims.move_to_end(aim)
        return trust

    def _why(self, aim: str, trust: Trust) -> str:
        return f"tokens for {aim} are refused ({trust.reason}): {_LOOK_AT[self._pusher.service]}"
