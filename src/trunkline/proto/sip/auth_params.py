"""``name=value`` lists of authentication headers (RFC 3261 §25.1 digest-cln, RFC 7235 §2.1 auth-param).

Each REGISTER pays for this. Cut at the quotes, such a list is an alternation of quoted values, which are new
in each message, and of what links them, such as ``, algorithm=MD5, cnonce=``, which is the same from each
phone of a kind. All links together are the shape of a list: it is parsed once and then comes from a cache.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, TypeAlias

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.grammar import QUOTED, TOKEN, WHITE, unquote

MAX_PARAMS: Final = 64
_CACHED_LENGTH: Final = 256

# The unquoted parameters of a link, and the name of the quoted one that follows ("" at the end).
_Link: TypeAlias = tuple[list[tuple[str, str]], str]
# The names of the quoted parameters in their order, and all unquoted ones.
_Shape: TypeAlias = tuple[tuple[str, ...], dict[str, str]]

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
    if not len(pieces) & 1 or len(pieces) > 2 * MAX_PARAMS + 1:
        raise RemoteProtocolError("authentication parameters with a quote not closed, or too many")
    links = '"'.join(pieces[::2])
    names, plain = _cached_shape(links) if len(links) <= _CACHED_LENGTH else _parse_shape(links)
    params = dict(zip(names, pieces[1::2], strict=True))
    params.update(plain)
    return params


def _parse_shape(links: str) -> _Shape:
    """What links say; they stand apart by the quotes that cannot occur in them."""
    plain: list[tuple[str, str]] = []
    names: list[str] = []
    for link in links.split('"'):
        some, name = _parse_link(link)
        plain += some
        names.append(name)
    ends = names.pop()
    known = {*names, *(name for name, _ in plain)}
    if ends or "" in known or len(known) != len(names) + len(plain):
        raise RemoteProtocolError("authentication parameter without a value, without a name or given twice")
    return tuple(names), dict(plain)


_cached_shape = lru_cache(maxsize=1024)(_parse_shape)


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
            return plain, name
        plain.append((name, value[1]))
        at = value.end()
    if text[at:].strip(" \t,"):
        raise _malformed(len(plain))
    return plain, ""


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
