"""Answers that are believed for a while: bounded, with a floor and a ceiling, and stale ones in need.

RFC 2308 for answers that there is nothing, RFC 8767 for those that are past their time.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from trunkline.net.dns.records import Answer, Question
from trunkline.net.dns.settings import DnsSettings


@dataclass(slots=True)
class _Entry:
    answer: Answer
    fresh_until: float
    stale_until: float


class AnswerCache:
    """``now`` is any clock in seconds, the same for all calls. The entry used longest ago makes room."""

    def __init__(self, settings: DnsSettings) -> None:
        self._settings = settings
        self._entries: OrderedDict[Question, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def adjust(self, settings: DnsSettings) -> None:
        """Other bounds and times, for answers to come."""
        self._settings = settings

    def fresh(self, question: Question, now: float) -> Answer | None:
        """The answer, if it may still be believed."""
        entry = self._entries.get(question)
        if entry is None or now >= entry.fresh_until:
            return None
        self._entries.move_to_end(question)
        return entry.answer

    def stale(self, question: Question, now: float) -> Answer | None:
        """An answer past its time that had records: better than none while no name server answers."""
        entry = self._entries.get(question)
        if entry is None or now >= entry.stale_until or not entry.answer.records:
            return None
        return entry.answer

    def put(self, question: Question, answer: Answer, ttl_s: float, now: float) -> None:
        """Keep an answer; ``ttl_s`` is that of its records, or of the proof that there are none."""
        settings = self._settings
        ceiling = settings.max_ttl_s if answer.records else settings.max_negative_ttl_s
        fresh_until = now + min(max(ttl_s, settings.min_ttl_s), ceiling)
        self._keep(question, _Entry(answer, fresh_until, fresh_until + settings.stale_s))

    def put_failure(self, question: Question, failure: Answer, now: float) -> Answer:
        """Take note of a failure; returns the stale answer that serves meanwhile, or the failure itself."""
        stale = self.stale(question, now)
        again_at = now + self._settings.failure_ttl_s
        if stale is None:
            self._keep(question, _Entry(failure, again_at, again_at))
            return failure
        # RFC 8767 §5: not every question has to wait for a name server that is known to be silent.
        self._entries[question].fresh_until = again_at
        return stale

    def forget_failures(self) -> None:
        """The name servers are others now: what could not be told may be told by them."""
        for question in [each for each, entry in self._entries.items() if not entry.answer.records]:
            del self._entries[question]

    def _keep(self, question: Question, entry: _Entry) -> None:
        self._entries[question] = entry
        self._entries.move_to_end(question)
        while len(self._entries) > self._settings.cache_size:
            self._entries.popitem(last=False)
