"""The picture of the architecture shows the layers that there are."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from scripts.picture import SAYS, layers, picture
from tests.peers.programs import ROOT


def test_the_file_is_current() -> None:
    assert (ROOT / "docs/images/overview.svg").read_text() == picture() + "\n", "run: make docs"


def test_every_package_is_a_layer_and_every_layer_is_drawn() -> None:
    named = {name for row in layers() for name in row}
    packages = {path.parent.name for path in ROOT.glob("src/trunkline/*/__init__.py")}
    assert named == packages == set(SAYS)


def test_it_is_well_formed_and_told_to_those_who_cannot_see_it() -> None:
    svg = ET.fromstring(picture())  # noqa: S314  (our own text)
    space = {"svg": "http://www.w3.org/2000/svg"}
    described = svg.findtext("svg:desc", namespaces=space)
    texts = {element.text for element in svg.iterfind("svg:text", space)}
    assert described is not None
    for name in SAYS:
        assert name in described
        assert name in texts
