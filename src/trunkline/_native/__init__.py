"""The compiled media engine. Only ``trunkline.media`` imports this."""

from trunkline._native._engine import EngineError, EngineFigures, MediaEngine, PortFigures

__all__ = ["EngineError", "EngineFigures", "MediaEngine", "PortFigures"]
