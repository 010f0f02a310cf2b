"""Links within the documentation lead somewhere: to a file that is there, and to a heading that stands in it."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.programs import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
INDEX = ROOT / "docs" / "index.md"
_FENCE = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2`*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(?P<text>.+?) *$", re.MULTILINE)
_KEPT = frozenset(string.ascii_lowercase + string.digits + "-_ ")


def prose(page: Path) -> str:
    """The page without its fences."""
    return _FENCE.sub("", page.read_text())


def links(page: Path) -> Iterator[str]:
    for link in _LINK.finditer(_CODE.sub("", prose(page))):
        if "://" not in link["target"] and not link["target"].startswith("mailto:"):
            yield link["target"]


def anchors(page: Path) -> set[str]:
    """The headings as GitHub names them: small letters, no punctuation, hyphens for spaces."""
    found: dict[str, int] = {}
    names = set()
    for heading in _HEADING.finditer(prose(page)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading["text"]).lower()
        name = "".join(char for char in text if char in _KEPT or char.isalnum()).strip().replace(" ", "-")
        names.add(f"{name}-{found[name]}" if name in found else name)
        found[name] = found.get(name, 0) + 1
    return names


def broken(page: Path) -> Iterator[str]:
    root = ROOT if page.is_relative_to(ROOT) else page.parent
    for target in links(page):
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists():
            yield f"{target}: there is no such file"
        elif not file.is_relative_to(root):
            yield f"{target}: leads out of the repository"
        elif anchor and file.suffix == ".md" and anchor not in anchors(file):
            yield f"{target}: there is no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_something_that_is_there(page: Path) -> None:
    assert list(broken(page)) == []


def test_the_index_lists_every_page_once() -> None:
    listed = [
        (INDEX.parent / target.partition("#")[0]).resolve()
        for target in links(INDEX)
        if target.partition("#")[0].endswith(".md")
    ]
    pages = {page for page in (ROOT / "docs").rglob("*.md") if page != INDEX}
    assert sorted(listed) == sorted({*listed}), "a page is listed twice"
    assert pages - set(listed) == set()


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One `two` (three)\n\n[a](#one-two-three) [b](#four) [c](none.md)\n\n```\n[d](no.md)\n```\n"
    )
    assert list(broken(page)) == ["#four: there is no such heading", "none.md: there is no such file"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_source_file_that_is_named_is_there(page: Path) -> None:
    """As ``app/exchange.py`` within the package, or from the root of the repository."""
    named = set(re.findall(r"`([\w.]+(?:/[\w.]+)*/(?:[\w.]+\.(?:py|pyi|rs|toml))?)`", prose(page)))
    places = (ROOT, ROOT / "src" / "trunkline", ROOT / "rust" / "crates")
    known = ("data/", "prompts/", "recordings/", "scratch/", "trace/", "trunkline-backup/", "build/bench/")
    missing = {name for name in named if not any((place / name).exists() for place in places)}
    assert missing - set(known) == set()
