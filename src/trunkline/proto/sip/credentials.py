"""Authorization and Proxy-Authorization: what a client claims (RFC 3261 §20.7, RFC 7616 §3.4)."""

from __future__ import annotations

import re

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.auth_params import parse_auth_params, split_scheme
from trunkline.proto.sip.digest import algorithm_name
from trunkline.proto.sip.escapes import has_bad_escape, unescape

# RFC 7616 §3.4: nc-value = 8LHEX; fewer digits are tolerated.
_nc = re.compile(r"[0-9A-Fa-f]{1,8}\Z").match


class Credentials:
    """Digest credentials. ``nc`` is the text that was hashed, ``count`` its number (0 without qop).

    ``algorithm`` is the canonical name where known, MD5 when not given; ``qop`` is "" for a client of RFC
    2069; ``userhash`` tells that ``username`` is a hash. Never shown by repr: a response can be attacked
    off line.
    """

    __slots__ = (
        "algorithm",
        "cnonce",
        "count",
        "nc",
        "nonce",
        "opaque",
        "qop",
        "realm",
        "response",
        "uri",
        "userhash",
        "username",
    )

    def __init__(
        self,
        username: str,
        realm: str,
        nonce: str,
        uri: str,
        response: str,
        algorithm: str = "MD5",
        qop: str = "",
        nc: str = "",
        count: int = 0,
        cnonce: str = "",
        opaque: str = "",
        userhash: bool = False,
    ) -> None:
        self.username = username
        self.realm = realm
        self.nonce = nonce
        self.uri = uri
        self.response = response
        self.algorithm = algorithm
        self.qop = qop
        self.nc = nc
        self.count = count
        self.cnonce = cnonce
        self.opaque = opaque
        self.userhash = userhash

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r}, realm={self.realm!r}, algorithm={self.algorithm!r})"


def parse_credentials(value: str) -> Credentials | None:
    """One Authorization value; None for a scheme other than Digest (RFC 4475 §3.3.7: as if there were none).

    Raises RemoteProtocolError when a parameter is malformed, missing or given twice.
    """
    if value.startswith("Digest "):
        params = parse_auth_params(value[7:])
    else:
        scheme, rest = split_scheme(value)
        if scheme != "digest":
            return None
        params = parse_auth_params(rest)
    try:
        realm, nonce, uri, response = params["realm"], params["nonce"], params["uri"], params["response"]
    except KeyError as missing:
        raise RemoteProtocolError(f"digest credentials without {missing.args[0]}") from None
    get = params.get
    username = get("username")
    if username is None:
        username = _extended_username(get("username*"))
    qop = get("qop", "")
    nc = get("nc", "")
    cnonce = get("cnonce", "")
    if qop and ("cnonce" not in params or _nc(nc) is None):
        raise RemoteProtocolError("digest credentials with qop but without a proper nc and cnonce")
    if not response.isascii():
        raise RemoteProtocolError("digest response is not hexadecimal")
    return Credentials(
        username,
        realm,
        nonce,
        uri,
        response.lower(),
        algorithm_name(get("algorithm", "MD5")),
        qop,
        nc,
        int(nc, 16) if qop else 0,
        cnonce,
        get("opaque", ""),
        "userhash" in params and params["userhash"].lower() == "true",
    )


def find_credentials(value: str | None, realm: str) -> Credentials | None:
    """The credentials for ``realm`` among all Authorization values, else the first digest ones, else None."""
    if value is None:
        return None
    if "\n" not in value:
        return parse_credentials(value)
    found = [
        credentials for line in value.split("\n") if (credentials := parse_credentials(line)) is not None
    ]
    return next((each for each in found if each.realm == realm), found[0] if found else None)


def _extended_username(value: str | None) -> str:
    """RFC 7616 §3.4, RFC 8187: ``UTF-8''`` and percent-escapes."""
    if value is None:
        raise RemoteProtocolError("digest credentials without username")
    charset, quote, rest = value.partition("'")
    _, second, encoded = rest.partition("'")
    if charset.lower() != "utf-8" or not quote or not second or has_bad_escape(encoded):
        raise RemoteProtocolError("malformed username* in digest credentials")
    return unescape(encoded)
