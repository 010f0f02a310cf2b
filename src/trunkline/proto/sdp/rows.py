"""A body as its rows: bounds, line ends, and excerpts that are safe to show.

    session-description = version-field origin-field ... *media-description
    field               = type "=" value CRLF                       RFC 8866 §5 and §9

Deviations, each because peers send it: a bare LF ends a row too (RFC 8866 §5 asks parsers to accept it),
empty rows are skipped (some phones end the body with one), a row that is not ``<type>=`` is kept as it is.
"""

from __future__ import annotations

from trunkline.base.errors import RemoteProtocolError

MAX_BODY = 65_535  # characters: a body never outgrows the largest UDP datagram
MAX_ROWS = 1_024
MAX_MEDIA = 32
MAX_FORMATS = 128  # an RTP payload type has seven bits

_EXCERPT = 40


def excerpt(text: str) -> str:
    """The first 40 characters of the peer's text, quoted, printable ASCII only: fit for answers and logs."""
    shown = "".join(c if " " <= c <= "~" else "?" for c in text[:_EXCERPT])
    return f"'{shown}...'" if len(text) > _EXCERPT else f"'{shown}'"


def text_of(body: str | bytes) -> str:
    """The body as text; bytes that are not UTF-8 survive as surrogates and leave unchanged."""
    return body.decode("utf-8", "surrogateescape") if isinstance(body, bytes | bytearray) else body


def rows_of(body: str | bytes) -> list[str]:
    """The rows of a body without their line ends and without empty rows.

    Raises RemoteProtocolError 400 when the body is larger than ``MAX_BODY``, has more than ``MAX_ROWS``
    rows, holds a NUL or a carriage return inside a row, or does not begin with ``v=0``.
    """
    text = text_of(body)
    if len(text) > MAX_BODY:
        raise RemoteProtocolError(f"SDP of {len(text)} characters, expected at most {MAX_BODY}")
    unified = text.replace("\r\n", "\n")
    # RFC 8866 §9 excludes both from byte-string; a peer that takes CR for a line end would read another body.
    if "\0" in unified or "\r" in unified:
        raise RemoteProtocolError("SDP holds a NUL or a carriage return within a line")
    rows = [row for row in unified.split("\n") if row]
    if len(rows) > MAX_ROWS:
        raise RemoteProtocolError(f"SDP of {len(rows)} lines, expected at most {MAX_ROWS}")
    if not rows or rows[0].rstrip(" ") != "v=0":
        raise RemoteProtocolError(f"SDP begins with {excerpt(rows[0] if rows else '')}, expected 'v=0'")
    return rows


def tokens_of(value: str) -> list[str]:
    """The tokens of a value; several spaces count as one."""
    return [token for token in value.split(" ") if token]


def number_of(token: str, ceiling: int) -> int | None:
    """A decimal number 0..``ceiling``, or None when the token is anything else."""
    if not token.isascii() or not token.isdigit() or len(token) > 20:
        return None
    number = int(token)
    return number if number <= ceiling else None


def first_of(rows: list[str], kind: str) -> str | None:
    """The value of the first row of the type, such as ``"c="``; None without one."""
    for row in rows:
        if row.startswith(kind):
            return row[len(kind) :]
    return None
