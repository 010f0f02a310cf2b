"""The commented configuration of the examples is one that loads, and shows every section."""

from __future__ import annotations

import tomllib

from pydantic import BaseModel

from tests.peers.programs import ROOT
from trunkline.app.settings import Settings
from trunkline.app.settings.file import load_settings
from trunkline.app.settings.live import values_of

EXAMPLE = ROOT / "examples/trunkline.toml"


def test_the_example_loads_without_a_notice() -> None:
    loaded = load_settings(EXAMPLE, env={})
    assert loaded.settings.domain == "example.com"
    assert loaded.notices == ()


def test_the_example_has_every_section_of_the_settings() -> None:
    sections = {name for name, field in Settings.model_fields.items() if isinstance(field.default, BaseModel)}
    assert sections <= tomllib.loads(EXAMPLE.read_text()).keys()


def test_what_the_example_sets_is_the_default() -> None:
    example = values_of(load_settings(EXAMPLE, env={}).settings)
    defaults = values_of(load_settings(None, env={}).settings)
    assert {key for key, value in example.items() if defaults[key] != value} <= {"domain", "sip.listen"}
