"""Who is listened to: bans, penalties that grow, and the proofs that keep good phones out of them. Pure.

Begin reading in ``fence``; ``source`` says what counts as one place.
"""

from trunkline.net.fence.fence import PROOF_S, Ban, Fence, FencePolicy

__all__ = ["PROOF_S", "Ban", "Fence", "FencePolicy"]
