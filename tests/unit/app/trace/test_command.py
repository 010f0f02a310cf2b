"""``trunkline trace`` against a stand-in for the exchange."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.unit.app.trace.pcap_reader import read_pcap
from tests.unit.app.trace.samples import CALL
from trunkline.app.cli import app, trace
from trunkline.app.trace.lines import line_of
from trunkline.base.messages import (
    PastTrace,
    ReadTrace,
    Refused,
    StartTrace,
    StopTrace,
    TracePage,
    TraceStarted,
    TraceStopped,
)


class Fake:
    """An exchange with one call, of which the first two messages were kept and the rest is to come."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.kept = True
        self.up = True
        self.lost = 0

    def ask(self, request: Any) -> Any:
        self.asked.append(request)
        if isinstance(request, PastTrace):
            if not self.kept:
                code = "trace.nothing_yet" if self.up else "trace.not_kept"
                raise Refused(code, "nothing was kept", "do keep", 404)
            start = int(request.after or 0)
            return TracePage(rows=CALL[start : start + 1], next="1" if start == 0 else None, over=not self.up)
        if isinstance(request, StartTrace):
            return TraceStarted(trace="7")
        if isinstance(request, ReadTrace):
            first = sum(isinstance(one, ReadTrace) for one in self.asked) == 1
            return TracePage(rows=CALL[2:] if first else (), lost=self.lost, over=not first)
        return TraceStopped(trace=request.trace)

    def kinds(self) -> list[type]:
        return [type(one) for one in self.asked]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    one = Fake()

    @contextmanager
    def exchange(_data: Path | None, _tenant: str | None = None) -> Iterator[Fake]:
        yield one

    monkeypatch.setattr(trace, "exchange", exchange)
    return one


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["trace", *arguments])


def test_everything_is_shown_live_and_the_trace_is_ended(fake: Fake) -> None:
    done = run()
    assert done.exit_code == 0, done.output
    assert "486 Busy Here" in done.stdout
    assert fake.kinds() == [StartTrace, ReadTrace, ReadTrace, StopTrace]
    assert fake.asked[0] == StartTrace()


def test_a_number_is_asked_for(fake: Fake) -> None:
    assert run("--number", "1001", "--bodies").exit_code == 0
    assert fake.asked[0] == StartTrace(number="1001", bodies=True)


def test_a_call_is_shown_as_far_as_it_was_kept(fake: Fake) -> None:
    done = run("c-1")
    assert "100 Trying" in done.stdout
    assert "486" not in done.stdout
    assert fake.kinds() == [PastTrace, PastTrace]


def test_following_goes_on_with_what_comes(fake: Fake) -> None:
    done = run("c-1", "--follow")
    assert done.stdout.index("100 Trying") < done.stdout.index("486 Busy Here")
    assert fake.asked[2] == StartTrace(call="c-1")


def test_following_a_call_that_is_over_ends_at_once(fake: Fake) -> None:
    fake.up = False
    assert run("c-1", "--follow").exit_code == 0
    assert fake.kinds() == [PastTrace, PastTrace]


def test_a_call_that_is_up_and_was_not_kept_is_shown_from_now_on(fake: Fake) -> None:
    fake.kept = False
    assert "486 Busy Here" in run("c-1").stdout


def test_a_call_that_is_over_and_was_not_kept_is_refused_with_what_to_do(fake: Fake) -> None:
    fake.kept = fake.up = False
    done = run("c-1")
    assert done.exit_code == 1
    assert "nothing was kept" in done.stderr
    assert "do keep" in done.stderr


def test_lost_messages_are_told(fake: Fake) -> None:
    fake.lost = 5
    assert "10 messages were lost" in run().stderr


def test_lines_of_json_can_be_read_again_and_written_as_pcap(fake: Fake, tmp_path: Path) -> None:
    lines = run("--json").stdout
    assert [json.loads(line)["sip_call_id"] for line in lines.splitlines()] == ["b1", "b1", "a1"]
    kept = tmp_path / "call.jsonl"
    kept.write_text("".join(line_of(message) + "\n" for message in CALL))
    done = run("--read", str(kept), "--pcap", str(tmp_path / "call.pcap"))
    assert done.exit_code == 0, done.output
    assert "486 Busy Here" in done.stdout
    packets = read_pcap((tmp_path / "call.pcap").read_bytes())
    assert [packet.data.decode() for packet in packets] == [message.data for message in CALL]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--read", "nowhere"), "nowhere"),
        (("c-1", "--number", "1"), "only one of"),
        (("--pcap", "nowhere/call.pcap"), "a file we may write"),
        (("--for", "soon"), "no time such as 90s"),
    ],
)
@pytest.mark.usefixtures("fake")
def test_wrong_options_are_told(arguments: tuple[str, ...], words: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert words in done.stderr


@pytest.mark.usefixtures("fake")
def test_a_file_that_is_no_trace_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text(line_of(CALL[0]) + "\nnonsense\n")
    done = run("--read", str(file))
    assert done.exit_code == 2
    assert "line 2" in done.stderr
