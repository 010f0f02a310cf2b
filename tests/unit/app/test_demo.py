"""The demo's parts without any socket: how a play is drawn and told, its deadlines, what it measures."""

from __future__ import annotations

import asyncio
import io
import json
import math
import wave
from array import array
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from trunkline.app.cli import app
from trunkline.app.cli.exit_codes import ExitCode
from trunkline.app.demo.ladder import Ladder
from trunkline.app.demo.loudness import SILENCE_DBFS, tone_dbfs
from trunkline.app.demo.play import EnterKey, Play
from trunkline.app.demo.steps import Arrow, DemoFailed, Mark, Span, Step
from trunkline.app.demo.summary import Heard, Summary
from trunkline.app.demo.telling import JsonTeller, LadderTeller
from trunkline.app.terminal import Screen

PARTIES = ("caller", "PBX", "gateway", "push", "app")
CALL = [
    Arrow(0.04, "sip", "caller", "PBX", "INVITE", "sip:1002@127.0.0.1", method="INVITE"),
    Arrow(1.25, "sip", "PBX", "gateway", "INVITE", method="INVITE"),
    Arrow(8.0, "push", "gateway", "push", "VoIP push", "APNs"),
    Arrow(8.5, "push", "push", "app", "VoIP push"),
    Arrow(20.0, "rest", "app", "gateway", "POST /v1/calls/…/accept"),
    Arrow(31.0, "sip", "PBX", "caller", "200 OK", good=True, method="INVITE"),
    Arrow(1031.0, "sound", "app", "caller", "700 Hz, heard at -12.0 dBFS", "RTP"),
]


def drawn(width: int | None, *arrows: Arrow) -> list[str]:
    """A chapter and its arrows, as plain text."""
    ladder = Ladder(PARTIES, width)
    lines = [*ladder.chapter("A call"), ladder.remark("it rings"), *map(ladder.arrow, arrows)]
    return [line.plain for line in lines]


def screen() -> tuple[Screen, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, highlight=False, width=100)
    return Screen(console, console), out


def test_each_party_has_a_column_and_each_message_an_arrow() -> None:
    assert drawn(80, *CALL) == [
        "",
        "A call",
        "      ms caller            PBX           gateway          push             app",
        "            │ it rings",
        "     0.0    │─── INVITE ───>│               │               │               │",
        "     1.2    │               │─── INVITE ───>│               │               │",
        "     8.0    │               │               │─ VoIP push ──>│               │",
        "     8.5    │               │               │               │─ VoIP push ──>│",
        "    20.0    │               │               │<── POST /v1/calls/…/accept ───│",
        "    31.0    │<─── 200 OK ───│               │               │               │",
        "  1031.0    │<──────────────── 700 Hz, heard at -12.0 dBFS ─────────────────│",
    ]


def test_where_there_is_room_facts_stand_beside_the_arrows() -> None:
    assert drawn(None, CALL[0])[-1].endswith("│  sip:1002@127.0.0.1")
    *_, cut = drawn(120, Arrow(0, "sip", "caller", "PBX", "INVITE", "x" * 200))
    assert len(cut) == 120
    assert cut.endswith("xxx…")


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, drawn(width, *CALL))) <= max(width, 12 + 4 * 12 + 3)


def test_arrows_stand_out_from_what_is_between_them() -> None:
    line = Ladder(PARTIES).arrow(CALL[5])
    (arrow,) = [span for span in line.spans if span.style == "green"]
    assert "200 OK" in line.plain[arrow.start : arrow.end]
    assert line.style == ""
    assert {span.style for span in line.spans} == {"green", "dim"}


def test_what_comes_from_the_network_cannot_steer_the_terminal() -> None:
    line = drawn(None, Arrow(0, "sip", "caller", "PBX", "200 \x1b[2J", "\x1b]0;x\x07"))[-1]
    assert "\x1b" not in line
    assert "\x07" not in line


def test_a_time_is_told_from_one_arrow_to_the_first_after_it() -> None:
    accept, answer = Mark("rest", "", "gateway", "*/accept"), Mark("sip", "PBX", "caller", "200", "INVITE")
    assert Span("a", "", accept, answer).of(CALL) == 11.0
    assert Span("b", "", answer, accept).of(CALL) is None
    assert not Mark("sip", "PBX", "gateway", "200").fits(CALL[5])
    assert not Mark("sip", method="BYE").fits(CALL[5])


