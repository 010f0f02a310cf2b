"""``trunkline explain``: what each form asks, what it prints, and what does not go together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.unit.app.fakes import FakeExchange, explanation
from tests.unit.app.test_rendering import Paper
from trunkline.app.cli import app, asking
from trunkline.app.cli.completing import transports
from trunkline.app.render_stories import show_explanation, show_history
from trunkline.base.messages import (
    AttemptRow,
    BoundRow,
    ExplainNumber,
    ExplainRegister,
    Explanation,
    RecentRegisters,
    RegisterHistory,
    StoryStep,
)

STEPS = (
    StoryStep(0, "identify.tenant", "a.example belongs to default", {"domain": "a"}, "identify"),
    StoryStep(0, "auth.offered", "challenged", {}, "authenticate"),
    StoryStep(0, "auth.wrong", "refused", {"verdict": "wrong"}, "authenticate", "look at it"),
)
HISTORY = RegisterHistory(
    number="1001",
    known=True,
    bound=(BoundRow("sip:1001@h", "h:1", "udp", 100.0, None, 59.9, by_flow=True, user_agent="X\x1b[2J"),),
    attempts=(
        AttemptRow(
            100.0, "h", 3, Explanation(subject="1001 \x1b[2J", outcome="auth.wrong", text="", steps=STEPS)
        ),
    ),
    notes=("h is banned",),
)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeExchange:
    """No exchange runs with this data folder; the store answers."""
    made = FakeExchange("1001", "1002")
    made.answer(ExplainRegister, lambda ask: explanation(f"{ask.number} would register"))
    made.answer(RecentRegisters, lambda _ask: HISTORY)
    monkeypatch.setenv("TRUNKLINE_DATA", str(tmp_path))
    monkeypatch.setattr(asking, "load_wiring", lambda: made)
    return made


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["explain", *arguments])


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (
            "1002 --from 1001 --source 192.0.2.1 --transport tls --domain b.example",
            ExplainNumber(
                number="1002", caller="1001", source="192.0.2.1", transport="tls", domain="b.example"
            ),
        ),
        ("--register 1001", RecentRegisters(number="1001", last=5)),
        ("--register 1001 --last 3", RecentRegisters(number="1001", last=3)),
        (
            "--register 1001 --expires 2m --contact sip:1001@h",
            ExplainRegister(number="1001", expires_s=120, contact="sip:1001@h"),
        ),
        ("--register 1001 --expires 0", ExplainRegister(number="1001", expires_s=0)),
    ],
)
def test_each_form_asks_its_question(fake: FakeExchange, arguments: str, asked: object) -> None:
    result = run(*arguments.split())
    assert (result.exit_code, result.stderr) == (0, "")
    assert fake.asked == [asked]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("", "expected a NUMBER or a CALL-ID, or --register"),
        ("1002 --register 1001", "expected a NUMBER or a CALL-ID, or --register"),
        ("--register 1001 --from 1002", "--from is about calls"),
        ("1002 --from 1001 --expires 60", "go with --register"),
        ("1002 --from 1001 --last 3", "go with --register"),
        ("c-1 --source 192.0.2.1", "go with --from or --register"),
        ("--register 1001 --last 3 --source 192.0.2.1", "not about a dry run"),
        ("--register 1001 --last 0", "--last"),
        ("--register 1001 --expires soon", "is no time"),
    ],
)
def test_what_does_not_go_together_is_a_usage_error(fake: FakeExchange, arguments: str, text: str) -> None:
    result = run(*arguments.split())
    assert result.exit_code == 2
    assert text in result.stderr
    assert fake.asked == []


def test_a_history_is_told_and_cannot_steer_the_terminal(fake: FakeExchange) -> None:
    told = run("--register", "1001").stdout
    assert told.startswith("1001 is registered\nCONTACT")
    assert "h is banned" in told
    assert ", 3 times\nidentify\n  identify.tenant" in told
    assert f"  {'':<24}  what to do: look at it" in told
    assert "\x1b" not in told
    data = json.loads(run("--register", "1001", "--json").stdout)
    assert data["bound"][0]["by_flow"] is True
    assert [step["stage"] for step in data["attempts"][0]["explanation"]["steps"]] == [
        "identify", "authenticate", "authenticate",
    ]  # fmt: skip


def test_nothing_known_is_said_so() -> None:
    paper = Paper(terminal=False)
    show_history(paper.screen, RegisterHistory(number="1001", known=True))
    assert paper.out.getvalue() == "1001 is not registered\nno attempt is remembered\n"


def test_each_stage_has_one_heading_and_a_pipe_no_colour() -> None:
    pipe, terminal = Paper(terminal=False), Paper(terminal=True)
    shown = Explanation(
        subject="x", outcome="auth.wrong", text="refused", status=401, steps=STEPS, dry_run=True
    )
    for paper in (pipe, terminal):
        show_explanation(paper.screen, shown)
        assert paper.out.getvalue().count("authenticate") == 1
        assert "what to do: look at it" in paper.out.getvalue()
        assert " ms" not in paper.out.getvalue()
    assert "\x1b" not in pipe.out.getvalue()
    assert "\x1b[" in terminal.out.getvalue()


def test_transports_are_completed() -> None:
    assert transports(None, "w") == ["ws", "wss"]  # type: ignore[arg-type]
