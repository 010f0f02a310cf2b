"""Stories of calls that were: each step has its stage, each refusal what to do."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.app.explaining import Scene
from trunkline.app.call_queries import record_row
from trunkline.app.explain.fork import ring
from trunkline.app.explain.telling import Telling
from trunkline.model.record import CallRecord

STORY = [
    {"ms": 0, "code": "auth.ok", "text": "1001 proved who it is"},
    {"ms": 0, "code": "call.received", "text": "1001 calls 1002", "flow": "f"},
    {"ms": 1, "code": "route.not_registered", "text": "1002 is not registered", "status": 480},
    {"ms": 1, "code": "limit.caller", "text": "1001 has as many calls as it may have at once"},
    {"ms": 2, "code": "written.by.another", "text": "version"},
]


def test_steps_of_a_record_have_stages_and_hints_with_numbers() -> None:
    record = CallRecord(
        id="r", tenant="t", call="c", direction="in", caller="1001", callee="1002", target="", started_at=1.0,
        ended_at=2.0, answered_at=None, status=480, reason="", code="route.not_registered", story=STORY,
    )  # fmt: skip
    steps = record_row(record).story
    assert [step.stage for step in steps] == ["authenticate", "identify", "route", "route", "call"]
    assert steps[1].data == {"flow": "f"}
    assert steps[2].hint == "trunkline explain --register 1002 tells why"
    assert "trunkline extension set 1001 --max-calls" in steps[3].hint
    assert (steps[0].hint, steps[4].hint) == ("", "")


def test_the_apps_of_an_extension_are_told_among_what_rings() -> None:
    scene = Scene()
    scene.extension("321")
    view = scene.view()
    assert view.live is not None
    told = replace(view, live=replace(view.live, apps_of=lambda _tenant, number: [f"phone of {number}"]))
    owner = scene.directory.tenants[0]
    out = Telling()
    assert len(ring(told, owner, owner.extensions["321"], out)) == 1
    assert [(step.code, step.text.partition(" is ")[0]) for step in out.steps] == [
        ("fork.app", "phone of 321")
    ]
