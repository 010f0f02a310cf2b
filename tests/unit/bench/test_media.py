"""What is measured beyond relaying: figures from the generators' words, and the drawings."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bench import limits, media, relay, rhythm, speech
from bench.plot import MOST_LINES, Point, Series, line_charts
from bench.process import BenchError
from bench.results import Report, Row, Sample

SPEAKERS_RESULT = {"parties": 200, "seconds": 4.0, "sent": 40_000, "received": 39_600}
LOAD_RESULT = {
    "calls": 100, "seconds": 3.0, "sent": 30_000, "received": 30_000, "loss_pct": 0.0, "p50_us": 40, "p99_us": 90,
}  # fmt: skip


def rows(*samples: Sample) -> list[Row]:
    return Report(samples=list(samples)).rows()


def drawn(chart: str) -> list[str]:
    """The names beside the lines of a chart."""
    drawing = ET.fromstring(chart)  # noqa: S314  (our own)
    return [text.text or "" for text in drawing.findall("{*}text") if text.get("text-anchor") == "end"]


def test_20_ms_of_a_party_are_those_that_were_spoken_with_the_warm_up() -> None:
    found = media.sample(media.MANY, SPEAKERS_RESULT, cpu_s=0.5, wall_s=5.0)
    assert found.cpu_us == pytest.approx(10.0)
    assert found.failed == 0.0  # two packets of each party are under way
    lost = media.sample(media.MANY, {**SPEAKERS_RESULT, "received": 39_560}, cpu_s=0.5, wall_s=5.0)
    assert lost.failed == pytest.approx(0.001)


def test_an_engine_that_says_nothing_is_an_error() -> None:
    with pytest.raises(BenchError, match="nothing came back of 40000"):
        media.sample(media.MANY, {**SPEAKERS_RESULT, "received": 0}, 0.5, 5.0)


def test_a_work_is_told_beside_relaying_and_as_share_of_a_processor() -> None:
    room = next(work for work in media.WORKS if work.does == "room" and work.parties == 100)
    found = rows(
        Sample(media.MEASURE, media.MANY.server, 5.0, 10_000, 0.0, 0.05),
        Sample(media.MEASURE, room.server, 20.0, 5_000, 0.0, 0.1),
    )
    said = media.note(room, {row.server: row for row in found})
    assert (
        said == "conference, PCMU, 100 parties: 20.00 us, 4.00 of relayed, 200 parties; 10.0% of a processor."
    )


def test_every_work_is_compared_with_one_that_is_measured() -> None:
    measured = {work.server for work in media.WORKS}
    assert {work.beside for work in media.WORKS} - {""} <= measured
    assert len(measured) == len(media.WORKS)


def test_conferences_are_drawn_by_codec() -> None:
    rooms = [work for work in media.WORKS if work.does == "room"]
    found = rows(*(Sample(media.MEASURE, room.server, 20.0, 1.0, 0.0, 0.1) for room in rooms))
    names = drawn(media.conferences({row.server: row for row in found}))
    assert {"PCMU", "opus"} <= set(names)


@pytest.mark.parametrize("codec", ["PCMU", "G722", "opus"])
def test_speech_is_written_as_the_generator_reads_it(codec: str, tmp_path: Path) -> None:
    data = speech.frames_file(tmp_path, codec).read_bytes()
    lengths, at = [], 0
    while at < len(data):
        lengths.append(int.from_bytes(data[at : at + 2]))
        at += 2 + lengths[-1]
    assert at == len(data)
    assert len(lengths) > 300
    assert codec == "opus" or set(lengths) == {160}


def test_a_party_has_its_own_clock() -> None:
    assert speech.line(20_000, "G722", Path("frames")) == "20000 9 160 frames"
    assert speech.line(20_002, "opus", Path("frames")) == "20002 96 960 frames"


def test_what_srtp_adds_is_beside_the_same_relay_and_number_of_calls() -> None:
    plain, secure = f"{relay.PACKET}100 calls", f"{relay.PACKET}100 calls{relay.SECURE}"
    found = rows(
        Sample(plain, "x", 5.0, 1, 0, 0), Sample(secure, "x", 6.5, 1, 0, 0), Sample(secure, "y", 9.0, 1, 0, 0)
    )
    assert relay.differences(found) == [
        "SRTP on one side: x, 100 calls: 6.50 us, +1.50 us beside a plain packet."
    ]


def test_relays_are_drawn_by_calls() -> None:
    found = rows(
        *(
            Sample(f"{relay.PACKET}{calls} calls{more}", "x", cost, 1, 0, 0)
            for calls, cost in ((100, 7.0), (500, 5.0))
            for more in ("", relay.SECURE)
        )
    )
    assert {"x", "x, SRTP"} <= set(drawn(relay.costs(found)))


def test_a_whole_processor_is_shared_by_the_packets_that_were_sent() -> None:
    found = rhythm.sample("tc floor", LOAD_RESULT, busy=0.02)
    assert found.cpu_us == pytest.approx(2.0)
    assert found.p50_us == 40
    with pytest.raises(BenchError, match="none of 30000"):
        rhythm.sample("tc floor", {**LOAD_RESULT, "received": 0}, 0.02)


def test_delays_are_drawn_for_each_way() -> None:
    results = [{**LOAD_RESULT, "calls": calls} for calls in (100, 500)]
    found = rows(*(rhythm.sample(name, result, 0.02) for result in results for name in rhythm.DRAWN))
    assert f"{rhythm.KERNEL}, p99" in drawn(rhythm.delays(found))


def losing_from(calls: int) -> limits.Try:
    def attempt(asked: int) -> dict[str, Any]:
        sent = asked * 300
        return {"calls": asked, "seconds": 3.0, "sent": sent, "received": sent - (asked >= calls)}

    return attempt


def test_the_search_ends_between_two_steps() -> None:
    assert limits.search(losing_from(1300)) == (1250, 1500, "1 of 450,000 packets were lost")
    assert limits.search(losing_from(1200)) == (1000, 1250, "1 of 375,000 packets were lost")
    assert limits.search(losing_from(9999)) == (limits.STEPS[-1], 0, "")


def test_a_generator_that_cannot_send_more_is_named() -> None:
    result = {"calls": 100, "seconds": 3.0, "sent": 20_000, "received": 20_000}
    assert limits.verdict(result) == "the generator came to its end: it sent 67%"


def test_names_of_lines_do_not_cover_each_other() -> None:
    lines = [Series(str(n), [Point(0, 5.0), Point(10, 5.0)]) for n in range(MOST_LINES)]
    drawing = ET.fromstring(line_charts("", "", "", lines))  # noqa: S314  (our own)
    named = [text for text in drawing.findall("{*}text") if text.text in set("012345")]
    heights = [
        float(text.attrib["y"])
        for text in named
        if text.get("text-anchor") == "end" and float(text.attrib["x"]) > 700
    ]
    assert len(set(heights)) == MOST_LINES


def test_so_many_lines_cannot_be_told_apart() -> None:
    with pytest.raises(ValueError, match="1 to 6 lines, seen 7"):
        line_charts("", "", "", [Series("", [Point(0, 1), Point(1, 1)])] * 7)
