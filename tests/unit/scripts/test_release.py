"""What a release and an image are made of agrees with the checkout."""

from __future__ import annotations

import re
import shlex
import tomllib

import pytest

from tests.peers.programs import ROOT

_PINNED = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>\S+) \\$", re.MULTILINE)
_HOST = re.compile(r"https?://|--index-url|--find-links")


def pinned(path: str) -> dict[str, str]:
    return dict(_PINNED.findall((ROOT / path).read_text()))


def test_a_release_pins_what_the_project_needs_to_the_versions_that_were_tested() -> None:
    whole, release = pinned("requirements.lock"), pinned("deploy/requirements.lock")
    assert release.items() <= whole.items()
    with (ROOT / "pyproject.toml").open("rb") as file:
        needed = tomllib.load(file)["project"]["dependencies"]
    assert {re.split(r"[<>=!~ ;\[]", one)[0].lower() for one in needed} <= set(release)
    assert {"pytest", "mypy", "ruff"}.isdisjoint(release)


@pytest.mark.parametrize("path", ["requirements.lock", "deploy/requirements.lock"])
def test_a_lock_has_hashes_and_names_no_host(path: str) -> None:
    text = (ROOT / path).read_text()
    assert _HOST.search(text) is None
    for block in _PINNED.split(text)[3::3]:
        assert "--hash=sha256:" in block


def test_the_image_copies_what_is_there_and_does_not_run_as_root() -> None:
    text = (ROOT / "deploy/Dockerfile").read_text().replace("\\\n", " ")
    steps = [shlex.split(line) for line in text.splitlines() if line and not line.startswith("#")]
    copied = [step[1:-1] for step in steps if step[0] == "COPY" and not step[1].startswith("--from")]
    assert copied
    assert [name for names in copied for name in names if not (ROOT / name).exists()] == []
    users = [step[1] for step in steps if step[0] == "USER"]
    assert users == ["trunkline"]
    assert 'ENTRYPOINT ["trunkline", "up"]' in text
