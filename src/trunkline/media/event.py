"""What every event of a media engine has in common."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar


@dataclass(slots=True)
class MediaEvent:
    """Something happened at a port."""

    kind: ClassVar[str] = ""
    critical: ClassVar[bool] = True
    """Whether the engine keeps the event when nobody takes events for a while; others may be dropped."""

    owner: str
    port: str

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; ``kind`` names the class."""
        return {"kind": self.kind} | {field.name: getattr(self, field.name) for field in fields(self)}
