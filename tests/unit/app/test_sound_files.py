"""The sounds of a data folder."""

from __future__ import annotations

import stat
from pathlib import Path

from trunkline.app.sound_files import sounds_of


def test_own_prompts_come_first_and_scratch_begins_empty(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    own = tmp_path / "prompts" / "welcome.wav"
    own.write_bytes(b"")
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "left-behind.wav").write_bytes(b"")
    sounds = sounds_of(tmp_path)
    assert sounds.find("welcome") == str(own)
    assert Path(sounds.find("goodbye")).is_file()
    assert list((tmp_path / "scratch").iterdir()) == []
    assert stat.S_IMODE((tmp_path / "scratch").stat().st_mode) == 0o700
    assert sounds.new_file().parent == tmp_path / "scratch"
