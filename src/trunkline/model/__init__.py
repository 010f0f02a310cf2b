"""Frozen dataclasses of the domain; nothing here needs I/O."""
