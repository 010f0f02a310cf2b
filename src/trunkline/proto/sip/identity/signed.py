"""The Identity header (RFC 8224 §4): a PASSporT and where its certificate is."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.grammar import parse_parameters, split_list

MAX_IDENTITIES: Final = 8
MAX_URL: Final = 1024

# RFC 8224 §4: ident-info = "info" EQUAL ident-info-uri, within <>, which no other parameter is.
_info = re.compile(r';[ \t]*+info[ \t]*+=[ \t]*+<([^\x00-\x20\x7f<>"]++)>', re.IGNORECASE).search


class Identity(NamedTuple):
    """One Identity: the ``token``, in full or compact form, the certificate's URL ``info``, ``alg`` and ``ppt``."""

    token: str
    info: str
    alg: str = "ES256"
    ppt: str = ""

    def __str__(self) -> str:
        ppt = f';ppt="{self.ppt}"' if self.ppt else ""
        return f"{self.token};info=<{self.info}>;alg={self.alg}{ppt}"


def parse_identities(value: str) -> list[Identity]:
    """All Identity headers of a message, in order (rule T-35: there may be several).

    Raises RemoteProtocolError: 438 for one that is malformed, or for more than ``MAX_IDENTITIES``, 436 for one
    without a URL (RFC 8224 §6.2.2).
    """
    try:
        elements = split_list(value)
    except RemoteProtocolError as error:
        raise RemoteProtocolError(error.reason, 438) from error
    if len(elements) > MAX_IDENTITIES:
        raise RemoteProtocolError(f"{len(elements)} identities, at most {MAX_IDENTITIES} are read", 438)
    return [_parse(element) for element in elements]


def _parse(element: str) -> Identity:
    token, semicolon, rest = element.partition(";")
    text = semicolon + rest
    info = _info(text)
    if info is None or len(info[1]) > MAX_URL:
        raise RemoteProtocolError("Identity without the URL of its certificate", 436)
    try:
        params = parse_parameters(text[: info.start()] + text[info.end() :])
    except RemoteProtocolError as error:
        raise RemoteProtocolError(error.reason, 438) from error
    return Identity(token.strip(" \t"), info[1], params.get("alg") or "ES256", params.get("ppt") or "")
