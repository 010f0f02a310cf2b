"""The limit of open files against what the settings may ask for."""

from __future__ import annotations

import resource

import pytest

from trunkline.app.file_limit import RESERVE, file_limit, raise_file_limit
from trunkline.app.settings import Settings

NARROW = Settings.model_validate({"media": {"ports": "10000-10099"}})


def test_every_pair_of_media_ports_and_every_connection_counts() -> None:
    limit = file_limit(NARROW, 1024)
    assert limit.media == 150
    assert limit.wanted == 150 + limit.connections + RESERVE
    assert not limit.enough
    assert "1024 files may be open" in limit.problem()
    assert "LimitNOFILE=" in limit.problem()


def test_a_gateway_whose_sound_goes_past_it_needs_no_media_ports() -> None:
    alone = Settings.model_validate({"exchange": {"enabled": False}})
    assert file_limit(alone, 20_000).media == 0
    assert "media" not in file_limit(alone, 1024).problem()
    anchored = Settings.model_validate({"exchange": {"enabled": False}, "mobile": {"media": "relay"}})
    assert file_limit(anchored, 20_000).media > 0


def test_a_high_limit_is_enough_and_no_limit_is_a_high_one() -> None:
    assert file_limit(Settings(), 100_000).problem() == ""
    assert file_limit(Settings(), resource.RLIM_INFINITY).enough


def test_the_soft_limit_is_raised_to_the_hard_one(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [(1024, 4096)]
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _which, pair: limits.append(pair))
    assert raise_file_limit() == 4096
    assert limits[-1] == (4096, 4096)


def test_a_system_that_allows_less_than_it_says_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_which: int, _pair: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1024, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert raise_file_limit() == 1024
