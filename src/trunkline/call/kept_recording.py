"""What is kept of a call's recording, so that it goes on after a crash in another file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Any

from trunkline.media.commands import Channels


@dataclass(frozen=True, slots=True)
class KeptRecording:
    """A recording in progress: the ``file`` of its first part, and the number of the one that is written now.

    ``until`` is the wall-clock second at which it ends, ``keep_free_bytes`` what shall stay free on the disk.
    """

    file: str
    channels: Channels
    until: float
    keep_free_bytes: int
    part: int = 1

    @property
    def path(self) -> str:
        """The file of this part: ``sale.wav``, ``sale.2.wav``, ``sale.3.wav``."""
        if self.part == 1:
            return self.file
        path = PurePath(self.file)
        return str(path.with_suffix(f".{self.part}{path.suffix}"))

    def next(self) -> KeptRecording:
        """The part after this one."""
        return KeptRecording(self.file, self.channels, self.until, self.keep_free_bytes, self.part + 1)

    def to_dict(self) -> dict[str, Any]:
        """Plain, JSON-serialisable data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> KeptRecording:
        """Reads what ``to_dict`` made; KeyError or TypeError when it is something else."""
        return cls(**data)
