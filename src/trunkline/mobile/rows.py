"""Hand-overs as rows of the journal, both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trunkline.base.errors import LocalProtocolError
from trunkline.call.spoken_for import is_keyed
from trunkline.mobile.call_journal import body_of, read_body
from trunkline.mobile.pushing import CallFacts
from trunkline.mobile.words import QUEUED, SENT, STATES, TOLD
from trunkline.model.device import MobileCall

if TYPE_CHECKING:
    from trunkline.mobile.hand_over import HandOver


def row_of(one: HandOver) -> MobileCall:
    """A hand-over as it is now."""
    facts = one.facts
    paths = one.leg is not None and one.leg.ends_here
    data = {
        "caller": facts.caller,
        "name": facts.name,
        "call_id": facts.call_id,
        "offer": _text(one.offer, paths=paths),
        "answer": _text(one.answer, paths=paths),
        "started_at": one.started_at,
        "expires_at": one.expires_at,
        "reached": one.reached,
        "accepted": one.accepted.hex(),
        "shared": one.wake_up.shared,
        "held": one.held,
        "ended_at": one.ended_at,
        "reason": one.reason,
        "sip_status": one.sip_status,
        "elsewhere": one.elsewhere,
    }
    leg = one.leg.id if one.leg is not None else ""
    return MobileCall(
        one.tenant,
        one.token,
        facts.call,
        leg,
        one.device_id,
        one.owner,
        one.state,
        body_of(data),
        one.office.wall(),
    )


def put_back(one: HandOver, row: MobileCall) -> None:
    """Make a new hand-over what the process before us had. Raises LocalProtocolError for a row of another shape."""
    data = read_body(row)
    if row.state not in STATES:
        raise LocalProtocolError(f"a kept hand-over in the state {row.state!a}")
    try:
        one.facts = CallFacts(row.call, data["call_id"], data["caller"], data["name"])
        one.offer = data["offer"].encode("utf-8", "surrogateescape")
        one.answer = data["answer"].encode("utf-8", "surrogateescape")
        one.started_at, one.expires_at = float(data["started_at"]), float(data["expires_at"])
        one.accepted = bytes.fromhex(data["accepted"])
        one.reached, one.held = bool(data["reached"]), bool(data["held"])
        one.wake_up.shared = bool(data["shared"])
        one.ended_at, one.reason = float(data["ended_at"]), str(data["reason"])
        one.sip_status, one.elsewhere = int(data["sip_status"]), bool(data["elsewhere"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LocalProtocolError(f"a kept hand-over cannot be read: {type(error).__name__}") from error
    one.token, one.owner, one.peer = row.id, row.owner, one.facts.caller
    # What the provider said is lost with the process. The row was written before the push went: it goes but once.
    one.state = SENT if row.state == QUEUED else row.state
    one.wake_up.sent = None if row.state == TOLD else True


def _text(body: bytes, *, paths: bool) -> str:
    """A description, unless it says keys (RFC 4568), which are for no disk: such a call does not outlive a crash.

    ``paths``: nor the passwords of paths that end at us.
    """
    return "" if is_keyed(body, paths=paths) else body.decode("utf-8", "surrogateescape")
