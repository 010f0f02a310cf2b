"""A peer's description cut in two: the plain description that the call goes by, and how its packets are secured.

``plain_of`` turns ``RTP/SAVP`` with keys, or DTLS-SRTP as browsers speak it, into ``RTP/AVP`` without either, and
without the rows that only mean something to a browser. What cannot be understood stays as it is: its transport is
``srtp`` or ``dtls`` then, which nothing here carries.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple, TypeAlias

from trunkline.media.sdes import Crypto, best_of, complaint_of
from trunkline.media.streams import TRANSPORTS, Transport
from trunkline.proto.sdp import excerpt, parse_connection, tokens_of

Security: TypeAlias = Literal["plain", "sdes", "dtls"]
PLAIN_PROTOCOL: Final = "RTP/AVP"

# The rows of a secured section that end at us: keys and paths, and what only browsers among themselves understand.
_KEYED_ROWS: Final = ("a=crypto:",)
_BROWSER_ROWS: Final = (
    *_KEYED_ROWS, "a=fingerprint:", "a=setup:", "a=tls-id:", "a=ice-", "a=candidate:", "a=remote-candidates:",
    "a=end-of-candidates", "a=mid:", "a=bundle-only", "a=msid", "a=ssrc", "a=extmap", "a=rtcp-fb:", "a=rtcp-rsize",
    "a=rtcp-mux", "a=rtcp:", "a=rid:", "a=simulcast:", "a=transport-cc",
)  # fmt: skip
_BROWSER_HEAD: Final = (
    "a=group:", "a=fingerprint:", "a=setup:", "a=tls-id:", "a=ice-", "a=msid-semantic", "a=extmap", "a=identity:",
)  # fmt: skip
# RFC 8122 §5: the hashes that are checked, and how many octets they have.
_HASHES: Final = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_OCTETS: Final = re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2})*")
_ROLES: Final = frozenset({"", "actpass", "active", "passive"})
# RFC 8839 §5.4; some use more characters than it allows.
_UFRAG: Final = re.compile(r"\S{4,256}")
_PASSWORD: Final = re.compile(r"\S{22,256}")
# Nobody's name: a section whose path ICE finds has no address to send to before that.
_NOWHERE: Final = "IN IP4 path.by.ice"
_GROUP: Final = "a=group:BUNDLE "
_MAYBE: Final = re.compile(rb"SAVP|a=crypto:", re.IGNORECASE)


class Keyed(NamedTuple):
    """How a peer secures one of its streams: ``protocol`` as in its m-line.

    With ``sdes`` its ``crypto`` row is the one to take; with ``dtls`` there are the ``fingerprint`` and the ``setup``
    role of its side (actpass, active, passive), and with ICE ``ufrag`` and ``password``. ``mid``, ``mux`` and
    ``bundled`` as it says them. ``optional`` that it named keys beside plain RTP; ``rows`` is how many ``a=crypto`` it
    has; ``complaint`` says why keys that it names cannot be taken, without any of them.
    """

    security: Security
    protocol: str
    crypto: Crypto | None = None
    fingerprint: str = ""
    setup: str = ""
    ufrag: str = ""
    password: str = ""
    mid: str = ""
    mux: bool = False
    bundled: bool = False
    optional: bool = False
    rows: int = 0
    live: bool = True
    complaint: str = ""

    @property
    def transport(self) -> Transport:
        """What its m-line says, whatever became of it."""
        return transport_named(self.protocol)

    def __repr__(self) -> str:
        return f"Keyed({self.security}, {self.protocol})"


def may_be_secured(body: bytes) -> bool:
    """Whether a description says anything of encryption; a quick look."""
    return _MAYBE.search(body) is not None


def plain_of(text: str, *, optional: bool = False) -> tuple[str, list[Keyed]]:
    """The plain description and how each m-line was secured.

    ``optional``: keys beside plain RTP are taken too; otherwise they are dropped, and the stream stays plain.
    """
    rows = text.replace("\r\n", "\n").split("\n")
    head, sections = _cut([row for row in rows if row])
    plain: list[str] = []
    keyed: list[Keyed] = []
    for section in sections:
        kept, how = _section(section, head, optional=optional)
        plain += kept
        keyed.append(how)
    if any(how.security == "dtls" for how in keyed):
        head = [row for row in head if not row.startswith(_BROWSER_HEAD)]
    return "\r\n".join([*head, *plain, ""]), keyed


def _cut(rows: list[str]) -> tuple[list[str], list[list[str]]]:
    head: list[str] = []
    sections: list[list[str]] = []
    for row in rows:
        if row.startswith("m="):
            sections.append([row])
        elif sections:
            sections[-1].append(row)
        else:
            head.append(row)
    return head, sections


def transport_named(protocol: str) -> Transport:
    """The transport of a protocol token, in whatever case."""
    return TRANSPORTS.get(protocol) or TRANSPORTS.get(protocol.upper(), "other")


def _section(rows: list[str], head: list[str], *, optional: bool) -> tuple[list[str], Keyed]:
    # As ``proto.sdp`` cuts it, or the two would read different m-lines.
    parts = tokens_of(rows[0][2:])
    if len(parts) < 4:
        return rows, Keyed("plain", "")
    kind, port, protocol, *formats = parts
    transport = transport_named(protocol)
    live = port.partition("/")[0].strip("0") != ""
    kept = [row for row in rows[1:] if not row.startswith(_KEYED_ROWS)]
    plain = [_m_line(kind, port, formats, protocol), *kept] if transport == "rtp" else rows
    how = Keyed("plain", protocol, mid=_value("a=mid:", rows), live=live, rows=len(rows) - len(kept) - 1)
    if transport in {"srtp", "dtls"}:
        crypto = best_of(rows) if transport == "srtp" else None
        if crypto is not None:
            return [_m_line(kind, port, formats), *kept], how._replace(security="sdes", crypto=crypto)
        if transport == "dtls" or _has("a=fingerprint:", rows, head):
            return _of_browser(rows, head, how, (kind, port, formats))
        return plain, how._replace(complaint=complaint_of(rows) if live else "")
    if transport == "rtp" and optional and how.rows:
        crypto = best_of(rows)
        if crypto is not None:
            return plain, how._replace(security="sdes", crypto=crypto, optional=True)
        how = how._replace(complaint=complaint_of(rows))
    return plain, how


def _of_browser(
    rows: list[str], head: list[str], how: Keyed, line: tuple[str, str, list[str]]
) -> tuple[list[str], Keyed]:
    kind, port, formats = line
    groups = [row[len(_GROUP) :].split() for row in head if row.startswith(_GROUP)]
    how = how._replace(
        fingerprint=_fingerprint(rows, head),
        setup=_value("a=setup:", rows, head).lower(),
        ufrag=_value("a=ice-ufrag:", rows, head),
        password=_value("a=ice-pwd:", rows, head),
        mux=any(row.rstrip(" ") == "a=rtcp-mux" for row in rows),
        bundled=any(how.mid in group for group in groups),
    )
    complaint = _complaint_of(how)
    if complaint:
        return rows, how._replace(complaint=complaint if how.live else "")
    if kind.lower() != "audio":
        port, how = "0", how._replace(live=False)  # a bundle is one port, and it is the sound's
    kept = [row for row in rows[1:] if not row.startswith(_BROWSER_ROWS)]
    if how.ufrag:
        kept = _with_place(kept, rows, head)
    return [_m_line(kind, port, formats), *kept], how._replace(security="dtls")


def _complaint_of(how: Keyed) -> str:
    """Why DTLS-SRTP cannot be had with this; "" when it can."""
    if not how.fingerprint:
        return f"no a=fingerprint that can be checked, expected one of {', '.join(_HASHES)}"
    if how.setup not in _ROLES:
        return f"a=setup is {excerpt(how.setup)}, expected actpass, active or passive"
    if not (how.ufrag or how.password):
        return ""
    if _UFRAG.fullmatch(how.ufrag) is None or _PASSWORD.fullmatch(how.password) is None:
        return "a=ice-ufrag or a=ice-pwd is missing or malformed (RFC 8839 §5.4)"
    return ""


def _with_place(kept: list[str], rows: list[str], head: list[str]) -> list[str]:
    """A browser that has not looked for its addresses yet says 0.0.0.0: that is no hold (RFC 8839 §4.3.1)."""
    stated = _value("c=", rows, head)
    connection = parse_connection(stated) if stated else None
    if connection is not None and not connection.zero and connection.kind != "name":
        return kept
    kept = [row for row in kept if not row.startswith("c=")]
    place = 1 if kept and kept[0].startswith("i=") else 0
    return [*kept[:place], f"c={_NOWHERE}", *kept[place:]]


def _m_line(kind: str, port: str, formats: list[str], protocol: str = PLAIN_PROTOCOL) -> str:
    return " ".join([f"m={kind}", port, protocol, *formats])


def _has(name: str, *places: list[str]) -> bool:
    return any(row.startswith(name) for rows in places for row in rows)


def _fingerprint(rows: list[str], head: list[str]) -> str:
    """The one with the best known hash: the section's, else the session's (RFC 8122 §5)."""
    for where in (rows, head):
        found = {
            row[14:].split(" ")[0].lower(): row[14:].strip()
            for row in where
            if row.startswith("a=fingerprint:")
        }
        for name, octets in _HASHES.items():
            digest = found.get(name, "").partition(" ")[2].strip().upper()
            if len(digest) == 3 * octets - 1 and _OCTETS.fullmatch(digest):
                return f"{name} {digest}"
    return ""


def _value(name: str, *places: list[str]) -> str:
    for rows in places:
        for row in rows:
            if row.startswith(name):
                return row[len(name) :].strip()
    return ""
