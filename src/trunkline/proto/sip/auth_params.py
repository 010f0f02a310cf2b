"""``name=value`` lists of authentication headers (RFC 3261 §25.1 digest-cln, RFC 7235 §2.1 auth-param).

Each REGISTER pays for this. Cut at the quotes, such a list is an alternation of quoted values, which are new
in each message, and of what links them, such as ``, algorithm=MD5, cnonce=``, which is the same from each
phone of a kind: links are parsed once and then come from a cache.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, TypeAlias

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.grammar import QUOTED, TOKEN, WHITE, unquote

MAX_PARAMS: Final = 64
_CACHED_LENGTH: Final = 64

# The unquoted parameters of a link, and the name of the quoted one that follows ("" at the end).
_Link: TypeAlias = tuple[tuple[tuple[str, str], ...], str]

_scheme = re.compile(rf"[ \t]*+({TOKEN})[ \t]++").match
_name = re.compile(rf"[ \t,]*+({TOKEN})[ \t]*+=[ \t]*+").match
_plain = re.compile(r'([^\x00-\x20\x7f,"]++)[ \t]*+(?=,|\Z)').match
_quoted = re.compile(rf"({QUOTED})[ \t]*+(?=,|\Z)", re.DOTALL).match


def split_scheme(value: str) -> tuple[str, str]:
    """``(scheme in lower case, rest)`` of a challenge or of credentials; the rest may be empty."""
    match = _scheme(value)
    if match is None:
        return value.strip(WHITE).lower(), ""
    return match[1].lower(), value[match.end() :]


def parse_auth_params(text: str) -> dict[str, str]:
    """The parameters with names in lower case, values unquoted.

    Raises RemoteProtocolError for anything that is no parameter, for a name that occurs twice (which response
    would count?) and for more than 64. What was wrong is not repeated: it may be a credential.
    """
    if "\\" in text:
        return _parse_escaped(text)
    pieces = text.split('"')
    last = len(pieces) - 1
    if last > 2 * MAX_PARAMS or last & 1:
        raise RemoteProtocolError("authentication parameters with a quote not closed, or too many")
    params: dict[str, str] = {}
    expected = last >> 1
    name = ""
    for at in range(0, last + 1, 2):
        link = pieces[at]
        plain, name = _cached_link(link) if len(link) <= _CACHED_LENGTH else _parse_link(link)
        if plain:
            params.update(plain)
            expected += len(plain)
        if at < last:
            params[name] = pieces[at + 1]
    if name or "" in params or len(params) != expected:
        raise RemoteProtocolError("authentication parameter without a value, without a name or given twice")
    return params


def _parse_link(text: str) -> _Link:
    plain: list[tuple[str, str]] = []
    at = 0
    while match := _name(text, at):
        name = match[1].lower()
        at = match.end()
        value = _plain(text, at)
        if value is None:
            if at < len(text):
                raise _malformed(len(plain))
            return tuple(plain), name
        plain.append((name, value[1]))
        at = value.end()
    if text[at:].strip(" \t,"):
        raise _malformed(len(plain))
    return tuple(plain), ""


_cached_link = lru_cache(maxsize=1024)(_parse_link)


def _parse_escaped(text: str) -> dict[str, str]:
    params: dict[str, str] = {}
    at = 0
    while match := _name(text, at):
        value = _quoted(text, match.end()) or _plain(text, match.end())
        name = match[1].lower()
        if value is None or name in params or len(params) >= MAX_PARAMS:
            raise _malformed(len(params))
        params[name] = unquote(value[1])
        at = value.end()
    if text[at:].strip(" \t,"):
        raise _malformed(len(params))
    return params


def _malformed(before: int) -> RemoteProtocolError:
    return RemoteProtocolError(f"malformed authentication parameter after {before} others")
