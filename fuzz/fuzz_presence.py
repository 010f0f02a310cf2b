"""Presence documents: whatever is taken from one phone is fit to be told to others."""

from __future__ import annotations

from typing import Any

from trunkline.base.wheel import TimerWheel
from trunkline.pbx.events.presence import PIDF, PresencePackage
from trunkline.pbx.events.publications import Publications
from trunkline.pbx.events.xml import parse
from trunkline.ua.subscriptions import Watch


class _View:
    watch = Watch("t", "1001", "1002", "pbx.test")
    version = 0

    def __init__(self) -> None:
        self.told: dict[str, Any] = {}


def presence(data: bytes) -> None:
    """A publication: composed with another, it is a document that is read again."""
    publications = Publications(TimerWheel(), lambda _tenant, _number: None)
    parse(data)
    publications.add("t", "1002", data, 600.0)
    publications.add("t", "1002", data, 600.0)
    package = PresencePackage(publications, lambda _t, _n: True, lambda _t, _n: True)
    told = parse(package.compose(_View()))
    assert told.tag == f"{{{PIDF}}}presence"
    assert told.get("entity") == "sip:1002@pbx.test"
