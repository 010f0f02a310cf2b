"""A party that begins to encrypt in a call that a real rtpengine relays: it gets a port in this process."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pylibsrtp
import pytest

from tests.loopback.media.browser import Browser
from tests.loopback.media.rtp_phone import Exchange, Phone, free_range
from tests.loopback.media.secure_phone import Key, SecurePhone
from tests.peers.rtpengine import RtpengineProcess
from trunkline.base.errors import CallFailed
from trunkline.call.leg_media import LegMedia
from trunkline.media import commands as c
from trunkline.media.embedded import EmbeddedMediaEngine, MediaSettings
from trunkline.media.mixed import MixedEngine
from trunkline.media.ng.engine import RtpengineCluster
from trunkline.media.ng.plan import ClusterPlan, InstancePlan
from trunkline.media.offer_answer import check_answer, streams_of

SUITE = "AES_CM_128_HMAC_SHA1_80"


class Talk:
    """Two legs of a call, and what a bridge does with their descriptions."""

    def __init__(self, at: Exchange) -> None:
        self.at = at
        self.phones = at.phone(ssrc=1), at.phone(ssrc=2)
        self.legs = LegMedia(at.engine, "call", "127.0.0.1"), LegMedia(at.engine, "call", "127.0.0.1")
        self.places: list[c.PortOpened] = []

    async def agree(self, offer: bytes, answer: bytes, *, refused: bool = False) -> bytes:
        """The first party offers; what it is told in the end."""
        one, other = self.legs
        body = one.read(offer)
        streams = streams_of(body)
        await other.open_for(streams, one)
        await one.open_for(streams, other)
        told = other.rewritten(body, len(streams), offer=True)
        if refused:
            other.identity.take_back()
            one.take_back()
            return b""
        said = other.read(answer, answer=True)
        answered = check_answer(streams, said)
        await one.hear(streams, answered)
        await other.hear(answered, streams)
        await self.at.do(c.Link(one.ports[0] or "", other.ports[0] or ""))
        final = one.rewritten(said, len(answered))
        self.places = [_place(final), _place(told)]
        return final

    async def plain_talk(self) -> None:
        """Both hear each other in the clear."""
        one, other = self.phones
        for _ in range(3):
            assert one.speak(self.places[0]) == await other.hear()
            assert other.speak(self.places[1]) == await one.hear()


def _place(description: bytes) -> c.PortOpened:
    (stream,) = streams_of(description)
    return c.PortOpened("", stream.address, stream.address, stream.port, stream.port + 1)


def describe(phone: Phone, key: Key | None = None, version: int = 1) -> bytes:
    protocol = "RTP/AVP" if key is None else "RTP/SAVP"
    rows = "" if key is None else f"a=crypto:1 {key.suite} inline:{key.base64}\r\n"
    return (
        f"v=0\r\no=- 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio {phone.rtp_port} {protocol} 0\r\n{rows}"
    ).encode()


def _with_dtls(phone: Browser) -> bytes:
    host, port = phone.paths[0].getsockname()
    return (
        f"v=0\r\no=- 1 2 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} UDP/TLS/RTP/SAVP 0\r\na=rtcp-mux\r\na=setup:active\r\na=fingerprint:{phone.fingerprint}\r\n"
    ).encode()


@pytest.fixture
async def talk(tmp_path: Path) -> AsyncIterator[Talk]:
    first, last = free_range()
    embedded = EmbeddedMediaEngine(MediaSettings(address="127.0.0.1", first_port=first, last_port=last))
    async with RtpengineProcess(tmp_path) as process:
        plan = ClusterPlan((InstancePlan(process.udp),), timeout_s=10.0, ping_s=2.0)
        engine = MixedEngine(embedded, RtpengineCluster(plan))
        await engine.start()
        at = Exchange(engine)
        try:
            yield Talk(at)
        finally:
            await engine.stop()
            for phone in at.phones:
                phone.close()


@pytest.mark.rfc("4568", "7.1.4")
async def test_a_phone_turns_to_srtp_and_back_and_is_heard(talk: Talk) -> None:
    one, other = talk.phones
    await talk.agree(describe(one), describe(other))
    await talk.plain_talk()
    away = list(talk.places)
    secure = SecurePhone(one, SUITE)
    final = await talk.agree(describe(one, secure.ours, 2), describe(other))
    assert talk.places[0].rtp_port != away[0].rtp_port, "it talks to this process now"
    assert talk.places[1] == away[1], "the other party notices nothing"
    inline = re.search(rb"a=crypto:1 \S+ inline:([^|\s]+)", final)
    assert inline is not None
    secure.theirs = Key(SUITE, base64.b64decode(inline[1]))
    secure.opening = secure.theirs.session(pylibsrtp.Policy.SSRC_ANY_INBOUND)
    for _ in range(3):
        said = secure.speak(talk.places[0])
        heard = await other.hear()
        assert heard[12:] == said[12:]
        said = other.speak(talk.places[1])
        assert (await secure.hear())[12:] == said[12:]
    await talk.agree(describe(one, version=3), describe(other))
    for _ in range(3):
        assert one.speak(talk.places[0])[12:] == (await other.hear())[12:]
        assert other.speak(talk.places[1])[12:] == (await one.hear())[12:]


@pytest.mark.rfc("5763", "5")
@pytest.mark.rfc("5764", "4.2")
async def test_a_phone_turns_to_dtls_and_back_and_is_heard(talk: Talk) -> None:
    one, other = talk.phones
    await talk.agree(describe(one), describe(other))
    await talk.plain_talk()
    away = list(talk.places)
    secure = Browser()
    try:
        final = await talk.agree(_with_dtls(secure), describe(other))
        assert talk.places[0].rtp_port != away[0].rtp_port, "it talks to this process now"
        assert talk.places[1] == away[1], "the other party notices nothing"
        secure.go_to(talk.places[0])
        secure.shake_hands(active=True)
        await talk.at.event("secured")
        async with asyncio.timeout(60):
            await secure.secured.wait()
        assert secure.seen.hex(":").upper().encode() in final, "the certificate is the one of the answer"
        for _ in range(3):
            said = secure.speak()
            assert (await other.hear())[12:] == said[12:]
            said = other.speak(talk.places[1])
            assert (await secure.hear())[12:] == said[12:]
    finally:
        await secure.close()
    await talk.agree(describe(one, version=3), describe(other))
    for _ in range(3):
        assert one.speak(talk.places[0])[12:] == (await other.hear())[12:]
        assert other.speak(talk.places[1])[12:] == (await one.hear())[12:]


async def test_a_turn_to_srtp_that_is_refused_leaves_the_call_as_it_was(talk: Talk) -> None:
    one, other = talk.phones
    await talk.agree(describe(one), describe(other))
    ports = list(talk.legs[0].ports)
    key = Key.random(SUITE)
    for version in range(2, 6):
        await talk.agree(describe(one, key, version), b"", refused=True)
        assert talk.legs[0].ports == ports
    await talk.plain_talk()
    assert talk.at.engine.snapshot().ports_open == 3, "one waits for a turn that is accepted"


async def test_a_stream_of_keys_that_cannot_be_used_is_refused(talk: Talk) -> None:
    one, other = talk.phones
    await talk.agree(describe(one), describe(other))
    with pytest.raises(CallFailed):
        await talk.agree(describe(one, Key("UNKNOWN_SUITE", bytes(30)), 2), describe(other))
