"""Which keys hold secrets: their values are never shown, logged or returned."""

from __future__ import annotations

import re
from functools import lru_cache

HIDDEN = "(hidden)"
_SECRET = re.compile(
    r"pass(word|wd|phrase)|secret|token|nonce|authori[sz]ation|api_?key|private_?key|cookie|\bha1\b",
    re.IGNORECASE,
)
# How long a token lasts is no secret, and how many may be asked for.
_OPEN = re.compile(r"token_?expiry|limits\.tokens", re.IGNORECASE)


@lru_cache(maxsize=1024)
def is_secret(key: str) -> bool:
    """Whether a key (of a setting, a log line, a header) names a secret, in any spelling."""
    return _SECRET.search(key) is not None and _OPEN.search(key) is None
