"""The commonest REGISTER by far: a phone prolongs its one contact.

It is decided here without the general way, which costs twice as much; what is not plain is left to that.
``changes_of`` must come to the same result, and a test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Sequence

from trunkline.model.binding import Binding
from trunkline.proto.sip.message import Request
from trunkline.registrar.contacts import usual_contact
from trunkline.registrar.policy import RegistrarPolicy


def plain_refresh(
    request: Request, known: Sequence[Binding], policy: RegistrarPolicy, now: float
) -> float | None:
    """Until when the one known binding is to live, when that is all that the request asks for; else None."""
    if len(known) != 1:
        return None
    headers = request.headers
    binding = known[0]
    contact = usual_contact(headers.get("Contact", ""))
    if contact is None or contact[1] != binding.contact or binding.expires_at <= now:
        return None
    if binding.q != 1000 or binding.path or binding.params or "Path" in headers:
        return None
    if binding.call_id != headers["Call-ID"] or request.cseq[0] <= binding.cseq:
        return None
    seconds: str = contact[2] or headers.get("Expires", "")
    if len(seconds) > 9 or not seconds.isascii() or not seconds.isdigit():
        return None
    asked = int(seconds)
    return now + min(asked, policy.max_expires_s) if asked >= max(1, policy.min_expires_s) else None
