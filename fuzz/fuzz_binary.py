"""What is not text: STUN on the SIP port, and the numbers in a signer's certificate."""

from __future__ import annotations

from typing import Final

from trunkline.proto import stun
from trunkline.ua.stir.tn_auth_list import parse_tn_auth_list

# An answer to a forged source must not be worth forging for: an address and a header, or what was not understood.
_MOST_MORE: Final = 48


def stun_request(data: bytes) -> None:
    """A datagram that may be STUN: it is answered in about its own length, or not at all."""
    for host in ("192.0.2.1", "2001:db8::1"):
        said = stun.answer(data, host, 5060)
        if said is not None:
            assert stun.is_stun(data)
            assert len(said) <= len(data) + _MOST_MORE
            assert stun.answer(said, host, 5060) is None, "two servers must not answer each other for ever"


def tn_auth_list(data: bytes) -> None:
    """The extension of a certificate that says whose numbers its owner answers for (RFC 8226 §9)."""
    parse_tn_auth_list(data)
