"""One line of the log for each subscription or publication that was refused; what was taken is told in detail."""

from __future__ import annotations

import structlog

from trunkline.base.story import Story

log = structlog.get_logger("events")


def log_event(user: str, story: Story) -> None:
    """A SUBSCRIBE outside of a dialog, or a PUBLISH, of an extension that proved who it is."""
    code = story.last_code
    tell = log.info if code.endswith(".refused") else log.debug
    tell("event", user=user, code=code, story=[f"{step.code}: {step.text}" for step in story.steps])
