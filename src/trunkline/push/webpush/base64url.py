"""Base64 for URLs without padding (RFC 4648 §5), as keys of subscriptions and tokens are written."""

from __future__ import annotations

import base64
import re

_is_text = re.compile(r"[A-Za-z0-9_-]*\Z").match


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decoded(text: str) -> bytes:
    """Padding may be there, for some clients write it. Raises ValueError."""
    bare = text.rstrip("=")
    if not _is_text(bare) or len(bare) % 4 == 1:
        raise ValueError("no base64url")
    return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
