"""Where recordings of calls go."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trunkline.app.recording_handlers import default_name, prepare, unused, wanted_file
from trunkline.base.messages import Refused

FOLDER = Path("/data/recordings")


def call(caller: str, callee: str) -> Any:
    return SimpleNamespace(
        context=SimpleNamespace(wall=lambda: 1_790_000_000.0),
        caller=SimpleNamespace(number=caller),
        callee=callee,
        id="0193c8a0-5c3e-7aaa-8bbb-0123456789ab",
    )


@pytest.mark.parametrize(
    ("caller", "callee", "parties"),
    [
        ("1001", "+441632960000", "1001-+441632960000"),
        ("../../etc", "a b/c\n", ".._.._etc-a_b_c_"),
        ("", "x" * 300, f"_-{'x' * 40}"),
        ("日本", "9198", "__-9198"),
    ],
)
def test_a_name_is_made_of_date_time_and_numbers_whatever_they_are(
    caller: str, callee: str, parties: str
) -> None:
    name = default_name(call(caller, callee))
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d/\d{{6}}-{re.escape(parties)}-56789ab\.wav", name), name


def test_the_ending_is_that_of_the_settings() -> None:
    assert default_name(call("1001", "1002"), "opus").endswith("-1001-1002-56789ab.opus")


def test_a_wanted_file_lies_in_the_folder_unless_it_is_absolute() -> None:
    assert wanted_file(FOLDER, "sales/one.wav") == FOLDER / "sales/one.wav"
    assert wanted_file(FOLDER, "one.opus") == FOLDER / "one.opus"
    assert wanted_file(FOLDER, "/mnt/one.WAV") == Path("/mnt/one.WAV")


@pytest.mark.parametrize(
    "text", ["", "one.mp3", "../one.wav", "a/../../one.wav", "/mnt/../one.wav", "a\nb.wav"]
)
def test_other_files_are_refused(text: str) -> None:
    with pytest.raises(Refused) as refusal:
        wanted_file(FOLDER, text)
    assert refusal.value.problem.code == "recording.file"


def test_folders_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    file = folder / "2026-11-21" / "one.wav"
    prepare(file, folder, 0)
    prepare(file, folder, 0)
    for made in (folder, file.parent):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert not file.exists()


def test_what_stands_in_the_way_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    there = tmp_path / "there.wav"
    there.write_bytes(b"")
    dangling = tmp_path / "dangling.wav"
    dangling.symlink_to(tmp_path / "nothing")
    for file, keep_free, code in (
        (there, 0, "recording.file"),
        (dangling, 0, "recording.file"),
        (tmp_path / "no" / "one.wav", 0, "recording.file"),
        (there / "one.wav", 0, "recording.file"),
        (folder / ("x" * 300), 0, "recording.file"),
        (folder / "one.wav", 2**70, "recording.disk_full"),
    ):
        with pytest.raises(Refused) as refusal:
            prepare(file, folder, keep_free)
        assert refusal.value.problem.code == code, file


def test_a_call_may_be_recorded_anew_within_the_same_second(tmp_path: Path) -> None:
    file = tmp_path / "203000-1001-1002-56789ab.wav"
    assert unused(file) == file
    for name in ("203000-1001-1002-56789ab-2.wav", "203000-1001-1002-56789ab-3.wav"):
        file.touch()
        assert unused(file) == tmp_path / name
        (tmp_path / name).touch()
