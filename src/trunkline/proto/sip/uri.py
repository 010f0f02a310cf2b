"""SIP, SIPS and tel URIs (RFC 3261 §19.1, RFC 3966); every other scheme is kept as text.

A parsed URI never changes: ``parse_uri`` hands the same object to everybody who asks for the same text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.escapes import escape_user, has_bad_escape, unescape
from trunkline.proto.sip.grammar import excerpt, parse_parameters, render_parameters

# RFC 3261 §25.1 host, with the underscore that real names have. IPv6 references are not checked further:
# RFC 5118 §4.10 asks to tolerate three colons.
HOST: Final = r"[A-Za-z0-9._-]++|\[[0-9A-Fa-f:.]++\]"
# White space, controls, brackets and quotes would let a URI out of its <> or its line: nowhere in a URI.
_NEVER: Final = r'\x00-\x20\x7f<>"'
_CACHED_LENGTH: Final = 128
_NO_PARAMS: Final[Mapping[str, str | None]] = MappingProxyType({})

_scheme = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*+):").match
# RFC 3261 §25.1: [ userinfo ] hostport uri-parameters [ headers ]. The user part may hold ; and ? itself, but
# no unescaped @, so the first @ ends it.
_sip = re.compile(
    rf"(?:([^{_NEVER}@:]++)(?::([^{_NEVER}@]*+))?@)?"
    rf"({HOST})(?::([0-9]{{1,5}}))?(;[^{_NEVER}?]*+)?+(?:\?([^{_NEVER}]*+))?\Z"
).match
# RFC 3966 §3: global or local number digits with visual separators, then parameters.
_tel = re.compile(rf"([0-9A-Fa-f*#().+-]++)(;[^{_NEVER}?]*+)?+\Z").match
_opaque = re.compile(rf"[^{_NEVER}]++\Z").match


class Target(NamedTuple):
    """Where to send: host name or address without brackets, port or None, transport in lower case."""

    host: str
    port: int | None
    transport: str


class SipUri:
    """A URI: ``scheme`` in lower case; the rest depends on it.

    sip and sips: ``raw_user`` as written ("" when there is none), ``user`` with escapes undone, ``password``,
    ``host`` in lower case with IPv6 in brackets, ``port`` 0..65535 or None, ``params`` with names in lower
    case and escapes undone, ``headers`` the text after "?". tel: ``user`` is the number with its visual
    separators, ``params`` as above. Others: ``opaque`` is what follows the scheme.
    """

    __slots__ = (
        "headers",
        "host",
        "opaque",
        "params",
        "password",
        "port",
        "raw_user",
        "scheme",
        "text",
        "user",
    )

    def __init__(
        self,
        scheme: str,
        raw_user: str,
        host: str,
        port: int | None = None,
        params: Mapping[str, str | None] = _NO_PARAMS,
        *,
        password: str = "",
        headers: str = "",
        opaque: str = "",
        text: str = "",
    ) -> None:
        self.scheme: Final = scheme
        self.raw_user: Final = raw_user
        self.user: Final = unescape(raw_user)
        self.password: Final = password
        self.host: Final = host
        self.port: Final = port
        self.params: Final = params
        self.headers: Final = headers
        self.opaque: Final = opaque
        self.text: Final = text or self._render()

    @classmethod
    def sip(
        cls, user: str, host: str, port: int | None = None, params: dict[str, str | None] | None = None
    ) -> SipUri:
        """A new sip URI; ``user`` is plain text and escaped here, IPv6 hosts get their brackets."""
        if ":" in host and host[0] != "[":
            host = f"[{host}]"
        return cls("sip", escape_user(user), host.lower(), port, MappingProxyType(dict(params or {})))

    @property
    def is_sip(self) -> bool:
        """Whether the scheme is sip or sips."""
        return self.scheme in {"sip", "sips"}

    @property
    def aor(self) -> str:
        """``user@host`` with escapes undone and without port and parameters (RFC 3261 §10.3, step 5)."""
        return f"{self.user}@{self.host}" if self.raw_user else self.host

    @property
    def target(self) -> Target:
        """Where RFC 3263 §4 begins: maddr before host, the transport asked for, else udp, for sips tls."""
        transport = (self.params.get("transport") or "udp").lower()
        if self.scheme == "sips":
            # RFC 3261 §26.2.2: sips asks for TLS whatever transport carries it.
            transport = "wss" if transport in {"ws", "wss"} else "tls"
        return Target(bare_host(self.params.get("maddr") or self.host), self.port, transport)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"SipUri({self.text!r})"

    def _render(self) -> str:
        if not self.host:
            return f"{self.scheme}:{self.raw_user or self.opaque}{render_parameters(dict(self.params))}"
        password = f":{self.password}" if self.password else ""
        user = f"{self.raw_user}{password}@" if self.raw_user else ""
        port = "" if self.port is None else f":{self.port}"
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{user}{self.host}{port}{render_parameters(dict(self.params))}{headers}"


def bare_host(host: str) -> str:
    """``host`` without the brackets of an IPv6 reference, as sockets and resolvers want it."""
    return host[1:-1] if host[:1] == "[" and host[-1:] == "]" else host


def is_sips(uri: str) -> bool:
    """Whether a URI asks for TLS on every hop (RFC 3261 §26.2.2), told without parsing it."""
    return uri[:5].lower() == "sips:"


def parse_uri(text: str) -> SipUri:
    """The URI that ``text`` is, without ``<>``; short ones come from a cache of 1024.

    Raises RemoteProtocolError for white space, quotes, a malformed host, port or escape, an empty user before
    "@" or no scheme; a scheme that is not known is no error (RFC 4475 §3.3.3).
    """
    return _parse_cached(text) if len(text) <= _CACHED_LENGTH else _parse(text)


def _parse(text: str) -> SipUri:
    match = _scheme(text)
    if match is None:
        raise RemoteProtocolError(f"no URI: {excerpt(text)}")
    scheme = match[1].lower()
    rest = text[match.end() :]
    if scheme in {"sip", "sips"}:
        return _parse_sip(scheme, rest, text)
    if scheme == "tel":
        return _parse_tel(rest, text)
    if _opaque(rest) is None:
        raise RemoteProtocolError(f"malformed URI {excerpt(text)}")
    return SipUri(scheme, "", "", opaque=rest, text=text)


_parse_cached = lru_cache(maxsize=1024)(_parse)


def _parse_sip(scheme: str, rest: str, text: str) -> SipUri:
    match = _sip(rest)
    if match is None:
        raise RemoteProtocolError(f"malformed {scheme} URI {excerpt(text)}")
    user, password, host, digits, params, headers = match.groups("")
    if has_bad_escape(user):
        raise RemoteProtocolError(f"malformed escape in {excerpt(text)}")
    port = int(digits) if digits else None
    if port is not None and port > 65535:
        raise RemoteProtocolError(f"port beyond 65535 in {excerpt(text)}")
    return SipUri(
        scheme, user, host.lower(), port, _parse_params(params), password=password, headers=headers, text=text
    )


def _parse_tel(rest: str, text: str) -> SipUri:
    match = _tel(rest)
    if match is None:
        raise RemoteProtocolError(f"malformed tel URI {excerpt(text)}")
    return SipUri("tel", match[1], "", params=_parse_params(match[2] or ""), text=text)


def _parse_params(text: str) -> Mapping[str, str | None]:
    if not text:
        return _NO_PARAMS
    params = parse_parameters(text)
    if "%" in text:
        # RFC 4475 §3.1.1.3: undone once, in names as well.
        params = {
            unescape(name).lower(): None if value is None else unescape(value)
            for name, value in params.items()
        }
    return MappingProxyType(params)
