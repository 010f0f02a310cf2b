"""How one leg's packets are secured: what its party is told of that, and what the engine is.

The call goes by plain descriptions. ``LegSecurity.read`` makes one of what the party says and keeps the rest;
``dress`` puts our keys, fingerprint and path into what the party is told; ``commands`` are the engine's for a port.
Our keys stay the same for the leg's life, so that a description that changes nothing is the same again, and roll-over
counters go on (RFC 3711 §3.3.1).
"""

from __future__ import annotations

import os
import re
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
# RFC 8842 §5.3: an answer has a role; what has none, or leaves it to us, gets the one that peers prefer.
_ROLES: Final[dict[str, Setup]] = {"active": "passive", "passive": "active"}
_RTP: Final = frozenset({"rtp", "srtp", "dtls"})
_PLAIN_LINE: Final = re.compile(r"^(\S+ \S+) RTP/AVPF?(?= )", re.IGNORECASE)


class StreamSecurity:
    """One m-line's: what the party said last of its RTP, what it was offered, and what is ours.

    ``offered`` is what our last offer proposed, ``tags`` the suites of its rows; ``agreed`` how both secure it since
    the last answer, None before that. ``mki`` is what our packets name our key by, as the party's do in its
    offer. While ``opaque`` it is no RTP (fax), and what is agreed for that waits.
    """

    __slots__ = (
        "agreed", "keys", "mki", "offered", "opaque", "peer", "role", "said", "sent", "tags", "token", "ufrag",
    )  # fmt: skip

    def __init__(self) -> None:
        self.peer: Keyed | None = None
        self.agreed: Security | None = None
        self.offered: Encryption | None = None
        self.tags: dict[int, str] = {}
        self.opaque = False
        self.said = ""  # the protocol that we answer with
        self.keys: dict[tuple[str, bytes], str] = {}
        self.mki = b""
        self.role: Setup = "passive"
        self.ufrag = ""
        self.token = ""  # our ICE password
        self.sent: list[Command[Done]] = []

    def state(self) -> _State:
        """What an offer of the party changes."""
        return self.peer, self.opaque, self.said, self.role, self.ufrag, self.token, self.mki

    def restore(self, state: _State) -> None:
        self.peer, self.opaque, self.said, self.role, self.ufrag, self.token, self.mki = state


_State: TypeAlias = tuple[Keyed | None, bool, str, Setup, str, str, bytes]


