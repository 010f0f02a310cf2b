"""What a registration is to be, and how patient we are."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.proto.sip.digest_client import Account


@dataclass(frozen=True, slots=True)
class RegistrationPolicy:
    """Times in seconds.

    A failed try is repeated after ``base_s`` doubled with each failure, ``longest_s`` at most (RFC 5626 §4.5);
    a refusal, which time alone does not heal, after ``refused_s``, doubled up to ``refused_longest_s``. One
    registrar gets ``per_s`` REGISTERs a second at most, challenges apart. ``leave_s`` is how long an
    un-REGISTER may take.
    """

    base_s: float = 30.0
    longest_s: float = 1800.0
    refused_s: float = 3600.0
    refused_longest_s: float = 86_400.0
    per_s: float = 20.0
    leave_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """One address to register.

    ``id`` is the user of our Contact: opaque, unguessable, kept over restarts. ``owner`` names what it is for.
    ``address`` is the URI that is registered, ``registrar`` the Request-URI, whose servers are looked up
    (RFC 3263), ``account`` answers challenges: domain, registrar and realm are three values. ``outbound`` adds
    instance and reg-id on connections (RFC 5626); ``learns_address`` lets a NAT's address take the place of
    ours in the Contact. ``display`` stands before the address in From.
    """

    tenant: str
    id: str
    owner: str
    address: str
    registrar: str
    account: Account | None = None
    expires_s: int = 3600
    outbound: bool = True
    learns_address: bool = True
    display: str = ""
