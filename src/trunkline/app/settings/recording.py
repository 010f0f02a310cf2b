"""``[recording]``: recordings of calls and conferences, which commands begin."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trunkline.app.settings.section import Section


class Recording(Section):
    """Recordings of calls, files in the folder `recordings` of the data folder."""

    format: Literal["wav", "opus"] = Field(
        default="wav",
        description="`wav` needs 2 to 4 MB for a minute of stereo, `opus` (Ogg Opus) a tenth or less. A file that a "
        "command names is what its ending says.",
    )
    channels: Literal["stereo", "mono"] = Field(
        default="stereo",
        description="`stereo` has the caller left and the other party right, `mono` mixes them.",
    )
    max_duration_s: float = Field(
        default=14_400.0, ge=1, le=86_400, description="A recording ends after so long; the call goes on."
    )
    keep_free_mb: int = Field(
        default=500,
        ge=0,
        le=10_000_000,
        description="Megabytes that stay free on the disk: with less, no recording begins or goes on. "
        "A minute of stereo takes 2 MB.",
    )
