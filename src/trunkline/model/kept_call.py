"""A call in progress as it is kept for the process that carries on after a crash."""

from __future__ import annotations

from trunkline.base.values import value


@value
class KeptCall:
    """``id`` is the call's; ``node`` 0..255 the one that had it; ``body`` JSON that ``trunkline.call`` reads.

    ``updated_at`` is when the call was last known to be up, in wall-clock seconds.
    """

    tenant: str
    id: str
    node: int
    body: str
    updated_at: float
