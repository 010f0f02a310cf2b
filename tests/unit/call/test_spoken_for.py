"""Descriptions said in an app's place: another direction, a higher version, and every other byte as it was."""

from __future__ import annotations

import pytest

from trunkline.call.spoken_for import directed, is_held, is_keyed, version_of, with_version

HEAD = b"v=0\r\no=- 77 4 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n"
AUDIO = b"m=audio 4000 UDP/TLS/RTP/SAVPF 111 101\r\na=rtpmap:111 opus/48000/2\r\n"
VIDEO = b"m=video 4002 RTP/AVP 96\r\n"


def test_the_version_alone_changes() -> None:
    body = HEAD + b"t=0 0\r\n" + AUDIO
    assert version_of(body) == 4
    assert with_version(body, 12) == body.replace(b" 4 IN", b" 12 IN")
    assert with_version(with_version(body, 12), 4) == body


@pytest.mark.rfc("3264", "8.4")
@pytest.mark.parametrize(
    ("said", "held", "resumed"),
    [
        (b"", b"a=sendonly\r\n", b""),
        (b"a=sendrecv\r\n", b"a=sendonly\r\n", b"a=sendrecv\r\n"),
        (b"a=recvonly\r\n", b"a=inactive\r\n", b"a=recvonly\r\n"),
        (b"a=sendonly\r\n", b"a=sendonly\r\n", b"a=sendrecv\r\n"),
        (b"a=inactive\r\n", b"a=inactive\r\n", b"a=sendrecv\r\n"),
    ],
)
def test_a_stream_is_held_and_taken_back(said: bytes, held: bytes, resumed: bytes) -> None:
    body = HEAD + AUDIO
    assert directed(body + said, held=True) == body + held
    assert directed(body + said, held=False) == body + resumed


def test_a_direction_of_the_whole_session_counts_where_a_stream_says_none() -> None:
    body = HEAD + b"a=sendonly\r\nt=0 0\r\n" + AUDIO + VIDEO + b"a=recvonly\r\n"
    assert is_held(HEAD + b"a=sendonly\r\n" + AUDIO)
    assert not is_held(body)
    assert directed(body, held=True) == body.replace(b"recvonly", b"inactive")
    assert directed(body, held=False) == HEAD + b"a=sendonly\r\nt=0 0\r\n" + AUDIO + b"a=sendrecv\r\n" + (
        VIDEO + b"a=recvonly\r\n"
    )


def test_every_stream_is_held_whatever_the_line_ends_are() -> None:
    body = (HEAD + AUDIO + VIDEO).replace(b"\r\n", b"\n")
    held = directed(body, held=True)
    assert held.count(b"\na=sendonly\n") == 2
    assert b"\r" not in held
    assert is_held(held)


def test_what_is_rejected_holds_nobody() -> None:
    assert is_held(HEAD + AUDIO + b"a=sendonly\r\n" + VIDEO.replace(b"4002", b"0"))
    assert not is_held(HEAD + VIDEO.replace(b"4002", b"0"))


def test_a_direction_within_another_attribute_is_none() -> None:
    body = HEAD + AUDIO + b"a=x-sendonly\r\na=extmap:1/sendonly urn:x\r\n"
    assert directed(body, held=True) == body + b"a=sendonly\r\n"


@pytest.mark.parametrize("said", [b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n", b"k=clear:x\r\n"])
def test_keys_are_seen(said: bytes) -> None:
    assert is_keyed(HEAD + AUDIO + said)
    assert not is_keyed(HEAD + AUDIO)
