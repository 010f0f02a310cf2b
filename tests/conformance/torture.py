"""The messages of RFC 4475 and RFC 5118 with what the RFCs say of each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

VECTORS = Path(__file__).parents[1] / "vectors"


@dataclass(frozen=True)
class Vector:
    """One message. ``expected`` is "valid", "invalid" or "parse-then-answer"; ``answer`` the RFC's advice."""

    name: str
    rfc: int
    section: str
    expected: str
    is_request: bool
    transport: str
    answer: str
    data: bytes

    @property
    def reliable(self) -> bool:
        return self.transport in {"TCP", "TLS"}


def load() -> list[Vector]:
    listed = json.loads((VECTORS / "sip-torture.json").read_text())["messages"]
    return [
        Vector(
            name=entry["id"],
            rfc=int(entry["file"][3:7]),
            section=entry["section"],
            expected=entry["expected"],
            is_request=entry["kind"] == "request",
            transport=entry.get("via_transport") or "UDP",
            answer=entry["answer"],
            data=(VECTORS / entry["file"]).read_bytes(),
        )
        for entry in listed
    ]


TORTURE = {vector.name: vector for vector in load()}


def params(*names: str) -> list[object]:
    """The vectors of these names, or all, each as a parameter marked with its RFC and section."""
    return [
        pytest.param(
            vector,
            id=f"rfc{vector.rfc}-{vector.name}",
            marks=pytest.mark.rfc(vector.rfc, vector.section),
        )
        for vector in TORTURE.values()
        if not names or vector.name in names
    ]
