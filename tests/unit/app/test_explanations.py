"""Every misconfiguration of the page is made, and ``trunkline explain`` says what the page says, byte by byte."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from tests.unit.app.explaining import OFFICE, Scene
from tests.unit.app.explanations import ALL, HISTORIES, Case, explanations_on, page, said
from tests.unit.app.test_story_codes import documented
from trunkline.app.cli import app
from trunkline.app.explain.asked import TRANSPORTS
from trunkline.app.explain.calls import explain_described
from trunkline.app.explain.registers import explain_register
from trunkline.app.explain.stages import STAGES
from trunkline.base.messages import ExplainNumber, ExplainRegister, Refused
from trunkline.pbx.route import CallRequest, decide

PAGE = (Path(__file__).parents[3] / "docs/reference/explanations.md").read_text()
ON_PAGE = explanations_on(PAGE)
ORDER = {stage: at for at, stage in enumerate(STAGES)}


@pytest.fixture(autouse=True)
def greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import time

    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.symptom)
def test_a_misconfiguration_is_explained_as_the_page_says(case: Case) -> None:
    assert said(case) == ON_PAGE[case.symptom]


def test_the_page_has_all_of_them_and_no_other() -> None:
    assert list(ON_PAGE) == [case.symptom for case in ALL]
    assert len(ON_PAGE) == len(ALL) >= 60
    assert page() == PAGE, "run: make docs"


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.symptom)
def test_each_step_has_a_code_that_is_documented(case: Case) -> None:
    codes = re.findall(r"^  ([a-z]+\.[a-z_]+) ", said(case), re.MULTILINE)
    assert set(codes) <= documented()


@pytest.mark.parametrize("case", [one for one in ALL if one not in HISTORIES], ids=lambda case: case.symptom)
def test_stages_come_in_their_order_and_each_once(case: Case) -> None:
    found = [line for line in said(case).splitlines() if line in ORDER]
    assert found == sorted(set(found), key=ORDER.__getitem__)


def test_the_commands_that_are_recommended_exist() -> None:
    groups: Any = get_command(app)
    for command in re.findall(r"trunkline ([a-z]+)((?: [a-z]+)?)", "\n".join(ON_PAGE.values())):
        name, verb = command[0], command[1].strip()
        made = groups.commands[name]
        if hasattr(made, "commands"):
            assert verb in made.commands, command


def test_a_dry_run_decides_as_a_call_does() -> None:
    scene = Scene()
    for number in ("302", "9196", "399", "**302"):
        explained = explain_described(scene.view(), "t0", ExplainNumber(number=number, caller="301"))
        decided = decide(CallRequest("t0", "301", number), scene.view().snapshot)
        assert explained.status == (0 if decided.pickup else decided.status)
        assert {step.code for step in decided.steps} <= {step.code for step in explained.steps}


def test_a_dry_run_of_a_register_touches_nothing() -> None:
    scene = Scene()
    before = [(one.contact, one.expires_at, one.cseq) for one in scene.location]
    explain_register(scene.view(), "t0", ExplainRegister(number="301", source="203.0.113.9"))
    explain_register(scene.view(), "t0", ExplainRegister(number="301", source=OFFICE, expires_s=0))
    assert [(one.contact, one.expires_at, one.cseq) for one in scene.location] == before
    assert (scene.fence.counters.barred, scene.fence.counters.attempts) == (0, 0)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"source": "pbx.example.com"}, "is no IP address"),
        ({"source": "192.0.2.1:5060"}, "is no IP address"),
        ({"transport": "sctp"}, "is no transport"),
        ({"contact": "tel:+4930"}, "is no SIP URI"),
        ({"contact": "sip:301@[::1"}, "is no SIP URI"),
        ({"contact": 'sip:301@192.0.2.1>\r\nExpires: "'}, "is no SIP URI"),
    ],
)
def test_what_cannot_be_meant_is_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(Refused) as refused:
        explain_register(Scene().view(), "t0", ExplainRegister(number="301", **values))
    assert refused.value.problem.code == "explain.invalid"
    assert text in refused.value.problem.detail
    assert refused.value.problem.hint


def test_a_number_may_be_a_uri_and_a_wrong_one_is_refused() -> None:
    view = Scene().view()
    by_uri = explain_described(view, "t0", ExplainNumber(number="sip:302@example.com", caller="301"))
    assert by_uri.outcome == "route.contacts"
    with pytest.raises(Refused, match="is no SIP URI"):
        explain_described(view, "t0", ExplainNumber(number="sips:302@[", caller="301"))


@pytest.mark.parametrize("number", ["301\r\nX: y", "30 1", "\u0663\u0660\u0661", "", "@", "a" * 5000])
def test_strange_numbers_are_no_extensions(number: str) -> None:
    explained = explain_register(Scene().view(), "t0", ExplainRegister(number=number))
    assert (explained.status, explained.outcome) == (401, "auth.unknown_user")


def test_transports_are_those_of_listeners() -> None:
    assert set(TRANSPORTS) == {one.transport.lower() for one in Scene().listeners}
