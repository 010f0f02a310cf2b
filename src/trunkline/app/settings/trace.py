"""``[trace]``: which SIP messages are kept, so that a call can be looked at after it has ended."""

from __future__ import annotations

from pydantic import Field

from trunkline.app.settings.section import Section


class Trace(Section):
    """SIP messages of calls, for `trunkline trace CALL-ID`."""

    keep: bool = Field(
        default=False,
        description="Keep the SIP messages of all calls in the folder `trace` of the data folder. "
        "Live traces need no setting.",
    )
    bodies: bool = Field(
        default=False,
        description="Keep texts (MESSAGE) and key presses (INFO) readable too; else they are covered with x.",
    )
    size_mb: int = Field(
        default=100,
        ge=1,
        le=100_000,
        description="Megabytes that are kept; a call has about 10 kB. The oldest are deleted first.",
    )
    age_h: float = Field(default=72.0, gt=0, le=87_600, description="Hours that messages are kept.")
