"""How web addresses are written in the settings: URLs, the beginning of a path, hosts that are allowed."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator

from trunkline.app.addresses import is_host, is_ip, parse_host_port
from trunkline.app.settings.values import wrong

_prefix = re.compile(r"(/[A-Za-z0-9._~-]+)+\Z").match
_mail = re.compile(r"mailto:[^\s@<>]+@[^\s@<>]+\Z").match
_SCHEMES = ("sip:", "sips:", "http:", "https:")


def as_web_url(value: Any) -> str:
    """An http or https URL without user, query and fragment, and without a slash at its end."""
    return _url(value, 'a URL such as "https://voice.example.com"', ("https", "http"))


def as_issuer(value: Any) -> str:
    """An issuer's URL as it writes it: a slash at its end is part of its name (OpenID Connect Core §2)."""
    _url(value, 'the URL of an issuer such as "https://login.example.com"', ("https", "http"))
    return str(value)


def as_proxy(value: Any) -> str:
    """The proxy's own URL; its user and password stand in settings of their own."""
    text = _url(value, 'the URL of a proxy such as "http://proxy.example.com:3128"', ("http",))
    if urlsplit(text).path:
        raise wrong('the URL of a proxy such as "http://proxy.example.com:3128"', "without a path")
    return text


def _url(value: Any, expected: str, schemes: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value.split() != [value] or not value.isascii():
        raise wrong(expected)
    parts = _split(value, expected)
    if parts.scheme not in schemes:
        raise wrong(expected, f"it begins with {' or '.join(f'{one}://' for one in schemes)}")
    if not parts.hostname or not is_host(parts.hostname):
        raise wrong(expected, "its host is missing or is none")
    if parts.username is not None or parts.password is not None:
        raise wrong(expected, "without a user and a password", seen="a URL with a user in it")
    if parts.query or parts.fragment:
        raise wrong(expected, "without ? and #")
    return value.rstrip("/")


def _split(value: str, expected: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018  (asking for it is what raises)
    except ValueError as error:
        raise wrong(expected, str(error)) from None
    return parts


def as_listen(value: Any) -> str:
    """``host:port`` or ``off``."""
    expected = 'HOST:PORT such as "0.0.0.0:8080", or "off"'
    if value is False or value == "off":
        return "off"
    if not isinstance(value, str):
        raise wrong(expected)
    try:
        address = parse_host_port(value)
    except ValueError as error:
        raise wrong(expected, str(error)) from None
    if address.port is None:
        raise wrong(expected, "the port is missing")
    return str(address)


def as_prefix(value: Any) -> str:
    """What stands in front of every path, without a slash at its end; "" for nothing."""
    expected = 'the beginning of a path such as "/voice"'
    if not isinstance(value, str):
        raise wrong(expected)
    text = value.rstrip("/")
    if text and not _prefix(text):
        raise wrong(expected, "" if text.startswith("/") else "it begins with /")
    return text


def as_contact(value: Any) -> str:
    """Whom a push service writes to (RFC 8292 §2.1)."""
    expected = 'whom push services may write to: "mailto:you@example.com", or an https URL'
    if isinstance(value, str) and (
        _mail(value) or (value.startswith("https://") and value.split() == [value])
    ):
        return value
    hint = "with mailto: in front" if isinstance(value, str) and _mail(f"mailto:{value}") else ""
    raise wrong(expected, hint)


def as_allowed_host(value: Any) -> str:
    """A host or domain, or ``*.`` and a domain for all below it."""
    expected = 'a name such as "pbx.example.com", or "*.example.com" for those below it'
    bare = value.removeprefix("*.") if isinstance(value, str) else ""
    if not is_host(bare.strip("[]")) or (bare != value and is_ip(bare.strip("[]"))):
        raise wrong(expected, "without its scheme" if bare.lower().startswith(_SCHEMES) else "")
    return str(value).lower()


def as_list(value: Any) -> Any:
    """A list; one alone will do."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple):
        raise wrong("a list of texts")
    return tuple(values)


WebUrl = Annotated[str, BeforeValidator(as_web_url)]
Issuer = Annotated[str, BeforeValidator(as_issuer)]
