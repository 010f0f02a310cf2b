"""Commands about encryption: SRTP keys from the description (SDES), DTLS-SRTP, and ICE."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from trunkline.media.command import Command, Done, Reply

SUITES = (
    "AES_CM_128_HMAC_SHA1_80",
    "AES_CM_128_HMAC_SHA1_32",
    "AES_256_CM_HMAC_SHA1_80",
    "AES_256_CM_HMAC_SHA1_32",
    "AEAD_AES_128_GCM",
    "AEAD_AES_256_GCM",
)
"""The crypto suites of SDES that the embedded engine knows (RFC 4568, RFC 6188, RFC 7714)."""
Setup = Literal["active", "passive"]


@dataclass(slots=True)
class SetKeys(Command[Done]):
    """Encrypt a port with keys from the description (RFC 4568); again when an offer or answer changes them.

    From the first ``SetKeys`` or ``SetDtls`` on the port is closed to plain RTP and sends none: it fails closed.
    The same key again keeps roll-over counters and replay windows; a new one begins anew, and packets under the
    one before are still taken for two seconds. Refused with ``media.argument`` for a suite or key that is wrong.
    """

    kind: ClassVar[str] = "set_keys"
    port: str
    suite: str
    send_key: str = field(repr=False)
    """Master key and salt in base64, ours."""
    receive_key: str = field(repr=False)
    """Those of the peer; empty until its answer has come: what it sends before is dropped."""
    send_mki: str = ""
    """What each packet to the peer names our key by (RFC 3711 §3.1), up to 128 octets in hexadecimal."""
    receive_mki: str = ""
    """What each packet of the peer must name its key by."""


@dataclass(slots=True)
class SetDtls(Command[Done]):
    """Agree on SRTP keys by DTLS on the port (RFC 5764); ``PortSecured`` or ``SecurityFailed`` tells how it went.

    Again with the same fingerprint and role it goes on; with another it begins anew (RFC 8842 §5).
    """

    kind: ClassVar[str] = "set_dtls"
    port: str
    setup: Setup
    """Our role: ``active`` sends the ClientHello."""
    fingerprint: str
    """That of the peer's certificate: ``sha-256 AB:CD:...`` (RFC 8122)."""


@dataclass(slots=True)
class SetIce(Command[Done]):
    """Answer connectivity checks on the port as an ICE-lite agent (RFC 8445 §2.5), RTP and RTCP on one port.

    Media goes to, and is taken from, the pair that the peer nominated, which ``PathChosen`` tells; its consent
    (RFC 7675) is its checks going on: ``ConsentLost`` when they stop for 30 s.
    """

    kind: ClassVar[str] = "set_ice"
    port: str
    local_ufrag: str
    local_password: str = field(repr=False)
    remote_ufrag: str
    remote_password: str = field(repr=False)


@dataclass(slots=True)
class SetPlain(Command[Done]):
    """Encrypt no more: an answer took plain RTP although keys were offered."""

    kind: ClassVar[str] = "set_plain"
    port: str


@dataclass(slots=True)
class IdentityRead(Reply):
    """What the engine shows in DTLS."""

    kind: ClassVar[str] = "identity"
    fingerprint: str
    """``sha-256 AB:CD:...``, for ``a=fingerprint``."""


@dataclass(slots=True)
class ReadIdentity(Command[IdentityRead]):
    """Ask for the fingerprint of the engine's certificate: one for its life, made at its start."""

    kind: ClassVar[str] = "read_identity"
