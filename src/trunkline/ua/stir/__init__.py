"""STIR/SHAKEN: calls are signed with the number of who calls, and signatures are checked (RFC 8224, 8225, 8226).

``proto.sip.identity`` reads and writes what is on the wire; here are keys, certificates and the clock.
"""

from trunkline.ua.stir.certificates import Certificates, Fetch, Fetched, TrustAnchors, load_anchors
from trunkline.ua.stir.signing import Ownership, SigningKey, StirSigner, load_key
from trunkline.ua.stir.verifying import Claim, StirVerifier, Verdict, claim_of

__all__ = [
    "Certificates",
    "Claim",
    "Fetch",
    "Fetched",
    "Ownership",
    "SigningKey",
    "StirSigner",
    "StirVerifier",
    "TrustAnchors",
    "Verdict",
    "claim_of",
    "load_anchors",
    "load_key",
]
