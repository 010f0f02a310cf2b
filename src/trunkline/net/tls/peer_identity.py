"""Whether a peer's certificate is for the SIP domain that we wanted to reach (RFC 5922 §7)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.uri import bare_host, parse_uri


def proves(certificate: Mapping[str, Any] | None, name: str) -> bool:
    """Whether a verified certificate, as ``ssl`` tells it, is for ``name``: a SIP domain or an IP address.

    SIP URIs without a user name a domain; where there are none, DNS names do (RFC 5922 §7.1). The common
    name counts for a certificate without any alternative name.
    """
    if certificate is None:
        return False
    names: tuple[tuple[str, str], ...] = certificate.get("subjectAltName", ())
    address = _address(name)
    if address is not None:
        return any(kind == "IP Address" and _address(text) == address for kind, text in names)
    domain = name.rstrip(".").lower()
    domains = [host for kind, text in names if kind == "URI" and (host := _sip_domain(text))]
    if domains:
        return domain in domains
    hosts = [text for kind, text in names if kind == "DNS"] if names else _common_names(certificate)
    return any(fits(host, domain) for host in hosts)


def fits(pattern: str, host: str) -> bool:
    """Whether a host name of a certificate is ``host`` (both may differ in case).

    RFC 5922 §7.2 forbids "*"; it is taken as one leftmost label (RFC 6125 §6.4.3), because carriers have
    such certificates (``*.pstn.twilio.com``).
    """
    pattern, host = pattern.rstrip(".").lower(), host.rstrip(".").lower()
    if pattern == host:
        return True
    star, _, parent = pattern.partition(".")
    label, _, rest = host.partition(".")
    return star == "*" and "." in parent and bool(label) and rest == parent


def _sip_domain(uri: str) -> str:
    """The domain of ``sip:example.com``, "" for any URI that names no SIP domain."""
    try:
        parsed = parse_uri(uri)
    except RemoteProtocolError:
        return ""
    # RFC 5922 §7.1: a URI with a user is that user's identity; sips stands for nothing here.
    return bare_host(parsed.host) if parsed.scheme == "sip" and not parsed.raw_user else ""


def _common_names(certificate: Mapping[str, Any]) -> list[str]:
    subject: tuple[tuple[tuple[str, str], ...], ...] = certificate.get("subject", ())
    return [value for relative in subject for key, value in relative if key == "commonName"]


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(bare_host(text.strip()).partition("%")[0])
    except ValueError:
        return None
