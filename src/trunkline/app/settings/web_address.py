"""How web addresses are written in the settings: URLs, the beginning of a path, hosts that are allowed."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator

from trunkline.app.addresses import is_host, is_ip
from trunkline.app.settings.values import wrong

_prefix = re.compile(r"(/[A-Za-z0-9._~-]+)+\Z").match
_mail = re.compile(r"mailto:[^\s@<>]+@[^\s@<>]+\Z").match
EVERY = "*"
_SCHEMES = ("sip:", "sips:", "http:", "https:")


def as_web_url(value: Any) -> str:
    """An http or https URL without user, query and fragment, and without a slash at its end."""
    return _url(value, 'a URL such as "https://voice.example.com"', ("https", "http"))


def as_socket_url(value: Any) -> str:
    """A ws or wss URL without user, query and fragment."""
    return _url(value, 'a URL such as "wss://bot.example.com/call"', ("wss", "ws"))


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


def as_allowed_domain(value: Any) -> str:
    """A domain, ``*.`` and a domain for all below it, or ``*`` for every public one."""
    expected = 'a domain such as "pbx.example.com", "*.example.com" for those below it, or "*" for every one'
    if value == EVERY or _is_allowed(value):
        return str(value).lower()
    raise wrong(expected, "without its scheme" if str(value).lower().startswith(_SCHEMES) else "")


def as_allowed_registrar(value: Any) -> str:
    """A host, ``*.`` and a domain for all below it, or a network."""
    expected = 'a host such as "sip.example.com" or "*.example.com", or a network such as "10.1.0.0/16"'
    if isinstance(value, str) and "/" in value:
        try:
            return str(ipaddress.ip_network(value))
        except ValueError as error:
            hint = "bits are set behind the prefix" if "host bits" in str(error) else ""
            raise wrong(expected, hint) from None
    if _is_allowed(value):
        return str(value).lower()
    raise wrong(expected, 'every one is "0.0.0.0/0" and "::/0"' if value == EVERY else "")


def _is_allowed(value: Any) -> bool:
    """A host, or one with ``*.`` in front, which no address can have."""
    bare = value.removeprefix("*.").strip("[]") if isinstance(value, str) else ""
    return is_host(bare) and (str(value)[:1] != "*" or not is_ip(bare))


def as_list(value: Any) -> Any:
    """A list; one alone will do."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple):
        raise wrong("a list of texts")
    return tuple(values)


WebUrl = Annotated[str, BeforeValidator(as_web_url)]
Issuer = Annotated[str, BeforeValidator(as_issuer)]
