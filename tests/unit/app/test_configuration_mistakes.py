"""Every mistake of the page is made, and what is said about it is what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.app.mistakes import ALL, Mistake, messages_on, page, said
from trunkline.app.settings.file import load_settings
from trunkline.base.errors import ConfigError

PAGE = (Path(__file__).parents[3] / "docs/reference/mistakes.md").read_text()
ON_PAGE = messages_on(PAGE)


@pytest.mark.parametrize("mistake", ALL, ids=lambda mistake: mistake.title)
def test_a_mistake_is_told_as_the_page_says(mistake: Mistake, tmp_path: Path) -> None:
    message = said(mistake, tmp_path)
    assert message == ON_PAGE[mistake.title]
    for line in message.splitlines():
        assert ": saw " in line
        assert ", expected " in line


def test_the_page_has_all_of_them_and_no_other() -> None:
    assert list(ON_PAGE) == [mistake.title for mistake in ALL]
    assert len(ON_PAGE) == len(ALL) >= 30
    assert page() == PAGE, "run: make docs"


def test_an_empty_file_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "trunkline.toml").write_text("")
    (tmp_path / "settings.json").write_text("{}")
    for name in ("trunkline.toml", "settings.json"):
        assert load_settings(tmp_path / name, tmp_path, env={}).notices == ()


def test_a_file_that_never_ends_is_not_read_to_its_end() -> None:
    with pytest.raises(ConfigError, match="more than 1000000 bytes"):
        load_settings(Path("/dev/zero"), Path("/nowhere"), env={})
