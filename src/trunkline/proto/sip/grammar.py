"""The small grammar that all header values share: tokens, quoted strings, lists and parameters.

A value is one ``str``, unfolded; the values of a repeated header stand in one ``str``, apart by a line feed.
White space is SP and HTAB alone: ``str.strip()`` and ``\\s`` would also eat what Unicode calls white space,
and two elements that disagree about that can be played off against each other. All patterns are possessive,
so that no hostile value costs more than linear time.
"""

from __future__ import annotations

import re
from typing import Final

from trunkline.base.errors import RemoteProtocolError

WHITE: Final = " \t"
# RFC 3261 §25.1: token = 1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~")
TOKEN: Final = r"[A-Za-z0-9.!%*_+`'~-]++"  # noqa: S105  (a pattern)
# RFC 3261 §25.1: quoted-string = SWS DQUOTE *(qdtext / quoted-pair) DQUOTE. Control characters other than the
# line feed are let through, as RFC 4475 §3.1.1.2 sends them.
QUOTED: Final = r'"(?:[^"\\\n]++|\\[^\n])*+"'
# RFC 3261 §25.1: gen-value = token / host / quoted-string. Wider here, because tags with "/" or "@" and
# base64 with "=" are in use; what could end the value or hide in a log is excluded.
VALUE: Final = r'[^\x00-\x20\x7f;,"<>]++'

_is_token = re.compile(rf"{TOKEN}\Z").match
_is_plain_value = re.compile(r"[A-Za-z0-9.!%*_+`'~:\[\]-]++\Z").match
_list_element = re.compile(rf'(?:[^",<\n]++|{QUOTED}|<[^<>\n]*+>)*+').match
_plain_parameters = re.compile(rf"(?:;{TOKEN}(?:={VALUE})?+)*+\Z").match
_parameter = re.compile(rf"[ \t]*+;[ \t]*+({TOKEN})[ \t]*+(?:=[ \t]*+({QUOTED}|{VALUE})?+[ \t]*+)?+").match
_last_semicolon = re.compile(r"[ \t]*+;?+[ \t]*+\Z").match
_escaped = re.compile(r"\\(.)", re.DOTALL)
_unquotable = re.compile(r"[\r\n\x00]")


def excerpt(text: str) -> str:
    """A short printable piece of what the peer sent, for the reason of an error."""
    shown = ascii(text[:40])
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def is_token(text: str) -> bool:
    """Whether ``text`` is a non-empty token (RFC 3261 §25.1)."""
    return _is_token(text) is not None


def quote(text: str) -> str:
    """``text`` as a quoted string; CR, LF and NUL become spaces, so that no value can add a header line."""
    if _unquotable.search(text):
        text = _unquotable.sub(" ", text)
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def unquote(text: str) -> str:
    """The content of a quoted string with its escapes undone; text that is not quoted stays as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    inner = text[1:-1]
    return _escaped.sub(r"\1", inner) if "\\" in inner else inner


def split_list(value: str) -> list[str]:
    """The elements of a comma list, in order, each stripped; commas in quotes and in ``<>`` do not separate.

    Empty elements are skipped: ``Supported:`` is a list of none, and a last comma too much harms nobody.
    Raises RemoteProtocolError for a quote or bracket that is not closed.
    """
    if "," not in value and "\n" not in value:
        element = value.strip(WHITE)
        return [element] if element else []
    if '"' in value or "<" in value:
        elements = _split_quoted(value)
    else:
        elements = [element.strip(WHITE) for element in value.replace("\n", ",").split(",")]
    return [element for element in elements if element] if "" in elements else elements


def first_element(value: str, start: int = 0) -> tuple[str, int]:
    """The list element that begins at ``start``, stripped, and the offset of the separator or end behind it.

    Raises RemoteProtocolError for a quote or bracket that is not closed.
    """
    match = _list_element(value, start)
    end = match.end() if match else start
    if end < len(value) and value[end] not in ",\n":
        raise RemoteProtocolError(f"quote or bracket not closed in {excerpt(value[end:])}")
    return value[start:end].strip(WHITE), end


def parse_parameters(text: str) -> dict[str, str | None]:
    """``;name=value;name`` as a dict in order: names in lower case, values unquoted, None without ``=``.

    The first semicolon may be missing, one last semicolon may stand too much; white space around ``;`` and
    ``=`` is skipped (RFC 3261 §7.3.1, RFC 4475 §3.1.1.1). Of a name that occurs twice the first counts.
    Raises RemoteProtocolError for anything else.
    """
    parameters: dict[str, str | None] = {}
    if not text:
        return parameters
    if _plain_parameters(text) is None:
        return _parse_spaced_parameters(text)
    for part in text[1:].split(";"):
        name, equals, value = part.partition("=")
        parameters.setdefault(name.lower(), value if equals else None)
    return parameters


def render_parameters(parameters: dict[str, str | None]) -> str:
    """``;name=value`` for each, quoted where the value is no token or host."""
    text = ""
    for name, value in parameters.items():
        if value is None:
            text += f";{name}"
        elif _is_plain_value(value):
            text += f";{name}={value}"
        else:
            text += f";{name}={quote(value)}"
    return text


def _split_quoted(value: str) -> list[str]:
    elements = []
    end = -1
    while end < len(value):
        element, end = first_element(value, end + 1)
        elements.append(element)
    return elements


def _parse_spaced_parameters(text: str) -> dict[str, str | None]:
    if text.lstrip(WHITE)[:1] not in {";", ""}:
        text = ";" + text
    parameters: dict[str, str | None] = {}
    at = 0
    while match := _parameter(text, at):
        value: str | None = match[2]
        if value is not None:
            value = unquote(value)
        elif "=" in match[0]:
            value = ""
        parameters.setdefault(match[1].lower(), value)
        at = match.end()
    if _last_semicolon(text, at) is None:
        raise RemoteProtocolError(f"malformed parameter {excerpt(text[at:])}")
    return parameters
