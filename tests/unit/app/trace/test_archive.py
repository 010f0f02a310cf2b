"""What is kept of calls: found again, bounded, without secrets, whatever the disk does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import structlog

from tests.unit.app.trace.samples import sip
from tests.unit.app.trace.scene import FakeNet, invite
from trunkline.app.trace.archive import FOLDER, Archive, Files, kept_messages
from trunkline.app.trace.tracer import Tracer


class Keeping:
    """An archive over a net of its own; the wall clock stands."""

    def __init__(self, data: Path, *, size: int = 1_000_000, bodies: bool = False) -> None:
        self.net = FakeNet()
        self.at = 1_790_000_000.0
        tracer = Tracer(self.net, lambda: self.at)
        files = Files(data / FOLDER, size, 3600.0)
        self.archive = Archive(tracer, files, bodies=bodies, wall=lambda: self.at)
        self.archive.start()


async def test_the_messages_of_calls_are_found_by_their_call_ids(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    for call_id in ("a", "b", "c", "a"):
        keeping.net.show(invite(call_id))
        keeping.at += 1
    await keeping.archive.stop()
    found = kept_messages(tmp_path, {"a", "b"})
    assert [message.call for message in found] == ["a", "b", "a"]
    assert found[0].data == invite("a")
    assert kept_messages(tmp_path, {"d"}) == []
    assert kept_messages(tmp_path / "nowhere", {"a"}) == []


async def test_what_is_no_call_is_not_kept(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    for method in ("REGISTER", "OPTIONS", "PUBLISH", "SUBSCRIBE"):
        keeping.net.show(sip(f"{method} sip:a SIP/2.0", cseq=f"1 {method}"))
        keeping.net.show(sip("SIP/2.0 200 OK", cseq=f"1 {method}"), incoming=False)
    keeping.net.show("garbage")
    await keeping.archive.stop()
    assert not (tmp_path / FOLDER).exists()


async def test_only_the_owner_can_read_what_is_kept_and_no_secret_is_in_it(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    keeping.net.show(sip("INVITE sip:a SIP/2.0", 'Authorization: Digest response="c0ffee"'))
    keeping.net.show(sip("INFO sip:a SIP/2.0", cseq="2 INFO", body="Signal=7"))
    await keeping.archive.stop()
    (file,) = (tmp_path / FOLDER).iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / FOLDER).stat().st_mode & 0o777 == 0o700
    assert b"c0ffee" not in file.read_bytes()
    assert b"Signal=7" not in file.read_bytes()


async def test_bodies_are_kept_when_the_settings_say_so(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path, bodies=True)
    keeping.net.show(sip("INFO sip:a SIP/2.0", cseq="2 INFO", call_id="a", body="Signal=7"))
    await keeping.archive.stop()
    assert kept_messages(tmp_path, {"a"})[0].data.endswith("Signal=7")


async def test_the_oldest_is_deleted_when_there_is_too_much(tmp_path: Path) -> None:
    size = 32_000
    keeping = Keeping(tmp_path, size=size)
    for number in range(300):
        keeping.net.show(invite(f"call-{number}"))
        keeping.at += 1
        if number % 10 == 9:
            await keeping.archive.flush()
            assert sum(path.stat().st_size for path in (tmp_path / FOLDER).iterdir()) <= size
    await keeping.archive.stop()
    assert kept_messages(tmp_path, {"call-299"})
    assert not kept_messages(tmp_path, {"call-0"})


async def test_what_is_too_old_is_deleted(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    keeping.net.show(invite("old"))
    await keeping.archive.stop()
    (old,) = (tmp_path / FOLDER).iterdir()
    os.utime(old, (keeping.at, keeping.at))
    again = Keeping(tmp_path)
    again.at += 4000
    again.net.show(invite("new"))
    await again.archive.stop()
    assert not old.exists()
    assert kept_messages(tmp_path, {"new"})


async def test_a_line_that_a_crash_has_cut_is_passed_over(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    keeping.net.show(invite("a"))
    await keeping.archive.stop()
    (file,) = (tmp_path / FOLDER).iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:-40] + b"\n")
    assert len(kept_messages(tmp_path, {"a"})) == 1


async def test_a_disk_that_takes_nothing_is_told_and_calls_go_on(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("a file stands where the folder should")
    keeping = Keeping(tmp_path)
    with structlog.testing.capture_logs() as logs:
        keeping.net.show(invite("a"))
        await keeping.archive.flush()
        keeping.net.show(invite("b"))
        await keeping.archive.stop()
    assert keeping.archive.lost == 2
    assert [entry["event"] for entry in logs] == ["messages were not kept"] * 2


async def test_the_tap_is_off_once_the_archive_has_stopped(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    assert keeping.net.on is not None
    await keeping.archive.stop()
    assert keeping.net.on is None


@pytest.mark.parametrize("call_id", ['quote"in-it', "back\\slash", "umlaut-ü"])
async def test_call_ids_of_odd_characters_are_found(tmp_path: Path, call_id: str) -> None:
    keeping = Keeping(tmp_path)
    keeping.net.show(invite(call_id))
    await keeping.archive.stop()
    assert len(kept_messages(tmp_path, {call_id})) == 1
