"""The engine's codecs and sampling rates for those who measure or judge them; calls leave them to the engine."""

from __future__ import annotations

from trunkline._native import Codec, Rates

__all__ = ["Codec", "Rates"]
