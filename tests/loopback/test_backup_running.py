"""A backup beside a real exchange, and a folder that is not to be restored into while it runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.peers.exchange import ExchangeProcess, Extension

EXTENSIONS = [Extension("1001", "a good password", name="One"), Extension("1002", "another password")]


async def test_a_running_exchange_is_backed_up_and_another_one_starts_from_that(tmp_path: Path) -> None:
    target = tmp_path / "b.tar.gz"
    async with ExchangeProcess(tmp_path / "first", EXTENSIONS) as exchange:
        facts = json.loads(await exchange.run("backup", str(target), "--json"))
        assert "trunkline.db" in facts["files"]
        with pytest.raises(AssertionError, match="running already with"):
            await exchange.run("restore", str(target), "--force")
        rows = await exchange.ask("extension", "list")
    copy = ExchangeProcess(tmp_path / "second", [])
    data = copy.folder / "data"
    await exchange.run("restore", str(target), "--force")  # it has ended: now it may
    copy.folder.parent.mkdir()
    async with copy:
        await copy.stop()
        await copy.run("restore", str(target), "--force")
        await copy.crash_and_restart()
        assert await copy.ask("extension", "list") == rows
        passwords = await copy.ask("extension", "export", "--passwords")
        assert {row["number"]: row["password"] for row in passwords} == {
            one.number: one.password for one in EXTENSIONS
        }
    assert len(list(data.parent.glob("data.before-restore-*"))) == 1
