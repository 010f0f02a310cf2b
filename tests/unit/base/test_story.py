"""Stories: order, bound, and what readers get."""

from __future__ import annotations

from trunkline.base.story import MAX_STEPS, Step, Story


def test_steps_stay_in_the_order_they_happened() -> None:
    story = Story(started=100.0)
    story.add(100.0, "call.offered", "100 calls 200")
    story.add(100.12, "route.extension", "200 is an extension", extension="200")
    assert story.last_code == "route.extension"
    assert story.as_list() == [
        {"ms": 0, "code": "call.offered", "text": "100 calls 200"},
        {"ms": 120, "code": "route.extension", "text": "200 is an extension", "extension": "200"},
    ]
    assert story.lines()[1] == "    120 ms  route.extension           200 is an extension"


def test_an_empty_story_has_no_last_code() -> None:
    assert Story(0.0).last_code == ""


def test_a_story_is_bounded_and_ends_with_what_happened_last() -> None:
    story = Story(0.0)
    for number in range(MAX_STEPS + 50):
        story.add(float(number), "dialog.offer", str(number))
    assert len(story.steps) == MAX_STEPS
    assert story.dropped == 50
    assert story.steps[0].text == "0"
    assert story.steps[-1].text == str(MAX_STEPS + 49)


def test_the_steps_of_a_decision_are_taken_over_within_the_bound() -> None:
    story = Story(0.0)
    steps = [
        Step(1.0, "route.rule", str(number), {"at": 1, "code": "x", "text": "y"}) for number in range(300)
    ]
    story.extend(steps)
    assert len(story.steps) == MAX_STEPS
    assert story.dropped == 100
    assert story.steps[-1] is steps[-1]
    assert story.steps[-1].data == {"at": 1, "code": "x", "text": "y"}