def test_programs_get_a_line_of_json_for_each_event() -> None:
    shown, out = screen()
    teller = JsonTeller(shown)
    teller.chapter("for people")
    teller.begins("for people")
    teller.arrow(CALL[1])
    teller.done(Step(31.04, "accepted", "the app takes the call"))
    span = Span("accept_to_200", "", Mark("rest"), Mark("sip"))
    teller.summary(Summary(((span, 11.04),), (Heard("app", "caller", 440.0, -12.04),)))
    teller.failed("heard", "nothing was heard")
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {
            "event": "arrow",
            "ms": 1.2,
            "way": "sip",
            "source": "PBX",
            "target": "gateway",
            "label": "INVITE",
            "note": "",
        },
        {"event": "step", "ms": 31.0, "step": "accepted", "text": "the app takes the call"},
        {
            "event": "summary",
            "accept_to_200_ms": 11.0,
            "heard": [{"who": "app", "whom": "caller", "hz": 440.0, "dbfs": -12.0}],
            "stories": [],
        },
        {"event": "failed", "step": "heard", "text": "nothing was heard"},
    ]


def test_people_get_times_and_what_to_read_next_and_a_pipe_no_colours() -> None:
    shown, out = screen()
    teller = LadderTeller(shown, PARTIES)
    teller.scene({"PBX": "here"})
    teller.arrow(CALL[5])
    span = Span("accept_to_200", "the app's accept to 200", Mark("rest"), Mark("sip"))
    teller.summary(Summary(((span, 11.04), (span, None)), (Heard("app", "caller", 440.0, -12.04),)))
    lines = out.getvalue().splitlines()
    assert "  the app's accept to 200   11.0 ms" in lines
    assert "  the app's accept to 200   -" in lines
    assert "  the app hears the caller  440 Hz at -12.0 dBFS" in lines
    assert "\x1b" not in out.getvalue()


def test_what_to_read_next_is_there() -> None:
    from trunkline.app.demo.telling import READ_NEXT

    root = Path(__file__).parents[3]
    assert all((root / page).is_file() for page, _ in READ_NEXT)


async def test_a_step_that_does_not_happen_is_named() -> None:
    shown, out = screen()
    play = Play(JsonTeller(shown), within_s=0.0)
    with pytest.raises(DemoFailed, match="did not happen within 0 s: the app is woken") as failed:
        async with play.step("pushed", "the app is woken"):
            await play.until(Mark("push"))
    assert failed.value.step == "pushed"
    assert play.steps == []
    assert out.getvalue() == ""


async def test_an_arrow_that_is_awaited_may_have_been_or_may_come() -> None:
    play = Play(JsonTeller(screen()[0]))
    coming = asyncio.ensure_future(play.until(Mark("sip", label="180")))
    await asyncio.sleep(0)
    play.arrow("sip", "PBX", "caller", "100 Trying")
    play.arrow("sip", "PBX", "caller", "180 Ringing")
    assert (await coming).label == "180 Ringing"
    assert (await play.until(Mark("sip", label="100"))).label == "100 Trying"


async def test_a_screen_that_is_gone_ends_the_step_and_not_the_call() -> None:
    class Gone(JsonTeller):
        def arrow(self, arrow: Arrow) -> None:
            raise BrokenPipeError

    play = Play(Gone(screen()[0]))
    with pytest.raises(BrokenPipeError):
        async with play.step("called", "the caller calls"):
            play.arrow("sip", "caller", "PBX", "INVITE")


async def test_each_step_waits_for_enter_until_the_input_ends() -> None:
    asked: list[int] = []
    key = EnterKey(io.StringIO("\n\n"), lambda: asked.append(1))
    for _ in range(4):
        await key()
    assert len(asked) == 3, "the third wait meets the end of the input"


@pytest.mark.parametrize(("hz", "level"), [(440.0, -12.0), (440.0, -40.0)])
def test_the_level_of_a_tone_is_measured(tmp_path: Path, hz: float, level: float) -> None:
    file, peak = tmp_path / "tone.wav", 32768 * 10 ** (level / 20)
    with wave.open(str(file), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        tone = (round(peak * math.sin(2 * math.pi * hz * at / 8000)) for at in range(8000))
        sound.writeframes(array("h", tone).tobytes())
    assert tone_dbfs(file, hz) == pytest.approx(level, abs=0.1)
    assert tone_dbfs(file, 700.0) < level - 30
    assert tone_dbfs(file, hz, for_s=2.0) == SILENCE_DBFS


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--two", "--cancel"), "give only one of --outgoing, --cancel and --two"),
        (("--step", "--pace", "1"), "give only one of --step and --pace"),
        (("--transport", "ws"), "saw 'ws', expected one of udp, tcp, tls"),
        (("--pace", "2h"), "--pace takes up to a minute"),
    ],
)
def test_options_that_do_not_go_together(options: tuple[str, ...], why: str) -> None:
    result = CliRunner().invoke(app, ["demo", "mobile", *options])
    assert result.exit_code == ExitCode.USAGE
    assert why in result.stderr
