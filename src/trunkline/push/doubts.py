"""What one provider says of tokens, weighed by whether our settings may be to blame; the alarm when they may.

Devices name apps and projects of their own. What nothing was ever taken for but by a device's word is kept apart: no
stranger raises an alarm by inventing an app, and none makes us forget what we know of the apps that are there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog

from trunkline.push.notification import Fate, Health, Outcome, PushAddress, Pusher, Service
from trunkline.push.trust import DOUBTED, MOST_TOKENS, TRUSTED, Refusal, Trust

MOST_AIMS: Final = 64  # of the settings' and of those that proved good, and as many of the others
MOST_TOKENS_OF_CLAIMS: Final = 128
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

    Only the aims of the settings, and those that something was taken for, are alarms. ``on_trusted`` hears when tokens
    that were refused, and not given up, are trusted again.
    """

    def __init__(
        self,
        pusher: Pusher,
        clock: Callable[[], float],
        wall: Callable[[], float],
        on_trusted: Callable[[], None] = lambda: None,
    ) -> None:
        self._pusher = pusher
        self._clock = clock
        self._wall = wall
        self._on_trusted = on_trusted
        self._aims: OrderedDict[str, Trust] = OrderedDict()
        self._claims: OrderedDict[str, Trust] = OrderedDict()  # of devices, and of nobody else yet

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
        trust = _used(self._aims, aim)
        if trust is None:
            trust = _kept(self._aims, aim, self._claims.pop(aim, Trust()))
            trust.most = MOST_TOKENS
        was = trust.state
        if was == TRUSTED:
            return
        spared = bool(trust.refused)
        trust.take()
        if spared:
            self._on_trusted()
        if was == DOUBTED:
            log.info("push.trusted", service=self._pusher.service.value, why=f"a token for {aim} was taken")

    def _refuse(self, address: PushAddress, fate: Fate) -> Fate:
        aim = self._pusher.aim_of(address)
        if not aim:
            return fate
        trust = self._judging(aim, address)
        was = trust.state
        told = trust.refuse(hash(address.token), fate, self._clock(), self._wall())
        if trust.state == DOUBTED and was != DOUBTED:
            say = log.error if aim in self._aims else log.warning
            say("push.suspect", service=self._pusher.service.value, why=self._why(aim, trust))
        return told

    def _spared(self, address: PushAddress) -> Refusal | None:
        if not any(trust.refused for table in (self._aims, self._claims) for trust in table.values()):
            return None
        aim = self._pusher.aim_of(address)
        trust = self._aims.get(aim) or self._claims.get(aim)
        return None if trust is None else trust.spared(hash(address.token))

    def _judging(self, aim: str, address: PushAddress) -> Trust:
        trust = _used(self._aims, aim) or _used(self._claims, aim)
        if trust is not None:
            return trust
        if self._pusher.aim_of(replace(address, app="")) == aim:
            return _kept(self._aims, aim, Trust())
        return _kept(self._claims, aim, Trust(MOST_TOKENS_OF_CLAIMS))

    def _why(self, aim: str, trust: Trust) -> str:
        return f"tokens for {aim} are refused ({trust.reason}): {_LOOK_AT[self._pusher.service]}"


def _used(table: OrderedDict[str, Trust], aim: str) -> Trust | None:
    trust = table.get(aim)
    if trust is not None:
        table.move_to_end(aim)
    return trust


def _kept(table: OrderedDict[str, Trust], aim: str, trust: Trust) -> Trust:
    table[aim] = trust
    if len(table) > MOST_AIMS:
        table.popitem(last=False)
    return trust
