"""A registration that we make elsewhere, as it is written down."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientRegistration:
    """What the next process needs, so that its REGISTER replaces our contact and adds none (RFC 3261 §10.2.4).

    ``id`` is the user of our Contact; ``owner`` names what it is for, such as ``trunk carrier``. ``address`` is
    the URI that is registered, at ``registrar``. No CSeq that was sent is above ``cseq``. ``contact`` is the
    host and port of our Contact when they were learned, else empty; ``expires_at`` wall-clock seconds, 0 when
    it was never granted; ``target`` the server that answered last, empty for none.
    """

    tenant: str
    id: str
    owner: str
    address: str
    registrar: str
    call_id: str
    cseq: int
    contact: str = ""
    expires_at: float = 0.0
    target: str = ""
