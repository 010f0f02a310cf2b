"""Every kind of WAV file, and Ogg Opus, as ffmpeg and our own recorder write them: played, or refused clearly."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

import pytest

from tests.loopback.media.codecs import PCMU, encoded, formats
from tests.loopback.media.rtp_phone import Exchange, exchange, strength
from tests.loopback.media.sound import listen, sine, write_wav
from tests.loopback.media.test_recording_codecs import say
from tests.peers.ffmpeg import ffmpeg
from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.events import Played, Recorded

WRITTEN = [
    "-c:a pcm_u8 -f wav",
    "-c:a pcm_s16le -f wav",
    "-c:a pcm_s24le -f wav",
    "-c:a pcm_s32le -f wav",
    "-c:a pcm_f32le -f wav",
    "-c:a pcm_f64le -f wav",
    "-c:a pcm_mulaw -f wav",
    "-c:a pcm_alaw -f wav",
    "-ac 2 -ar 44100 -c:a pcm_s24le -f wav",
    "-c:a libopus -f ogg",
    "-c:a libopus -ac 2 -b:a 96k -f ogg",
    "-c:a libopus -frame_duration 60 -application voip -f ogg",
    "-c:a libopus -frame_duration 2.5 -application lowdelay -f ogg",
]


def written(arguments: str, seconds: float = 0.4, hz: float = 1004) -> bytes:
    """A tone at -10 dBov as ffmpeg writes it into a pipe: lengths stay open."""
    samples = sine(hz, seconds, 48_000)
    data = struct.pack(f"<{len(samples)}h", *samples)
    return ffmpeg(f"-f s16le -ar 48000 -ac 1 -i pipe:0 {arguments} pipe:1", data)


async def outcome(at: Exchange) -> Played:
    event = await at.event("played")
    assert isinstance(event, Played)
    return event


async def heard(at: Exchange, files: list[str], packets: int) -> list[int]:
    alice = at.phone()
    await at.open("a")
    await at.do(alice.remote("a"), c.Play("a", "p", files))
    return (await listen(alice, packets))[0]


@pytest.mark.rfc("7845", "4")
@pytest.mark.parametrize("arguments", WRITTEN)
async def test_what_ffmpeg_writes_is_heard_for_as_long(tmp_path: Path, arguments: str) -> None:
    file = tmp_path / "tone"
    file.write_bytes(written(arguments))
    async with exchange() as at:
        samples = await heard(at, [str(file)], 20)
        # What ffmpeg makes two channels of has 3 dB less in each.
        level_dbov = -13.0 if "-ac 2" in arguments else -10.0
        assert strength(samples[400:2800], 1004.0) == pytest.approx(level_dbov, abs=0.7)
        assert await outcome(at) == Played("call", "a", "p", "finished", 400, 0, "", "")


@pytest.mark.rfc("7845", "4.2")
async def test_opus_files_and_others_follow_each_other_without_a_gap(tmp_path: Path) -> None:
    (tmp_path / "a.opus").write_bytes(written("-c:a libopus -f ogg", 0.4, 500))
    files = [str(tmp_path / "a.opus"), str(write_wav(tmp_path / "b.wav", [sine(500, 0.2)]))]
    async with exchange() as at:
        await at.do(c.LoadSound("o", base64.b64encode(written("-c:a libopus -f ogg", 0.4, 500)).decode(), 0))
        samples = await heard(at, [*files, "memory:o"], 50)
        for begin in range(0, len(samples), 400):
            assert strength(samples[begin : begin + 400], 500.0) == pytest.approx(-10.0, abs=1.5)
        assert await outcome(at) == Played("call", "a", "p", "finished", 1000, 0, "", "")


@pytest.mark.rfc("7845", "4.3")
async def test_what_was_recorded_as_opus_is_played(tmp_path: Path) -> None:
    target = tmp_path / "said.opus"
    async with exchange() as at:
        alice, bob = at.phone(), at.phone()
        port = await at.open("a")
        await at.do(alice.remote("a"), formats("a", PCMU), c.Record("a", "r", str(target)))
        await say(alice, port, PCMU, encoded(PCMU, 700, 1.2), 160)
        await at.do(c.StopRecord("r"))
        recorded = await at.event("recorded")
        assert isinstance(recorded, Recorded)
        await at.open("b")
        await at.do(bob.remote("b"), c.Play("b", "p", [str(target)]))
        samples, _ = await listen(bob, 50)
        assert strength(samples[2400:7200], 700.0) == pytest.approx(-10.0, abs=1.0)
        played = await outcome(at)
        assert played.outcome == "finished"
        assert 0 <= played.duration_ms - recorded.duration_ms < 20


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("-c:a flac -f ogg", "it is an Ogg file, but what is in it is FLAC, not Opus"),
        ("-ac 6 -c:a libopus -f ogg", "it has 6 channels"),
        ("-ac 6 -c:a pcm_s16le -f wav", "it has 6 channels"),
        ("-ar 96000 -c:a pcm_s16le -f wav", "it has 96000 samples a second"),
        ("-c:a adpcm_ms -f wav", "its format tag is 0x0002"),
        ("-c:a flac -f flac", "it is not a RIFF WAVE file"),
    ],
)
async def test_what_cannot_be_played_says_why(tmp_path: Path, arguments: str, said: str) -> None:
    file = tmp_path / "tone"
    file.write_bytes(written(arguments))
    async with exchange() as at:
        alice = at.phone()
        await at.open("a")
        await at.do(alice.remote("a"), c.Play("a", "p", [str(file)]))
        played = await outcome(at)
        assert (played.outcome, played.code) == ("failed", "media.file_format")
        assert f"{file}: {said}; what can be played is RIFF WAVE" in played.reason
        with pytest.raises(MediaError, match=f"sound s: {said}") as refusal:
            await at.do(c.LoadSound("s", base64.b64encode(file.read_bytes()).decode(), 0))
        assert refusal.value.code == "media.argument"


async def test_a_damaged_opus_file_is_played_up_to_its_damage_which_is_told(tmp_path: Path) -> None:
    data = bytearray(written("-c:a libopus -page_duration 200000 -f ogg", 2.0))
    data[len(data) // 2] ^= 1
    (tmp_path / "a.opus").write_bytes(data)
    async with exchange() as at:
        samples = await heard(at, [str(tmp_path / "a.opus")], 5)
        assert strength(samples[400:], 1004.0) == pytest.approx(-10.0, abs=0.7)
        played = await outcome(at)
        assert (played.outcome, played.code) == ("failed", "media.file_format")
        assert "a.opus: the Ogg page at octet" in played.reason


async def test_a_file_that_was_cut_off_is_played_as_far_as_it_goes(tmp_path: Path) -> None:
    for name, arguments in [
        ("a.wav", "-c:a pcm_s16le -f wav"),
        ("b.opus", "-c:a libopus -page_duration 20000 -f ogg"),
    ]:
        data = written(arguments, 1.0)
        (tmp_path / name).write_bytes(data[: len(data) // 2])
    async with exchange() as at:
        await heard(at, [str(tmp_path / "a.wav"), str(tmp_path / "b.opus")], 40)
        played = await outcome(at)
        assert (played.outcome, played.reason) == ("finished", "")
        assert 900 <= played.duration_ms <= 1060
