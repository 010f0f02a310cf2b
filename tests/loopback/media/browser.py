"""The media side of a browser: it checks paths (ICE), agrees on keys by DTLS (OpenSSL) and encrypts (libsrtp)."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import ipaddress
import os
import socket
import struct
import zlib
from dataclasses import dataclass
from typing import Final

import pylibsrtp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key
from OpenSSL import SSL

from tests.loopback.media.rtp_phone import DEADLINE_S, receiver_report, rtp
from tests.loopback.media.secure_phone import PROFILES
from trunkline.media import commands as c
from trunkline.media.dtls_identity import new_identity
from trunkline.media.security_commands import Setup

COOKIE: Final = 0x2112A442
REQUEST, SUCCESS, ERROR = 0x0001, 0x0101, 0x0111
USERNAME, INTEGRITY, ERROR_CODE, MAPPED, PRIORITY = 0x0006, 0x0008, 0x0009, 0x0020, 0x0024
USE_CANDIDATE, FINGERPRINT, CONTROLLING = 0x0025, 0x8028, 0x802A
SRTP = {"AES_CM_128_HMAC_SHA1_80": b"SRTP_AES128_CM_SHA1_80", "AEAD_AES_128_GCM": b"SRTP_AEAD_AES_128_GCM"}
KEY_OCTETS = {"AES_CM_128_HMAC_SHA1_80": (16, 14), "AEAD_AES_128_GCM": (16, 12)}


def stun(kind: int, transaction: bytes, attributes: list[tuple[int, bytes]], password: str | None) -> bytes:
    """A STUN message (RFC 8489); with a password it has MESSAGE-INTEGRITY, and always FINGERPRINT."""
    body = b"".join(
        struct.pack("!HH", name, len(value)) + value + bytes(-len(value) % 4) for name, value in attributes
    )

    def head(length: int) -> bytes:
        return struct.pack("!HHI", kind, length, COOKIE) + transaction

    if password is not None:
        digest = hmac.digest(password.encode(), head(len(body) + 24) + body, hashlib.sha1)
        body += struct.pack("!HH", INTEGRITY, 20) + digest
    sum32 = zlib.crc32(head(len(body) + 8) + body) ^ 0x5354554E
    return head(len(body) + 8) + body + struct.pack("!HHI", FINGERPRINT, 4, sum32)


@dataclass(slots=True)
class Answer:
    """An answer to a check."""

    kind: int
    transaction: bytes
    attributes: dict[int, bytes]

    @classmethod
    def read(cls, data: bytes) -> Answer:
        """Reads a message that is known to be well-formed."""
        kind, length, cookie = struct.unpack_from("!HHI", data)
        assert (cookie, length) == (COOKIE, len(data) - 20)
        attributes, at = {}, 20
        while at < len(data):
            name, octets = struct.unpack_from("!HH", data, at)
            attributes[name] = data[at + 4 : at + 4 + octets]
            at += 4 + octets + -octets % 4
        return cls(kind, data[8:20], attributes)

    @property
    def error(self) -> int:
        """Its ERROR-CODE; 0: none."""
        value = self.attributes.get(ERROR_CODE, bytes(4))
        return value[2] * 100 + value[3]

    @property
    def mapped(self) -> tuple[str, int]:
        """Where the check came from."""
        value = self.attributes[MAPPED]
        port = int.from_bytes(value[2:4]) ^ COOKIE >> 16
        return str(ipaddress.IPv4Address(int.from_bytes(value[4:8]) ^ COOKIE)), port


class Browser:
    """Two sockets, two paths: ``via`` is the one in use. ``suite`` is the SRTP profile that it offers."""

    def __init__(self, suite: str = "AES_CM_128_HMAC_SHA1_80") -> None:
        self.suite = suite
        self.paths = [_bound(), _bound()]
        self.via = 0
        self.ufrag, self.password = os.urandom(4).hex(), os.urandom(12).hex()
        self.ssrc, self.sequence = 1, 1000
        self.heard_dtls: list[int] = []
        """The paths on which the engine's records came, in order."""
        self.deaf = False
        """Whether what comes of DTLS is dropped."""
        self.media: asyncio.Queue[bytes] = asyncio.Queue()
        self.secured = asyncio.Event()
        self._answers: dict[bytes, asyncio.Future[Answer]] = {}
        self._dtls: SSL.Connection | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._peer: c.PortOpened | None = None
        self.renew()
        self._listening = [asyncio.ensure_future(self._listen(path)) for path in range(2)]

    def renew(self) -> None:
        """Another certificate."""
        self._certificate, self._key = new_identity()
        digest = hashlib.sha256(self._certificate).digest()
        self.fingerprint = "sha-256 " + ":".join(f"{octet:02X}" for octet in digest)

    def remote(self, port: str) -> c.SetRemote:
        """What tells the engine of the description: an address that nothing comes from, as behind a NAT."""
        return c.SetRemote(port, "192.0.2.1", 9, rtcp_mux=True)

    def ice(self, port: str) -> c.SetIce:
        """What tells the engine of the path; its own credentials are those of the browser backwards."""
        return c.SetIce(port, self.ufrag[::-1], self.password[::-1], self.ufrag, self.password)

    def dtls(self, port: str, setup: Setup) -> c.SetDtls:
        """What tells the engine of the certificate."""
        return c.SetDtls(port, setup, self.fingerprint)

    async def check(
        self, to: c.PortOpened, path: int = 0, *, nominate: bool = True, password: str | None = None
    ) -> Answer:
        """One connectivity check by a path, and its answer."""
        self._peer = to
        transaction = os.urandom(12)
        attributes = [
            (USERNAME, f"{self.ufrag[::-1]}:{self.ufrag}".encode()),
            (PRIORITY, struct.pack("!I", 1)),
            (CONTROLLING, bytes(8)),
            *([(USE_CANDIDATE, b"")] if nominate else []),
        ]
        future = self._answers[transaction] = asyncio.get_running_loop().create_future()
        self.send(path, stun(REQUEST, transaction, attributes, password or self.password[::-1]))
        return await asyncio.wait_for(future, DEADLINE_S)

    def go_to(self, to: c.PortOpened) -> None:
        """The port as its description names it: without ICE nothing is checked."""
        self._peer = to

    def shake_hands(self, *, active: bool) -> None:
        """Begin DTLS; ``secured`` is set when there are keys."""
        self._active = active
        self._dtls = _connection(self._certificate, self._key, SRTP[self.suite], active=active)
        self.secured.clear()
        self._advance()

    def send(self, path: int, data: bytes) -> None:
        """Send any octets by a path."""
        assert self._peer is not None
        self.paths[path].sendto(data, (self._peer.address, self._peer.rtp_port))

    def packet(self) -> tuple[bytes, bytes]:
        """The next packet, in the clear and sealed."""
        self.sequence += 1
        plain = rtp(self.sequence, self.ssrc, payload=os.urandom(160))
        return plain, self._sealing.protect(plain)

    def speak(self, path: int | None = None) -> bytes:
        """Send the next packet; returns it in the clear."""
        plain, sealed = self.packet()
        self.send(self.via if path is None else path, sealed)
        return plain

    def report(self) -> bytes:
        """Send an RTCP report; returns it in the clear."""
        plain = receiver_report(self.ssrc)
        self.send(self.via, self._sealing.protect_rtcp(plain))
        return plain

    async def hear(self) -> bytes:
        """The next packet, opened."""
        packet: bytes = self._opening.unprotect(await asyncio.wait_for(self.media.get(), DEADLINE_S))
        return packet

    async def close(self) -> None:
        """End everything."""
        for task in self._listening:
            task.cancel()
        await asyncio.gather(*self._listening, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()
        for path in self.paths:
            path.close()

    async def _listen(self, path: int) -> None:
        loop = asyncio.get_running_loop()
        while True:
            data = await loop.sock_recv(self.paths[path], 4096)
            if data[0] < 4:
                answer = Answer.read(data)
                if answer.transaction in self._answers:
                    self._answers.pop(answer.transaction).set_result(answer)
            elif data[0] < 64:
                self.heard_dtls.append(path)
                if self._dtls is not None and not self.deaf:
                    self._dtls.bio_write(data)
                    self._advance()
            else:
                self.media.put_nowait(data)

    def _advance(self) -> None:
        connection = self._dtls
        assert connection is not None
        if not self.secured.is_set():
            try:
                connection.do_handshake()
            except SSL.WantReadError:
                pass
            except SSL.Error:
                self._flush()
                self._dtls = None
                return
            else:
                self._take_keys()
        else:
            with contextlib.suppress(SSL.WantReadError, SSL.ZeroReturnError):
                connection.recv(4096)
        self._flush()

    def _flush(self) -> None:
        connection = self._dtls
        assert connection is not None
        with contextlib.suppress(SSL.WantReadError):
            data = connection.bio_read(65_536)
            while data:
                length = 13 + int.from_bytes(data[11:13])
                self.send(self.via, data[:length])
                data = data[length:]
        if self._timer is not None:
            self._timer.cancel()
        wait_s = connection.DTLSv1_get_timeout()
        if wait_s is not None:
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._again)

    def _again(self) -> None:
        if self._dtls is not None:
            self._dtls.DTLSv1_handle_timeout()
            self._flush()

    def _take_keys(self) -> None:
        connection = self._dtls
        assert connection is not None
        key, salt = KEY_OCTETS[self.suite]
        material = connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        keys, salts = material[: 2 * key], material[2 * key :]
        client, server = keys[:key] + salts[:salt], keys[key:] + salts[salt:]
        ours, theirs = (client, server) if self._active else (server, client)
        profile = PROFILES[self.suite]
        outbound, inbound = pylibsrtp.Policy.SSRC_ANY_OUTBOUND, pylibsrtp.Policy.SSRC_ANY_INBOUND
        self._sealing = pylibsrtp.Session(pylibsrtp.Policy(ours, outbound, srtp_profile=profile))
        self._opening = pylibsrtp.Session(pylibsrtp.Policy(theirs, inbound, srtp_profile=profile))
        certificate = connection.get_peer_certificate(as_cryptography=True)
        assert certificate is not None
        self.seen = certificate.fingerprint(hashes.SHA256())
        self.secured.set()


def _bound() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind(("127.0.0.1", 0))
    return sock


def _connection(certificate: bytes, key: bytes, profile: bytes, *, active: bool) -> SSL.Connection:
    context = SSL.Context(SSL.DTLS_METHOD)
    secret = load_der_private_key(key, None)
    assert isinstance(secret, ec.EllipticCurvePrivateKey)
    context.use_certificate(x509.load_der_x509_certificate(certificate))
    context.use_privatekey(secret)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    context.set_tlsext_use_srtp(profile)
    connection = SSL.Connection(context, None)
    connection.set_ciphertext_mtu(1200)
    if active:
        connection.set_connect_state()
    else:
        connection.set_accept_state()
    return connection
