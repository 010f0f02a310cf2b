"""One line of the log for each text: who wrote to whom and what became of it, never what it said."""

from __future__ import annotations

import structlog

from trunkline.base.story import Story
from trunkline.model.text import Text

log = structlog.get_logger("text")


def log_text(sender: str, receiver: str, status: int, story: Story) -> None:
    """A text was delivered (2xx) or not."""
    log.info(
        "text",
        sender=sender,
        receiver=receiver,
        status=status,
        code=story.last_code,
        story=[f"{step.code}: {step.text}" for step in story.steps],
    )


def log_kept_text(text: Text, status: int, story: Story) -> None:
    """A text that had been kept was delivered (2xx), or is kept no more for another reason."""
    log_text(text.sender, text.receiver, status, story)
