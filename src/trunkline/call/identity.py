"""Who a call's caller is, and who is told: by the peer it came from, and by each peer that it goes to.

``caller_of`` reads the identity of a call that a peer sends us, as far as the peer is believed; ``shown_to`` writes it
for a target. Phones are never believed, their identity is the extension whose password they know; what they may do is
ask to stay unknown. See docs/topics/identity.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from trunkline.base.errors import CallFailed, RemoteProtocolError
from trunkline.call.headers import Trust, crossing
from trunkline.call.party import Party
from trunkline.proto.sip.escapes import escape_user
from trunkline.proto.sip.grammar import quote
from trunkline.proto.sip.identity.asserted import RemoteParty, parse_asserted, parse_remote_party
from trunkline.proto.sip.identity.diversion import (
    MAX_DIVERSIONS,
    Diversion,
    parse_diversions,
    render_diversions,
)
from trunkline.proto.sip.identity.history_info import diversions_of, parse_history, render_history
from trunkline.proto.sip.identity.number import number_of, verstat_of
from trunkline.proto.sip.identity.privacy import ANONYMOUS, Privacy, is_anonymous, parse_privacy
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.name_addr import NameAddr, parse_name_addr
from trunkline.proto.sip.reasons import reason_phrase

if TYPE_CHECKING:
    from trunkline.call.call import Call
    from trunkline.call.target import Target

Note = Callable[[str, str], None]
"""Told a code and a line for the story."""

MAX_NAME: Final = 128
UNKNOWN: Final = "anonymous"


class Source(StrEnum):
    """A header that may say who calls."""

    PAI = "pai"
    RPID = "rpid"
    FROM = "from"


class History(StrEnum):
    """A header that says whom a call was for before."""

    DIVERSION = "diversion"
    HISTORY_INFO = "history-info"


@dataclass(frozen=True, slots=True)
class IdentityPolicy:
    """What a peer is believed and told.

    ``trusted``: it belongs to our trust domain (RFC 3325 §3): what it asserts is so, and it learns who calls even
    when the caller stays unknown to others. ``identity`` are the headers that say who calls, the best first; of a
    peer that is not trusted only From is read. ``asserts`` are those by which we tell a trusted peer, ``history``
    those for diversions. ``sign``: calls to it are signed, where there is a key. ``domain`` stands in the addresses of
    callers for the tenant's.
    """

    trusted: bool = False
    identity: tuple[Source, ...] = (Source.PAI, Source.RPID, Source.FROM)
    asserts: tuple[Source, ...] = (Source.PAI,)
    history: tuple[History, ...] = (History.DIVERSION,)
    sign: bool = True
    domain: str = ""


# Calls that come in


def privacy_of(request: Request) -> Privacy:
    """What the sender of a request asks for.

    Raises RemoteProtocolError with 500 when it asks for what cannot be, and would rather not call (RFC 3323 §5.1).
    """
    privacy = parse_privacy(request.headers["Privacy"]) if "Privacy" in request.headers else Privacy()
    if privacy.unmet:
        raise RemoteProtocolError(f"Privacy {';'.join(sorted(privacy.unmet))[:40]!a} cannot be given", 500)
    return privacy


def asks_to_be_unknown(request: Request) -> bool:
    """Whether a phone asks that its callee does not learn who calls; raises as ``privacy_of``."""
    headers = request.headers
    if "Privacy" in headers:
        privacy = privacy_of(request)
        return privacy.hides or ("none" not in privacy.values and _from_is_anonymous(request))
    return "nonymous" in headers["From"] and _from_is_anonymous(request)


def caller_of(request: Request, policy: IdentityPolicy, domain: str, note: Note) -> Party:
    """The caller of a call that a peer sends; ``domain`` is that of the tenant whose call it becomes.

    Headers that are malformed are left out, and noted. Raises RemoteProtocolError: 482 when the call was diverted
    too often, 500 as ``privacy_of``, 400 when From cannot be read.
    """
    privacy = privacy_of(request)
    found: tuple[Source, NameAddr, bool] | None = None
    for source in policy.identity:
        found = found or _read(request, source, policy, note)
    source, address, private = found or (Source.FROM, parse_name_addr(request.headers["From"]), False)
    uri = address.address
    hidden = privacy.hides or private or _from_is_anonymous(request)
    number = UNKNOWN if is_anonymous(uri) else number_of(uri) or UNKNOWN
    party = Party(
        number,
        domain,
        "" if number == UNKNOWN else address.display[:MAX_NAME],
        anonymous=(hidden and "none" not in privacy.values) or number == UNKNOWN,
        asserted=policy.trusted and source is not Source.FROM,
        diversions=_diversions(request, note, privacy) if policy.trusted else (),
    )
    if policy.trusted:
        party.verstat = verstat_of(uri)
        party.entrusted = crossing(request, Trust.TRUSTED)
    note("identity.caller", f"{number} calls, said by {source.value}" + (", unknown to others" * hidden))
    return party


def _read(
    request: Request, source: Source, policy: IdentityPolicy, note: Note
) -> tuple[Source, NameAddr, bool] | None:
    headers = request.headers
    try:
        if source is Source.FROM:
            return source, parse_name_addr(headers["From"]), False
        if not policy.trusted:
            return None
        if source is Source.PAI and "P-Asserted-Identity" in headers:
            return _best_of(parse_asserted(headers["P-Asserted-Identity"]))
        if source is Source.RPID and "Remote-Party-ID" in headers:
            party = parse_remote_party(headers["Remote-Party-ID"])
            return None if party is None else (source, party.address, party.private)
    except RemoteProtocolError as error:
        note("identity.malformed", f"{source.value} is left out: {error.reason}")
    return None


def _best_of(asserted: list[NameAddr]) -> tuple[Source, NameAddr, bool] | None:
    """The address with a number in it: RFC 3325 §9.1 lets a tel URI stand beside a name."""
    if not asserted:
        return None
    with_number = [one for one in asserted if number_of(one.address).lstrip("+").isdigit()]
    return Source.PAI, (with_number or asserted)[0], False


def _from_is_anonymous(request: Request) -> bool:
    value = request.headers["From"]
    if "%" not in value and "nonymous" not in value.lower():
        return False  # as nearly always: it need not be parsed for that
    try:
        return is_anonymous(parse_name_addr(value).address)
    except RemoteProtocolError:
        return False


def _diversions(request: Request, note: Note, privacy: Privacy) -> tuple[Diversion, ...]:
    """Of both headers the one that tells more, for a network on the way may have known but one of them.

    RFC 7044 §10.1.2: Privacy may ask for all of them at once to stay unknown.
    """
    told: list[Diversion] = []
    for name, read in _HISTORIES:
        if name in request.headers:
            try:
                told = max(told, read(request.headers[name]), key=len)
            except RemoteProtocolError as error:
                if error.status == 482:
                    raise
                note("identity.malformed", f"{name} is left out: {error.reason}")
    return tuple(each._replace(private=each.private or privacy.hides_history) for each in told)


def _history(value: str) -> list[Diversion]:
    return diversions_of(parse_history(value))


_HISTORIES: Final = (("Diversion", parse_diversions), ("History-Info", _history))


def diverted(before: Sequence[Diversion], diversion: Diversion) -> tuple[Diversion, ...]:
    """The diversions of a call that is diverted once more; raises CallFailed 482 when it goes round."""
    after = (*before, diversion)
    if sum(each.times for each in after) > MAX_DIVERSIONS:
        raise CallFailed(482, reason_phrase(482), 25, "call.diverted_too_often")
    return after


# Calls that go out


def shown_to(caller: Party, target: Target, call: Call) -> tuple[str, str]:
    """From (without its tag) and finished lines by which a target learns who calls, and for whom.

    Raises CallFailed 482 when the call was diverted too often.
    """
    policy = target.identity
    if policy is None and caller.plain and not target.diverted_by:
        return target.caller or caller.name_addr, ""  # a call between our phones
    diversions = caller.diversions
    for each in target.diverted_by:
        diversions = diverted(diversions, each)
    if policy is None:
        shown = ANONYMOUS if caller.anonymous else target.caller or caller.name_addr
        return shown, render_diversions(_public(diversions))
    told = diversions if policy.trusted else _public(diversions)
    lines = _asserted(caller, policy) if policy.trusted else ""
    if caller.anonymous:
        lines += "Privacy: id\r\n"
    if told and History.DIVERSION in policy.history:
        lines += render_diversions(told)
    if told and History.HISTORY_INFO in policy.history:
        lines += render_history(told, target.uri)
    shown = _from(caller, target, policy)
    signer = call.context.signer
    if policy.sign and signer is not None:
        known = caller.number if policy.trusted and caller.asserted else _number_in(shown)
        # Signatures of others name whom the call was for before: who may not learn that gets ours alone.
        lines += signer.lines(caller, known, target, told, call.tell, afresh=len(told) < len(diversions))
    return shown, lines


def _from(caller: Party, target: Target, policy: IdentityPolicy) -> str:
    if caller.anonymous:
        return ANONYMOUS
    if target.caller:
        return target.caller
    address = address_of(caller, policy, verstat=policy.trusted and not caller.asserted)
    return f"{quote(caller.name)} <{address}>" if caller.name else f"<{address}>"


def _number_in(from_: str) -> str:
    return number_of(parse_name_addr(from_).address)


def _public(diversions: tuple[Diversion, ...]) -> tuple[Diversion, ...]:
    return tuple(each for each in diversions if not each.private)


def address_of(caller: Party, policy: IdentityPolicy, *, verstat: bool) -> str:
    """The caller's URI as a peer sees it; ``verstat`` says what verification found (3GPP TS 24.229 §7.2A.20)."""
    found = f";verstat={caller.verstat}" if verstat and caller.verstat else ""
    return f"sip:{escape_user(caller.number)}{found}@{policy.domain or caller.domain}"


def _asserted(caller: Party, policy: IdentityPolicy) -> str:
    if not caller.asserted:
        return ""
    address = NameAddr(caller.name, address_of(caller, policy, verstat=True), {})
    lines = caller.entrusted
    if Source.PAI in policy.asserts:
        lines += f"P-Asserted-Identity: {address}\r\n"
    if Source.RPID in policy.asserts:
        bare = NameAddr(caller.name, address_of(caller, policy, verstat=False), {})
        lines += f"Remote-Party-ID: {RemoteParty(bare, private=caller.anonymous)}\r\n"
    return lines
