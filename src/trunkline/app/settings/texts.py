"""``[texts]``: how long texts are kept for readers who are away, and how many."""

from __future__ import annotations

from pydantic import Field

from trunkline.app.settings.section import Section


class Texts(Section):
    """Texts (MESSAGE) for extensions that cannot be reached are kept until they come back."""

    keep_days: float = Field(
        default=7.0,
        ge=0,
        le=365,
        description="Days that a text waits for its reader; one that nobody fetched is forgotten then. 0 keeps none: "
        "the writer is told at once that the reader is not there.",
    )
    most_of_one: int = Field(
        default=200,
        ge=1,
        le=100_000,
        description="Texts that wait for one extension at most; with more, writers are told that it cannot be reached.",
    )
    most: int = Field(
        default=100_000,
        ge=1,
        le=10_000_000,
        description="Texts that wait for all extensions together, at most.",
    )
