"""How one leg's packets are secured: what its party is told of that, and what the engine is.

The call goes by plain descriptions. ``LegSecurity.read`` makes one of what the party says and keeps the rest;
``dress`` puts our keys, fingerprint and path into what the party is told; ``commands`` are the engine's for a port.
Our keys stay the same for the leg's life, so that a description that changes nothing is the same again, and roll-over
counters go on (RFC 3711 §3.3.1).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias

from trunkline.base.errors import RemoteProtocolError
from trunkline.media.command import Command, Done
from trunkline.media.identity import LocalPort
from trunkline.media.peer_security import Keyed, Security, plain_of
from trunkline.media.sdes import Crypto, new_key
from trunkline.media.security_commands import SetDtls, SetIce, SetKeys, SetPlain, Setup

Encryption: TypeAlias = Literal["off", "preferred", "required", "dtls"]
"""What a party is offered: plain RTP; keys beside it (``RTP/AVP`` with ``a=crypto``); ``RTP/SAVP``; DTLS-SRTP."""

# The mandatory one first (RFC 4568 §6.2): every phone with SRTP has it. Each row makes the INVITE longer, which is to
# fit into a datagram: what is not offered here is taken all the same when a party offers it.
OFFERED: Final = ("AES_CM_128_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_80", "AEAD_AES_128_GCM")
_PROTOCOLS: Final = {
    "off": "RTP/AVP",
    "preferred": "RTP/AVP",
    "required": "RTP/SAVP",
    "dtls": "UDP/TLS/RTP/SAVPF",
}
_PRIORITY: Final = 2_130_706_431  # RFC 8445 §5.1.2.1: a host candidate with the local preference 65535
_ROLES: Final[dict[str, Setup]] = {"active": "passive", "passive": "active"}


class StreamSecurity:
    """One m-line's: what the party said last, what it offered, and what is ours.

    ``agreed`` is how both secure it since the last answer; None before that.
    """

    __slots__ = ("agreed", "keys", "peer", "role", "said", "sent", "token", "ufrag")

    def __init__(self) -> None:
        self.peer: Keyed | None = None
        self.agreed: Security | None = None
        self.said = ""  # the protocol that we answer with
        self.keys: dict[str, str] = {}
        self.role: Setup = "passive"
        self.ufrag = ""
        self.token = ""  # our ICE password
        self.sent: list[Command[Done]] = []


class LegSecurity:
    """``encryption`` is what the party is offered; ``fingerprint`` the engine's, which ``dress`` needs for dtls.

    An offer of the party is answered as it is secured, whatever that is, except that with ``required`` a plain one is
    taken for one that cannot be carried.
    """

    __slots__ = ("_before", "_entropy", "encryption", "fingerprint", "streams")

    def __init__(
        self, encryption: Encryption = "off", *, entropy: Callable[[int], bytes] = os.urandom
    ) -> None:
        self.encryption = encryption
        self.fingerprint = ""
        self.streams: list[StreamSecurity] = []
        self._entropy = entropy
        self._before: list[tuple[Keyed | None, str, Setup, str, str]] = []

    @property
    def wants_fingerprint(self) -> bool:
        """Whether ``fingerprint`` is needed and not known yet."""
        if self.fingerprint:
            return False
        return self.encryption == "dtls" or any(
            one.peer is not None and one.peer.security == "dtls" for one in self.streams
        )

    @property
    def keyed(self) -> bool:
        """Whether a stream is secured now."""
        return any(one.agreed not in {None, "plain"} for one in self.streams)

    # What the party says

    def read(self, body: bytes, *, answer: bool) -> bytes:
        """The plain description; what cannot be understood, or answers otherwise than was offered, stays as it is."""
        text = body.decode("utf-8", "surrogateescape")
        try:
            plain, keyed = plain_of(text, optional=self.encryption != "off")
        except RemoteProtocolError:
            return body  # who reads it next says what is wrong with it
        while len(self.streams) < len(keyed):
            self.streams.append(StreamSecurity())
        self._before = [(one.peer, one.said, one.role, one.ufrag, one.token) for one in self.streams]
        take = self._take_answer if answer else self._take_offer
        wrong = [not take(stream, how) for stream, how in zip(self.streams, keyed, strict=False)]
        if any(wrong):
            head, *sections = plain.split("\r\nm=")
            # A secured stream without keys: nothing carries it.
            sections = [
                section.replace(" RTP/AVP", " RTP/SAVP", 1) if bad else section
                for section, bad in zip(sections, wrong, strict=False)
            ]
            plain = "\r\nm=".join([head, *sections])
        return plain.encode("utf-8", "surrogateescape")

    def take_back(self) -> None:
        """The offer that was read last is refused: what was said before it holds."""
        for stream, before in zip(self.streams, self._before, strict=False):
            stream.peer, stream.said, stream.role, stream.ufrag, stream.token = before
        self._before = []

    def _take_offer(self, stream: StreamSecurity, how: Keyed) -> bool:
        before, stream.peer, stream.said = stream.peer, how, how.protocol
        if how.security == "dtls":
            if how.setup == "active":
                stream.role = "passive"
            elif how.setup == "passive":
                stream.role = "active"
            # RFC 8842 §5.3: actpass in a later offer keeps the association, and with it our role.
            if before is not None and before.ufrag and before.ufrag != how.ufrag:
                stream.ufrag = stream.token = ""  # RFC 8839 §4.4.1.1.1: it restarts ICE, and so do we
        return not (
            how.security == "plain" and self.encryption == "required" and how.protocol[:7] == "RTP/AVP"
        )

    def _take_answer(self, stream: StreamSecurity, how: Keyed) -> bool:
        stream.peer = how
        offered = self._offered(stream)
        if offered == "dtls":
            stream.role = _ROLES.get(how.setup, "passive")
            return how.security == "dtls" or not how.protocol.startswith("RTP/AVP")
        if how.crypto is not None:
            return offered != "off" and how.crypto.suite in stream.keys
        return not (offered == "required" and how.protocol.startswith("RTP/"))

    def _offered(self, stream: StreamSecurity) -> Encryption:
        """What the party was offered, or would be."""
        if stream.agreed is None:
            return self.encryption
        if stream.agreed == "sdes":
            return "preferred" if stream.peer is not None and stream.peer.optional else "required"
        return "dtls" if stream.agreed == "dtls" else "off"

    def _ours(self, stream: StreamSecurity, theirs: Crypto) -> Crypto:
        """Our row for the peer's: the same tag and suite (RFC 4568 §5.1.2), a key of our own."""
        return Crypto(theirs.tag, theirs.suite, self._key(stream, theirs.suite))

    def _key(self, stream: StreamSecurity, suite: str) -> str:
        key = stream.keys.get(suite)
        if key is None:
            key = stream.keys[suite] = new_key(suite, self._entropy)
        return key

    # What it is told

    def dress(self, after: str, local: Sequence[LocalPort | None], *, offer: bool) -> str:
        """Our description from the ``c=`` and ``s=`` rows on, with how each stream is secured."""
        head, *sections = after.split("\r\nm=")
        if not sections:
            return after
        sections[-1] = sections[-1].removesuffix("\r\n")
        bundled: list[str] = []
        path = False
        for position, section in enumerate(sections):
            while len(self.streams) <= position:
                self.streams.append(StreamSecurity())
            stream = self.streams[position]
            port = local[position] if position < len(local) else None
            sections[position] = self._section(stream, section, port, offer=offer, mid=str(position))
            if "\r\na=fingerprint:" in sections[position]:
                path = path or "\r\na=ice-ufrag:" in sections[position]
                if offer or (stream.peer is not None and stream.peer.bundled):
                    bundled.append(self._mid(stream, str(position)))
        if len(bundled) == 1:  # one port carries one stream
            head += f"\r\na=group:BUNDLE {bundled[0]}"
        if path:
            head += "\r\na=ice-lite"
        return "\r\nm=".join([head, *sections]) + "\r\n"

    def _mid(self, stream: StreamSecurity, default: str) -> str:
        return (stream.peer.mid if stream.peer is not None else "") or default

    def _section(
        self, stream: StreamSecurity, section: str, port: LocalPort | None, *, offer: bool, mid: str
    ) -> str:
        first, _, rows = section.partition("\r\n")
        kind, number, protocol, formats = first.split(" ", 3)
        if not protocol.startswith("RTP/AVP"):
            return section
        how: Encryption = self._offered(stream) if offer else self._answered(stream)
        token = stream.said if stream.said and (not offer or stream.agreed is not None) else _PROTOCOLS[how]
        if how in {"off", "preferred"} and (offer or not stream.said):
            token = protocol
        kept = [rows] if rows else []
        if number != "0" and port is not None:
            if how == "dtls":
                kept = [
                    row for row in rows.split("\r\n") if row and not row.startswith(("a=rtcp-mux", "a=rtcp:"))
                ]
                kept += self._dtls_rows(stream, port, self._mid(stream, mid), offer=offer)
            elif how != "off":
                kept += [row.row for row in self._cryptos(stream, offer=offer)]
        elif how == "dtls":
            kept.append(f"a=mid:{self._mid(stream, mid)}")
        return "\r\n".join([f"{kind} {number} {token} {formats}", *kept])

    def _answered(self, stream: StreamSecurity) -> Encryption:
        peer = stream.peer
        if peer is None or peer.security == "plain":
            return "off"
        return "dtls" if peer.security == "dtls" else "required"

    def _cryptos(self, stream: StreamSecurity, *, offer: bool) -> list[Crypto]:
        if not offer or stream.agreed == "sdes":
            theirs = stream.peer.crypto if stream.peer is not None else None
            return [] if theirs is None else [self._ours(stream, theirs)]
        return [Crypto(tag, suite, self._key(stream, suite)) for tag, suite in enumerate(OFFERED, 1)]

    def _dtls_rows(self, stream: StreamSecurity, port: LocalPort, mid: str, *, offer: bool) -> list[str]:
        rows = [f"a=mid:{mid}"]
        if offer or (stream.peer is not None and stream.peer.ufrag):
            self._have_path(stream)
            rows += [
                f"a=ice-ufrag:{stream.ufrag}",
                f"a=ice-pwd:{stream.token}",
                f"a=candidate:1 1 UDP {_PRIORITY} {port.address} {port.port} typ host",
                "a=end-of-candidates",
            ]
        setup = "actpass" if offer else stream.role
        rows += [f"a=fingerprint:{self.fingerprint}", f"a=setup:{setup}"]
        if offer or (stream.peer is not None and stream.peer.mux):
            rows.append("a=rtcp-mux")
        return rows

    def _have_path(self, stream: StreamSecurity) -> None:
        if not stream.ufrag:  # RFC 8839 §5.4: at least 4 and 22 characters
            stream.ufrag, stream.token = self._entropy(4).hex(), self._entropy(16).hex()

    def moved(self) -> LegSecurity:
        """The same party at other ports: keys and path are made anew there."""
        new = LegSecurity(self.encryption, entropy=self._entropy)
        new.fingerprint = self.fingerprint
        for stream in self.streams:
            made = StreamSecurity()
            made.peer, made.agreed, made.said, made.role = (
                stream.peer,
                stream.agreed,
                stream.said,
                stream.role,
            )
            new.streams.append(made)
        return new

    # What the engine is told

    def mux(self, position: int) -> bool | None:
        """Whether RTCP comes by the RTP port; None where the plain descriptions say it."""
        stream = self.streams[position] if position < len(self.streams) else None
        if stream is None or stream.peer is None or stream.peer.security != "dtls":
            return None
        return stream.peer.mux

    def commands(self, port: str, position: int) -> list[Command[Done]]:
        """What has changed for a port since it was asked last, now that offer and answer are there."""
        stream = self.streams[position] if position < len(self.streams) else None
        peer = stream.peer if stream is not None else None
        if stream is None or peer is None:
            return []
        now = self._commands(port, stream, peer)
        was_secured = stream.agreed not in {None, "plain"} or self.encryption != "off"
        stream.agreed = peer.security
        if not now and was_secured and stream.sent != [SetPlain(port)]:
            now = [SetPlain(port)]
        if now == stream.sent:
            return []
        stream.sent = now
        return now

    def _commands(self, port: str, stream: StreamSecurity, peer: Keyed) -> list[Command[Done]]:
        if peer.security == "sdes" and peer.crypto is not None:
            return [SetKeys(port, peer.crypto.suite, self._key(stream, peer.crypto.suite), peer.crypto.key)]
        if peer.security != "dtls":
            return []
        made: list[Command[Done]] = []
        if peer.ufrag:
            self._have_path(stream)
            made.append(SetIce(port, stream.ufrag, stream.token, peer.ufrag, peer.password))
        made.append(SetDtls(port, stream.role, peer.fingerprint))
        return made
