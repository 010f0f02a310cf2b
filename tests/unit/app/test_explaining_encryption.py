"""A dry run of a call says what phones are offered when media is to be encrypted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.app.explaining import Scene
from trunkline.app.explain.media import media
from trunkline.app.explain.telling import Telling
from trunkline.app.explain.view import Place


@pytest.mark.parametrize(
    ("encryption", "told"), [("off", []), ("preferred", ["beside plain"]), ("required", ["alone"])]
)
def test_what_phones_are_offered(encryption: str, told: list[str]) -> None:
    scene = Scene()
    scene.media = replace(scene.media, encryption=encryption)
    out = Telling()
    media(scene.view(), Place("192.0.2.7"), [Place("192.0.2.8")], "transparent", out)
    said = [step.text for step in out.steps if step.code == "media.offered"]
    assert [word for word in told if word in said[0]] == told
    assert len(said) == len(told)
