"""The sounds of a data folder: the operator's own prompts, and a place for recordings that nobody keeps."""

from __future__ import annotations

import shutil
from pathlib import Path

from trunkline.call.sounds import BUILT_IN, Sounds

PROMPTS = "prompts"
SCRATCH = "scratch"


def sounds_of(data: Path) -> Sounds:
    """Prompts of ``data``/prompts come before those of the exchange; ``data``/scratch is emptied."""
    scratch = data / SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)  # what a crash left behind
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    sounds = Sounds((data / PROMPTS, BUILT_IN), scratch)
    sounds.prompts  # noqa: B018  (looked through now: later nobody may wait for a disk)
    return sounds
