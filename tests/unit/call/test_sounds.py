"""Prompts are found by their names, own ones before those that come with the exchange."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkline.base.errors import MediaError
from trunkline.call.sounds import BUILT_IN, Sounds


def test_the_first_folder_that_has_a_name_gives_it(tmp_path: Path) -> None:
    (tmp_path / "welcome.wav").write_bytes(b"")
    (tmp_path / "notes.txt").write_bytes(b"")
    sounds = Sounds((tmp_path, BUILT_IN))
    assert sounds.find("welcome") == str(tmp_path / "welcome.wav")
    assert sounds.find("goodbye") == str(BUILT_IN / "goodbye.wav")
    assert "notes" not in sounds.prompts


def test_a_prompt_may_be_ogg_opus_and_a_wav_file_of_its_name_comes_first(tmp_path: Path) -> None:
    for name in ("welcome.opus", "goodbye.opus", "goodbye.wav"):
        (tmp_path / name).write_bytes(b"")
    sounds = Sounds((tmp_path, BUILT_IN))
    assert sounds.find("welcome") == str(tmp_path / "welcome.opus")
    assert sounds.find("goodbye") == str(tmp_path / "goodbye.wav")


def test_a_path_is_taken_as_it_is() -> None:
    assert Sounds().find(Path("/somewhere/else.wav")) == "/somewhere/else.wav"


@pytest.mark.parametrize("name", ["no-such-prompt", "../en/welcome", "", "welcome.wav"])
def test_an_unknown_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MediaError, match="there is no prompt") as refusal:
        Sounds((tmp_path / "not-there", BUILT_IN)).find(name)
    assert refusal.value.code == "media.unknown_prompt"
    assert str(BUILT_IN) in str(refusal.value)


def test_recordings_that_nobody_keeps_have_names_of_their_own(tmp_path: Path) -> None:
    sounds = Sounds(scratch=tmp_path)
    files = {sounds.new_file() for _ in range(100)}
    assert len(files) == 100
    assert {file.parent for file in files} == {tmp_path}
