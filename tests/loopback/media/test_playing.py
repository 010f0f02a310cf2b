"""Files played to a port's peer, over real sockets."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from tests.loopback.media.rtp_phone import Exchange, exchange, strength
from tests.loopback.media.sound import listen, sine, write_wav
from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.events import Played


async def played(at: Exchange) -> Played:
    event = await at.event("played")
    assert isinstance(event, Played)
    return event


@pytest.mark.parametrize(
    ("rate_hz", "bits"), [(8000, 16), (8000, 8), (16_000, 16), (44_100, 16), (48_000, 8)]
)
@pytest.mark.parametrize("payload_type", [0, 8])
async def test_a_file_of_any_rate_is_heard_as_it_is(
    tmp_path: Path, rate_hz: int, bits: int, payload_type: int
) -> None:
    file = write_wav(tmp_path / "tone.wav", [sine(1004, 0.3, rate_hz)], rate_hz, bits)
    async with exchange() as at:
        alice = at.phone()
        await at.open("a")
        await at.do(alice.remote("a"), c.Play("a", "p", [str(file)], payload_type))
        samples, headers = await listen(alice, 15)
        assert strength(samples[400:2000], 1004.0) == pytest.approx(-10.0, abs=0.5)
        assert strength(samples[400:2000], 1504.0) < -40
        assert {header[1] & 0x7F for header in headers} == {payload_type}
        assert await played(at) == Played("call", "a", "p", "finished", 300, 0, "", "")
        await at.figures_when("a", lambda now: now.packets_out == 15)


async def test_two_channels_are_mixed(tmp_path: Path) -> None:
    file = write_wav(tmp_path / "both.wav", [sine(600, 0.2), sine(1800, 0.2)])
    async with exchange() as at:
        alice = at.phone()
        await at.open("a")
        await at.do(alice.remote("a"), c.Play("a", "p", [str(file)]))
        samples, _ = await listen(alice, 10)
        assert strength(samples, 600.0) == pytest.approx(-16.0, abs=0.5)
        assert strength(samples, 1800.0) == pytest.approx(-16.0, abs=0.5)


async def test_a_list_has_no_gaps_and_is_one_stream(tmp_path: Path) -> None:
    tone = sine(500, 0.32)
    files = [
        str(write_wav(tmp_path / f"{n}.wav", [part]))
        for n, part in enumerate((tone[:333], tone[333:1111], tone[1111:]))
    ]
    async with exchange() as at:
        alice = at.phone()
        await at.open("a")
        await at.do(alice.remote("a"), c.Play("a", "p", files))
        samples, headers = await listen(alice, 16)
        assert max(abs(heard - said) for heard, said in zip(samples, tone, strict=True)) < 600
        numbers = [int.from_bytes(header[2:4]) for header in headers]
        stamps = [int.from_bytes(header[4:8]) for header in headers]
        assert [header[1] >> 7 for header in headers] == [1] + [0] * 15
        assert {(b - a) % 65_536 for a, b in itertools.pairwise(numbers)} == {1}
        assert {(b - a) % 2**32 for a, b in itertools.pairwise(stamps)} == {160}


@pytest.mark.rfc("3550", "5.1")
async def test_what_a_port_says_is_one_stream_for_its_life(tmp_path: Path) -> None:
    file = write_wav(tmp_path / "tone.wav", [sine(500, 0.04)])
    async with exchange() as at:
        alice = at.phone()
        await at.open("a")
        await at.do(alice.remote("a"))
        headers: list[bytes] = []
        for playback in ("p", "q"):
            await at.do(c.Play("a", playback, [str(file)]))
            headers += (await listen(alice, 2))[1]
            await played(at)
        assert len({header[8:12] for header in headers}) == 1
        numbers = [int.from_bytes(header[2:4]) for header in headers]
        assert {(b - a) % 65_536 for a, b in itertools.pairwise(numbers)} == {1}
        assert [header[1] >> 7 for header in headers] == [1, 0, 1, 0]


async def test_a_loop_goes_on_until_it_is_stopped(tmp_path: Path) -> None:
    file = write_wav(tmp_path / "short.wav", [sine(500, 0.02)])
    async with exchange() as at:
        alice = at.phone()
        await at.open("a")
        await at.do(alice.remote("a"), c.Play("a", "p", [str(file)], loop=True))
        samples, _ = await listen(alice, 20)
        assert strength(samples, 500.0) == pytest.approx(-10.0, abs=0.5)
        await at.do(c.StopPlay("a", "another"), c.StopPlay("a", "p"))
        event = await played(at)
        assert (event.playback, event.outcome) == ("p", "stopped")
        assert event.duration_ms >= 400
        await at.do(c.StopPlay("a", "p"))


@pytest.mark.parametrize("ending", [c.Unlink("a"), c.Echo("a"), c.ClosePort("a"), c.CloseOwner("call")])
async def test_what_ends_a_playback_is_told(tmp_path: Path, ending: c.Command[c.Reply]) -> None:
    file = write_wav(tmp_path / "long.wav", [sine(500, 5)])
    async with exchange() as at:
        alice = at.phone()
        await at.open("a")
        await at.do(alice.remote("a"), c.Play("a", "p", [str(file)]))
        await alice.hear()
        await at.do(ending)
        event = await played(at)
        assert (event.owner, event.port, event.outcome) == ("call", "a", "stopped")


async def test_another_playback_takes_over(tmp_path: Path) -> None:
    low = write_wav(tmp_path / "low.wav", [sine(500, 5)])
    high = write_wav(tmp_path / "high.wav", [sine(2000, 0.2)])
    async with exchange() as at:
        alice = at.phone()
        await at.open("a")
        await at.do(alice.remote("a"), c.Play("a", "p", [str(low)]), c.Play("a", "q", [str(high)]))
        assert [(await played(at)).outcome for _ in "pq"] == ["stopped", "finished"]


@pytest.mark.parametrize(
    ("name", "content", "code", "text"),
    [
        (
            "song.mp3",
            b"ID3\x04",
            "media.file_format",
            "song.mp3: it is not a RIFF WAVE file; what can be played",
        ),
        ("gone.wav", None, "media.file_unreadable", "gone.wav: No such file"),
        ("empty.wav", b"", "media.file_format", "empty.wav: it is not a RIFF WAVE file"),
    ],
)
async def test_a_bad_file_is_told_before_anything_is_sent(
    tmp_path: Path, name: str, content: bytes | None, code: str, text: str
) -> None:
    good = write_wav(tmp_path / "good.wav", [sine(500, 0.5)])
    bad = tmp_path / name
    if content is not None:
        bad.write_bytes(content)
    async with exchange() as at:
        alice = at.phone()
        await at.open("a")
        await at.do(alice.remote("a"), c.Play("a", "p", [str(good), str(bad)]))
        event = await played(at)
        assert (event.outcome, event.duration_ms, event.code) == ("failed", 0, code)
        assert text in event.reason
        assert (await at.figures("a")).packets_out == 0


async def test_a_pipe_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    file = write_wav(tmp_path / "good.wav", [sine(500, 0.04)])
    async with exchange() as at:
        alice = at.phone()
        await at.open("a")
        await at.do(alice.remote("a"), c.Play("a", "p", [str(tmp_path / "pipe")]))
        assert (await played(at)).reason.endswith("it is not a regular file")
        await at.do(c.Play("a", "q", [str(file)]))
        assert (await played(at)).outcome == "finished"


async def test_of_many_playbacks_at_a_time_each_is_heard_wholly(tmp_path: Path) -> None:
    file = write_wav(tmp_path / "wide.wav", [sine(500, 1, 48_000)] * 2, 48_000)
    async with exchange(pairs=24) as at:
        alice = at.phone()
        for n in range(20):
            await at.open(f"p{n}")
            await at.do(alice.remote(f"p{n}"), c.Play(f"p{n}", f"p{n}", [str(file)]))
        events = [await played(at) for _ in range(20)]
        # Where others have the processors, the reader of all may come too late for a packet: it follows behind.
        assert {(event.outcome, event.duration_ms - 20 * event.starved) for event in events} == {
            ("finished", 1000)
        }


async def test_wrong_arguments_are_refused() -> None:
    async with exchange() as at:
        await at.open("a")
        for wrong in (c.Play("a", "p", []), c.Play("a", "p", ["x"] * 257), c.Play("a", "p", ["x"], 9)):
            with pytest.raises(MediaError) as refusal:
                await at.do(wrong)
            assert refusal.value.code == "media.argument"
        with pytest.raises(MediaError) as refusal:
            await at.do(c.Play("b", "p", ["x"]))
        assert refusal.value.code == "media.unknown_port"
