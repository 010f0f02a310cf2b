"""A telephone that encrypts: libsrtp seals what it says and opens what it hears."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass, field
from typing import Protocol

import pylibsrtp
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.loopback.media.rtp_phone import Phone, receiver_report, repeat_until_heard, rtp
from trunkline.media import commands as c

PROFILES = {
    "AES_CM_128_HMAC_SHA1_80": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    "AEAD_AES_128_GCM": pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "AEAD_AES_256_GCM": pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}
OCTETS = {
    "AEAD_AES_128_GCM": 28,
    "AEAD_AES_256_GCM": 44,
    "AES_256_CM_HMAC_SHA1_80": 46,
    "AES_256_CM_HMAC_SHA1_32": 46,
}
REFUSED = pylibsrtp.Error


class Session(Protocol):
    """What seals or opens under one key."""

    def protect(self, packet: bytes) -> bytes: ...
    def unprotect(self, packet: bytes) -> bytes: ...
    def protect_rtcp(self, packet: bytes) -> bytes: ...
    def unprotect_rtcp(self, packet: bytes) -> bytes: ...


@dataclass(slots=True)
class LongKeySession:
    """SRTP with AES-256 in counter mode (RFC 6188), which pylibsrtp does not offer; all in order."""

    key: bytes
    tag: int
    highest: dict[bytes, int] = field(default_factory=dict)
    reports: int = 0

    def protect(self, packet: bytes) -> bytes:
        """Seals RTP."""
        index = self._index(packet)
        sealed = packet[:12] + self._crypt(packet[8:12], index, 0, packet[12:])
        return sealed + self._tag(1, sealed + (index >> 16).to_bytes(4), self.tag)

    def unprotect(self, packet: bytes) -> bytes:
        """Opens RTP."""
        sealed, tag = packet[: -self.tag], packet[-self.tag :]
        index = self._index(sealed)
        if self._tag(1, sealed + (index >> 16).to_bytes(4), self.tag) != tag:
            raise REFUSED("authentication failure")
        return sealed[:12] + self._crypt(sealed[8:12], index, 0, sealed[12:])

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Seals RTCP."""
        sealed = packet[:8] + self._crypt(packet[4:8], self.reports, 3, packet[8:])
        sealed += (self.reports | 1 << 31).to_bytes(4)
        self.reports += 1
        return sealed + self._tag(4, sealed, 10)

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """Opens RTCP."""
        sealed, tag = packet[:-10], packet[-10:]
        if self._tag(4, sealed, 10) != tag:
            raise REFUSED("authentication failure")
        index = int.from_bytes(sealed[-4:]) & 0x7FFF_FFFF
        return sealed[:8] + self._crypt(sealed[4:8], index, 3, sealed[8:-4])

    def _index(self, packet: bytes) -> int:
        sequence = int.from_bytes(packet[2:4])
        highest = self.highest.get(packet[8:12], sequence)
        index = highest + (sequence - highest + 0x8000) % 0x1_0000 - 0x8000
        self.highest[packet[8:12]] = max(highest, index)
        return index

    def _crypt(self, ssrc: bytes, index: int, label: int, text: bytes) -> bytes:
        salt = int.from_bytes(self._derived(label + 2, 14))
        counter = (salt ^ int.from_bytes(ssrc) << 48 ^ index) << 16
        return _stream(self._derived(label, 32), counter, text)

    def _tag(self, label: int, octets: bytes, length: int) -> bytes:
        return hmac.digest(self._derived(label, 20), octets, hashlib.sha1)[:length]

    def _derived(self, label: int, length: int) -> bytes:
        return _stream(self.key[:32], (int.from_bytes(self.key[32:]) ^ label << 48) << 16, bytes(length))


def _stream(key: bytes, counter: int, text: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.CTR(counter.to_bytes(16))).encryptor().update(text)


@dataclass(slots=True)
class Key:
    """A master key of one direction."""

    suite: str
    octets: bytes = field(repr=False)

    @classmethod
    def random(cls, suite: str) -> Key:
        """A new one."""
        return cls(suite, os.urandom(OCTETS.get(suite, 30)))

    @property
    def base64(self) -> str:
        """As a description has it."""
        return base64.b64encode(self.octets).decode()

    def session(self, direction: int) -> Session:
        """What seals (``SSRC_ANY_OUTBOUND``) or opens (``SSRC_ANY_INBOUND``) with it."""
        if self.suite not in PROFILES:
            return LongKeySession(self.octets, 4 if self.suite.endswith("32") else 10)
        policy = pylibsrtp.Policy(self.octets, direction, srtp_profile=PROFILES[self.suite])
        session: Session = pylibsrtp.Session(policy)
        return session


