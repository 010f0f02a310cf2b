"""``[transfers]``: what becomes of calls that are handed on, and who may take others' calls."""

from __future__ import annotations

from pydantic import Field

from trunkline.app.settings.section import Section


class Transfers(Section):
    """Transfers of calls, and pickup."""

    recall: bool = Field(
        default=True,
        description="Whether an extension that hung up is rung again when nobody takes the call that it transferred. "
        "When not, or when it does not answer, who was to be transferred is hung up with the reason.",
    )
    pickup: bool = Field(
        default=True,
        description="Whether the extensions of a tenant may pick up each other's ringing calls, by `**` and the number "
        "or from a key that shows them. A call that rings at an extension's own phones it may always pick up.",
    )
