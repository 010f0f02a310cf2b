"""The client's side of digest authentication (RFC 3261 §22.4), MD5 only: enough to place calls."""

import hashlib
import re
from collections.abc import Iterable

CNONCE = "bench"


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def parameter(challenge: str, name: str) -> str:
    """The value of an auth-param without its quotes, or an empty string."""
    found = re.search(rf'(?:^|[\s,]){name}\s*=\s*(?:"([^"]*)"|([^\s,]*))', challenge, re.IGNORECASE)
    return (found[1] or found[2] or "") if found else ""


def md5_challenge(challenges: Iterable[str]) -> str | None:
    """The first challenge that asks for MD5; a server may offer stronger ones before it (RFC 8760 §2.4)."""
    for challenge in challenges:
        if parameter(challenge, "algorithm").upper() in {"", "MD5"}:
            return challenge
    return None


def credentials(challenge: str, method: str, uri: str, user: str, password: str) -> str:
    """The value of the Authorization header that answers the challenge, for its first use."""
    realm, nonce = parameter(challenge, "realm"), parameter(challenge, "nonce")
    ha1, ha2 = _md5(f"{user}:{realm}:{password}"), _md5(f"{method}:{uri}")
    with_qop = "auth" in parameter(challenge, "qop").split(",")
    middle = f"00000001:{CNONCE}:auth:" if with_qop else ""
    response = _md5(f"{ha1}:{nonce}:{middle}{ha2}")
    value = f'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
    value += f'response="{response}", algorithm=MD5'
    if opaque := parameter(challenge, "opaque"):
        value += f', opaque="{opaque}"'
    return value + (f', qop=auth, nc=00000001, cnonce="{CNONCE}"' if with_qop else "")