@dataclass(slots=True)
class NamedSession:
    """Packets of another session with an MKI, which pylibsrtp does not offer (RFC 3711 §3.1, RFC 7714 §8, §9)."""

    session: Session
    mki: bytes
    suite: str

    def protect(self, packet: bytes) -> bytes:
        """Seals RTP."""
        return self._named(self.session.protect(packet), self._rtp_tag)

    def unprotect(self, packet: bytes) -> bytes:
        """Opens RTP."""
        return self.session.unprotect(self._bare(packet, self._rtp_tag))

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Seals RTCP."""
        return self._named(self.session.protect_rtcp(packet), self._rtcp_tag)

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """Opens RTCP."""
        return self.session.unprotect_rtcp(self._bare(packet, self._rtcp_tag))

    @property
    def _rtp_tag(self) -> int:
        return 4 if self.suite.endswith("32") else self._rtcp_tag

    @property
    def _rtcp_tag(self) -> int:
        return 0 if self.suite.startswith("AEAD") else 10

    def _named(self, packet: bytes, tag: int) -> bytes:
        at = len(packet) - tag
        return packet[:at] + self.mki + packet[at:]

    def _bare(self, packet: bytes, tag: int) -> bytes:
        at = len(packet) - tag
        assert packet[at - len(self.mki) : at] == self.mki
        return packet[: at - len(self.mki)] + packet[at:]


class SecurePhone:
    """Wraps a phone: its key, that of the engine's port, and a libsrtp session for each.

    ``mki`` is in the packets of both directions; empty: in none.
    """

    def __init__(self, phone: Phone, suite: str = "AES_CM_128_HMAC_SHA1_80", mki: bytes = b"") -> None:
        self.phone = phone
        self.mki = mki
        self.sequence = 1000
        self.renew(suite)

    def renew(self, suite: str) -> None:
        """New keys in both directions."""
        self.ours, self.theirs = Key.random(suite), Key.random(suite)
        self.sealing = self.ours.session(pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        self.opening = self.theirs.session(pylibsrtp.Policy.SSRC_ANY_INBOUND)
        if self.mki:
            self.sealing = NamedSession(self.sealing, self.mki, suite)
            self.opening = NamedSession(self.opening, self.mki, suite)

    def keys(self, port: str, *, answered: bool = True) -> c.SetKeys:
        """What tells the engine."""
        ours = self.ours.base64 if answered else ""
        return c.SetKeys(
            port,
            self.ours.suite,
            self.theirs.base64,
            ours,
            send_mki=self.mki.hex(),
            receive_mki=self.mki.hex(),
        )

    def packet(self) -> tuple[bytes, bytes]:
        """The next packet, in the clear and sealed."""
        self.sequence += 1
        plain = rtp(self.sequence, self.phone.ssrc, payload=os.urandom(160))
        return plain, self.sealing.protect(plain)

    def with_another_mki(self, sealed: bytes) -> bytes:
        """A packet that names another key."""
        at = sealed.rindex(self.mki)
        return sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]

    def send(self, to: c.PortOpened, sealed: bytes) -> None:
        """Send any octets."""
        self.phone.rtp.sendto(sealed, (to.address, to.rtp_port))

    def speak(self, to: c.PortOpened) -> bytes:
        """Send the next packet; returns it in the clear."""
        plain, sealed = self.packet()
        self.send(to, sealed)
        return plain

    async def speak_until_heard(self, to: c.PortOpened, listener: SecurePhone) -> None:
        """Send every 20 ms until one packet has come through, and let those behind it be heard too."""
        await repeat_until_heard(lambda: self.speak(to), listener.hear)

    async def hear(self) -> bytes:
        """The next packet, opened."""
        return self.opening.unprotect(await self.phone.hear())

    def report(self, to: c.PortOpened, *, muxed: bool) -> bytes:
        """Send an RTCP report; returns it in the clear."""
        plain = receiver_report(self.phone.ssrc)
        sealed = self.sealing.protect_rtcp(plain)
        if muxed:
            self.send(to, sealed)
        else:
            self.phone.rtcp.sendto(sealed, (to.address, to.rtcp_port))
        return plain
