"""One question to the name servers, by dnspython's stub resolver: UDP, and TCP for what was cut short.

Search domains are off: a domain in a SIP URI is complete. Names are never taken from the additional section,
since each question is cheap and its answer is remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.resolver
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA
from dns.rdtypes.IN.NAPTR import NAPTR
from dns.rdtypes.IN.SRV import SRV
from dns.ttl import MAX_TTL

from trunkline.net.dns.records import Answer, Naptr, Question, Record, Srv
from trunkline.net.dns.settings import Server

MAX_ALIASES: Final = 8
MAX_RECORDS: Final = 64  # of one answer; more serve nobody
_ATTEMPTS: Final = 3  # how often a question fits into its time, over all name servers


class DnsClient:
    """Asks ``servers`` in their order; ``timeout_s`` is for one question with all its repetitions."""

    def __init__(self, servers: Sequence[Server], timeout_s: float) -> None:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in servers]
        resolver.search = []
        resolver.use_search_by_default = False
        resolver.timeout = timeout_s / _ATTEMPTS
        resolver.lifetime = timeout_s
        self._resolver = resolver

    async def ask(self, question: Question) -> tuple[Answer, float]:
        """The answer and for how many seconds it holds. Never raises for what name servers do.

        Aliases (CNAME) are followed, also where a name server leaves that to us; a loop of them is a failure.
        """
        name, least_ttl = question.name, float(MAX_TTL)
        seen: set[str] = set()
        while name not in seen and len(seen) < MAX_ALIASES:
            seen.add(name)
            try:
                message = await self._message(name, question)
                if message is None:
                    return _failed(question, "the name cannot be asked for"), 0.0
                chain = message.resolve_chaining()
            except dns.message.ChainTooLong:
                break
            except dns.exception.DNSException as error:
                return _failed(question, _why(error)), 0.0
            least_ttl = min(least_ttl, float(chain.minimum_ttl))
            end = _plain(chain.canonical_name)
            if chain.answer is not None or end == name or _is_denied(message):
                # RFC 2308 §5: without SOA nothing says how long there is none.
                return Answer(_records(chain.answer)), 0.0 if least_ttl == MAX_TTL else least_ttl
            name = end
        return _failed(question, "its aliases (CNAME) lead in a circle or too far"), 0.0

    async def _message(self, name: str, question: Question) -> dns.message.QueryMessage | None:
        """The response, an empty one and "there is no such name" included."""
        try:
            asked = dns.name.from_text(name)
        except dns.exception.DNSException:
            return None
        try:
            answer = await self._resolver.resolve(asked, question.kind.value, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN as error:
            response: dns.message.QueryMessage = error.response(asked)  # type: ignore[no-untyped-call]  # dnspython's
            return response
        return answer.response


def _is_denied(message: dns.message.QueryMessage) -> bool:
    """Whether the name server followed all aliases and says that there is nothing at their end."""
    return message.rcode() != dns.rcode.NOERROR or any(
        rrset.rdtype == dns.rdatatype.SOA for rrset in message.authority
    )


def _records(rrset: Any) -> tuple[Record, ...]:
    found = (_record(each) for each in list(rrset or ())[:MAX_RECORDS])
    return tuple(dict.fromkeys(record for record in found if record is not None))


def _record(data: Any) -> Record | None:
    if isinstance(data, A | AAAA):
        return str(data.address)
    if isinstance(data, SRV):
        return Srv(data.priority, data.weight, data.port, _plain(data.target))
    if isinstance(data, NAPTR):
        texts = (data.flags, data.service, data.regexp)
        flags, service, regexp = (text.decode("ascii", "replace") for text in texts)
        return Naptr(data.order, data.preference, flags, service, _plain(data.replacement), regexp)
    return None


def _plain(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower().removesuffix(".")


def _failed(question: Question, why: str) -> Answer:
    return Answer(failure=f"{question}: {why}")


def _why(error: dns.exception.DNSException) -> str:
    """What the name servers did, without the library's words."""
    attempts: list[Any] = getattr(error, "kwargs", {}).get("errors") or []
    said = dict.fromkeys(f"{_server(attempt)} {_what(attempt[3])}" for attempt in attempts[:4])
    return "; ".join(said) or "no name server answers"


def _server(attempt: Any) -> str:
    return str(attempt[0]).removeprefix("Do53:").partition("@")[0]


def _what(outcome: Any) -> str:
    if isinstance(outcome, str):
        return f"answered {outcome}"
    if isinstance(outcome, dns.exception.Timeout):
        return "did not answer"
    if isinstance(outcome, OSError):
        return f"cannot be asked ({outcome.strerror or 'connection lost'})"
    return "answered what cannot be understood"
