"""Records by name, as ``selection`` would get them, and hops as short texts."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence

from trunkline.net.dns.records import Answer, Hop, Kind, Naptr, Question, Record, Srv
from trunkline.net.dns.selection import Answers, Ours, Wanted, select
from trunkline.proto.sip.uri import parse_uri

V4, V6 = socket.AF_INET, socket.AF_INET6
ALL: Ours = {"UDP": frozenset({V4, V6}), "TCP": frozenset({V4, V6}), "TLS": frozenset({V4, V6})}
ONLY_UDP: Ours = {"UDP": frozenset({V4})}


class Zone:
    """``{"_sip._udp.a.test": [Srv(...)], "a.test": ["192.0.2.1"]}``; ``rounds`` notes what was asked when."""

    def __init__(self, records: Mapping[str, Sequence[Record]], failing: Sequence[str] = ()) -> None:
        self.records = records
        self.failing = failing
        self.rounds: list[list[str]] = []

    def answer(self, question: Question) -> Answer:
        if question.name in self.failing or str(question) in self.failing:
            return Answer(failure=f"{question}: no name server answers")
        records = self.records.get(question.name, ())
        return Answer(tuple(record for record in records if _kind(record) is question.kind))

    def hops(
        self,
        uri: str,
        ours: Ours = ALL,
        dice: Callable[[int], int] = lambda _most: 0,
        source_of: Callable[[str], str | None] = lambda address: address,
    ) -> list[Hop]:
        """Where a URI is served; raises NotLocated."""
        procedure = select(Wanted.of(parse_uri(uri)), ours, dice, source_of)
        answers: Answers | None = None
        while True:
            try:
                questions = procedure.send(answers) if answers is not None else next(procedure)
            except StopIteration as end:
                found: list[Hop] = end.value
                return found
            self.rounds.append([str(question) for question in questions])
            assert len(set(questions)) == len(questions), "asked twice in one round"
            answers = {question: self.answer(question) for question in questions}

    def trial(self, uri: str, ours: Ours = ALL, **rest: Callable[..., int]) -> list[str]:
        """The hops as ``udp 192.0.2.1:5060``."""
        return [str(hop) for hop in self.hops(uri, ours, **rest)]  # type: ignore[arg-type]


def srv(target: str, port: int = 5060, priority: int = 10, weight: int = 0) -> Srv:
    return Srv(priority, weight, port, target)


def naptr(service: str, replacement: str, order: int = 10, preference: int = 10, flags: str = "s") -> Naptr:
    return Naptr(order, preference, flags, service, replacement)


def _kind(record: Record) -> Kind:
    if isinstance(record, Srv):
        return Kind.SRV
    if isinstance(record, Naptr):
        return Kind.NAPTR
    return Kind.AAAA if ":" in record else Kind.A
