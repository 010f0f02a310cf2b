"""Where what is said to callers lies, and where what they say is kept for a moment."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

from trunkline.base.errors import MediaError
from trunkline.base.ids import uuid7

BUILT_IN: Final = Path(__file__).parents[1] / "prompts" / "en"
"""The prompts that come with the exchange."""
_SUFFIXES: Final = (".opus", ".wav")
"""A WAV file comes before an Ogg Opus file of the same name."""


class Sounds:
    """Prompts by their names: WAV and Ogg Opus files in ``folders``, of which the first that has a name gives it.

    The folders are looked through once, when the first prompt is asked for. ``scratch`` is a folder for
    recordings that nobody keeps.
    """

    def __init__(self, folders: Sequence[Path] = (BUILT_IN,), scratch: Path | None = None) -> None:
        self._folders = folders
        self._scratch = scratch or Path(tempfile.gettempdir())

    @cached_property
    def prompts(self) -> dict[str, Path]:
        """Every prompt: its name and its file."""
        found: dict[str, Path] = {}
        for folder in reversed(self._folders):
            for suffix in _SUFFIXES:
                found |= {file.stem: file for file in sorted(folder.glob(f"*{suffix}"))}
        return found

    def find(self, sound: str | Path) -> str:
        """The file of a prompt, or that of a path; MediaError when there is no such prompt."""
        if isinstance(sound, Path):
            return str(sound)
        file = self.prompts.get(sound)
        if file is None:
            places = ", ".join(str(folder) for folder in self._folders)
            raise MediaError(
                f"there is no prompt {sound!r}: no {sound}.wav or {sound}.opus in {places}",
                "media.unknown_prompt",
            )
        return str(file)

    def new_file(self) -> Path:
        """The path of a recording that nobody keeps."""
        return self._scratch / f"{uuid7()}.wav"

    def forget(self, file: Path) -> None:
        """Delete such a recording, in its own time: the disk may be slow."""
        asyncio.get_running_loop().run_in_executor(None, lambda: file.unlink(missing_ok=True))
