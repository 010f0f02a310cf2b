"""Trunkline: a telephone exchange in one program."""

__version__ = "0.1.0"
