"""The compiled parts: the media engine for ``trunkline.media``, the scanner for ``trunkline.proto.sip``. Nobody else
imports this."""

from trunkline._native._engine import (
    Codec,
    EngineError,
    EngineFigures,
    MediaEngine,
    PortFigures,
    Rates,
    Scanner,
)

__all__ = ["Codec", "EngineError", "EngineFigures", "MediaEngine", "PortFigures", "Rates", "Scanner"]
