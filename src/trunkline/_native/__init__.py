"""The compiled parts: the media engine for ``trunkline.media``, the scanner for ``trunkline.proto.sip``. Nobody else
imports this."""

from trunkline._native._engine import EngineError, EngineFigures, MediaEngine, PortFigures, Scanner

__all__ = ["EngineError", "EngineFigures", "MediaEngine", "PortFigures", "Scanner"]