class LegSecurity:
    """``encryption`` is what the party is offered; ``fingerprint`` the engine's, which ``dress`` needs for dtls.

    An offer of the party is answered as it is secured, whatever that is, except that with ``required`` a plain one is
    taken for one that cannot be carried.
    """

    __slots__ = ("_before", "_entropy", "complaints", "encryption", "fingerprint", "streams")

    def __init__(
        self, encryption: Encryption = "off", *, entropy: Callable[[int], bytes] = os.urandom
    ) -> None:
        self.encryption = encryption
        self.fingerprint = ""
        self.streams: list[StreamSecurity] = []
        self._entropy = entropy
        self._before: list[_State] = []
        self.complaints: list[str] = []
        """What was wrong with what was read last, for the story: no key is in it."""

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
        """Whether a stream is secured now, or may be by what was said and is not agreed yet."""
        agreed = [one.agreed for one in self.streams if one.agreed is not None]
        if agreed:
            return any(how != "plain" for how in agreed)
        return any(
            one.keys or one.ufrag or (one.peer is not None and one.peer.security != "plain")
            for one in self.streams
        )

    @property
    def how(self) -> str:
        """``sdes`` or ``dtls``, by which a stream is secured; empty when none is."""
        return next((one.agreed for one in self.streams if one.agreed not in {None, "plain"}), None) or ""

    @property
    def bound(self) -> bool:
        """Whether keys were agreed by DTLS: they cannot be had at another port."""
        return any(one.agreed == "dtls" for one in self.streams)

    # What the party says

    def read(self, body: bytes, *, answer: bool) -> bytes:
        """The plain description; what cannot be understood, or answers otherwise than was offered, stays as it is."""
        self.complaints = []
        if not body:
            return body
        text = body.decode("utf-8", "surrogateescape")
        try:
            plain, keyed = plain_of(text, optional=self.encryption != "off")
        except RemoteProtocolError:
            return body  # who reads it next says what is wrong with it
        while len(self.streams) < len(keyed):
            self.streams.append(StreamSecurity())
        self._before = [] if answer else [one.state() for one in self.streams]
        take = self._take_answer if answer else self._take_offer
        wrong = [take(stream, how) for stream, how in zip(self.streams, keyed, strict=False)]
        kind = "answer" if answer else "offer"
        self.complaints = [
            f"SDP {kind}, media line {number}: {complaint}"
            for number, complaint in enumerate(wrong, 1)
            if complaint
        ]
        if self.complaints:
            head, *sections = plain.split("\r\nm=")
            # A secured stream without keys: nothing carries it.
            sections = [
                _PLAIN_LINE.sub(r"\1 RTP/SAVP", section) if complaint else section
                for section, complaint in zip(sections, wrong, strict=False)
            ]
            plain = "\r\nm=".join([head, *sections])
        return plain.encode("utf-8", "surrogateescape")

    def take_back(self) -> None:
        """The offer that was read last is refused: what was said before it holds."""
        for stream, before in zip(self.streams, self._before, strict=False):
            stream.restore(before)
        self._before = []

    def _note(self, stream: StreamSecurity, how: Keyed) -> bool:
        """Keep what the party says of a stream; whether that is RTP that lives."""
        if not how.live:
            stream.peer = stream.peer or how
            return False
        stream.opaque = how.transport not in _RTP
        if not stream.opaque:
            stream.peer = how
        return not stream.opaque

    def _take_offer(self, stream: StreamSecurity, how: Keyed) -> str:
        """What is wrong with it; "" when it can be taken."""
        before = stream.peer
        if how.transport in _RTP:
            stream.said = how.protocol
        if not self._note(stream, how):
            return ""
        stream.mki = how.crypto.mki if how.crypto is not None else b""
        if how.security == "plain":
            if self.encryption == "required" and how.transport == "rtp":
                return how.complaint or f"{how.protocol}, where encryption is required"
            return "" if how.transport == "rtp" else how.complaint
        if how.security == "dtls":
            if how.setup == "active":
                stream.role = "passive"
            elif how.setup == "passive":
                stream.role = "active"
            # RFC 8842 §5.3: actpass in a later offer keeps the association, and with it our role.
            if before is not None and before.ufrag and before.ufrag != how.ufrag:
                stream.ufrag = stream.token = ""  # RFC 8839 §4.4.1.1.1: it restarts ICE, and so do we
        return ""

    def _take_answer(self, stream: StreamSecurity, how: Keyed) -> str:
        """As ``_take_offer``; an answer is held against what the party was offered."""
        offered = stream.offered or self._offered(stream)
        allowed = dict(stream.tags)
        if stream.agreed == "sdes" and stream.peer is not None and stream.peer.crypto is not None:
            allowed[stream.peer.crypto.tag] = stream.peer.crypto.suite
        if not self._note(stream, how):
            return ""
        if how.complaint:
            return how.complaint
        if how.security == "dtls":
            stream.role = _ROLES.get(how.setup, "passive")
            return "" if offered == "dtls" else f"{how.protocol}, which was not offered"
        if how.crypto is None:
            wants = {"required": "RTP/SAVP with keys", "dtls": "DTLS-SRTP"}.get(offered)
            return "" if wants is None else f"{how.protocol} to an offer of {wants}"
        return _complaint_of(how, how.crypto, allowed if offered in {"preferred", "required"} else {})

    def _offered(self, stream: StreamSecurity) -> Encryption:
        """What the party is to be offered."""
        if stream.agreed is None:
            return self.encryption
        if stream.agreed == "sdes":
            return "preferred" if stream.peer is not None and stream.peer.optional else "required"
        return "dtls" if stream.agreed == "dtls" else "off"

    def _ours(self, stream: StreamSecurity, theirs: Crypto) -> Crypto:
        """Our row for the peer's: the same tag and suite (RFC 4568 §5.1.2), a key of our own, under its MKI."""
        return Crypto(theirs.tag, theirs.suite, self._key(stream, theirs.suite), stream.mki)

    def _key(self, stream: StreamSecurity, suite: str) -> str:
        # One key is never used with and without an MKI: the engine takes that for another key, and begins anew.
        key = stream.keys.get((suite, stream.mki))
        if key is None:
            key = stream.keys[suite, stream.mki] = new_key(suite, self._entropy)
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
        if offer:
            stream.offered = how
        token = stream.said if stream.said and (not offer or stream.agreed is not None) else _PROTOCOLS[how]
        if how in {"off", "preferred"} and (offer or not stream.said):
            token = protocol
        kept = [rows] if rows else []
        if how == "dtls" and kind != "audio" and number != "0":
            # The one port of a bundle is the sound's, and who bundles all takes no second one.
            number, kept = "0", []
        if number != "0" and port is not None:
            if how == "dtls":
                kept = [
                    row for row in rows.split("\r\n") if row and not row.startswith(("a=rtcp-mux", "a=rtcp:"))
                ]
                kept += self._dtls_rows(stream, port, self._mid(stream, mid), offer=offer)
            elif how != "off":
                cryptos = self._cryptos(stream, offer=offer)
                stream.tags = {row.tag: row.suite for row in cryptos} if offer else stream.tags
                kept += [row.row for row in cryptos]
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
            made.restore((stream.peer, stream.opaque, stream.said, stream.role, "", "", stream.mki))
            made.agreed = stream.agreed
            new.streams.append(made)
        return new

    def take_over(self, known: LegSecurity) -> None:
        """What the party has said by its ports before counts here; keys and path stay."""
        while len(self.streams) < len(known.streams):
            self.streams.append(StreamSecurity())
        for stream, before in zip(self.streams, known.streams, strict=False):
            stream.restore(
                (before.peer, before.opaque, before.said, before.role, stream.ufrag, stream.token, before.mki)
            )

    # What the engine is told

    def mux(self, position: int) -> bool | None:
        """Whether RTCP comes by the RTP port; None where the plain descriptions say it."""
        stream = self.streams[position] if position < len(self.streams) else None
        if stream is None or stream.peer is None or stream.opaque or stream.peer.security != "dtls":
            return None
        return stream.peer.mux

    def commands(self, port: str, position: int) -> list[Command[Done]]:
        """What has changed for a port since it was asked last, now that offer and answer are there."""
        self._before = []
        stream = self.streams[position] if position < len(self.streams) else None
        peer = stream.peer if stream is not None else None
        if stream is None or peer is None:
            return []
        now = [] if stream.opaque else self._commands(port, stream, peer)
        was_secured = stream.agreed not in {None, "plain"} or self.encryption != "off"
        if stream.opaque:
            stream.keys.clear()  # the engine forgets how far they were used: no packet may be sealed by them again
        else:
            stream.agreed = peer.security
        if not now and was_secured and stream.sent != [SetPlain(port)]:
            now = [SetPlain(port)]
        if now == stream.sent:
            return []
        stream.sent = now
        return now

    def _commands(self, port: str, stream: StreamSecurity, peer: Keyed) -> list[Command[Done]]:
        if peer.security == "sdes" and peer.crypto is not None:
            suite, key, mki = peer.crypto.suite, peer.crypto.key, peer.crypto.mki
            return [SetKeys(port, suite, self._key(stream, suite), key, stream.mki.hex(), mki.hex())]
        if peer.security != "dtls":
            return []
        made: list[Command[Done]] = []
        if peer.ufrag:
            self._have_path(stream)
            made.append(SetIce(port, stream.ufrag, stream.token, peer.ufrag, peer.password))
        made.append(SetDtls(port, stream.role, peer.fingerprint))
        return made


def _complaint_of(how: Keyed, crypto: Crypto, allowed: dict[int, str]) -> str:
    """What is wrong with keys in an answer to rows of these tags and suites (RFC 4568 §5.1.3)."""
    if not allowed:
        return f"{how.protocol} with keys, which were not offered"
    if how.rows != 1:
        return f"{how.rows} rows a=crypto, expected one"
    if allowed.get(crypto.tag) != crypto.suite:
        return f"a=crypto:{crypto.tag} {crypto.suite}, which was not offered under that tag"
    return ""
