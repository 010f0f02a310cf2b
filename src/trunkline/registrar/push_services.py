"""Which push services a phone may register with, and what its 200 says of them (RFC 8599 §4.1, §5.6.1, §8)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from trunkline.proto.sip.message import Request
from trunkline.proto.sip.name_addr import parse_contacts
from trunkline.proto.sip.uri import parse_uri
from trunkline.push.notification import Service
from trunkline.registrar.push_parameters import (
    PROVIDERS,
    PushNotSupportedError,
    PushParameters,
    has_push,
    push_parameters,
)

# RFC 8599 §8.4: what the phone is told when it can wake itself.
DEFAULT_PNSREG_S: Final = 130
_pns = re.compile(r'\+sip\.pns="([^"]*)"', re.IGNORECASE)
_pnsreg = re.compile(r";\+?sip\.pnsreg(?=[;=,\s]|\Z)", re.IGNORECASE)
_legacy = ("pn-type", "pn-tok", "app-id")


@dataclass(frozen=True, slots=True)
class PushServices:
    """``offered`` are those with a provider that is configured; with none we are as if we knew no RFC 8599.

    ``vapid`` is our public key for webpush, unpadded base64url; ``pnsreg_s`` how long before its binding expires a
    phone that wakes itself is to refresh it. Without ``refuses``, a phone whose service we do not have is registered
    all the same, and never woken.
    """

    offered: frozenset[Service] = frozenset()
    vapid: str = ""
    pnsreg_s: int = DEFAULT_PNSREG_S
    refuses: bool = True

    def __bool__(self) -> bool:
        return bool(self.offered)

    def has(self, provider: str) -> bool:
        return PROVIDERS.get(provider) in self.offered

    def read(self, request: Request) -> PushAsk:
        """What a REGISTER with push parameters asks for; raises RemoteProtocolError, among them a 555."""
        upstream = _upstream(request)
        ask = PushAsk()
        for contact in parse_contacts(request.headers.get("Contact", "")):
            if contact.is_wildcard or not has_push(contact.uri):
                continue
            try:
                self._read(contact.uri, ask, upstream)
            except PushNotSupportedError:
                if self.refuses and not _leaves(request, contact.expires):
                    raise
        ask.wakes_itself = _pnsreg.search(request.headers["Contact"]) is not None
        return ask

    def _read(self, uri: str, ask: PushAsk, upstream: frozenset[str]) -> None:
        params = parse_uri(uri).params
        found = push_parameters(uri)
        if found is not None:
            if not self.has(found.provider):
                raise PushNotSupportedError(f"there is no push service {found.provider[:32]!r} here")
            found.addresses()
            # RFC 8599 §5.6.1.1: one proxy on the way does it.
            if found.provider in upstream:
                ask.left.append(found)
            else:
                ask.wanted.append(found)
                ask.named.append(found.provider)
        elif params.get("pn-provider"):
            provider = (params["pn-provider"] or "").lower()
            if not self.has(provider):
                raise PushNotSupportedError(f"there is no push service {provider[:32]!r} here")
            ask.asks = True
            if provider not in upstream:
                ask.named.append(provider)
        elif "pn-provider" in params:
            ask.asks = True
            ask.named += [
                each.value for each in Service if each in self.offered and each.value not in upstream
            ]
        elif any(name in params for name in _legacy):
            raise PushNotSupportedError("a part of pn-type, app-id and pn-tok is missing")

    def lines(self, ask: PushAsk, purr: str = "") -> str:
        """The Feature-Caps of the 200 (RFC 6809 §6, RFC 8599 §8.2 to §8.6); none when nothing is to be said."""
        if not ask.named:
            return ""
        told = f'*;+sip.pns="{",".join(dict.fromkeys(ask.named))}"'
        if "webpush" in ask.named and self.vapid:
            told += f';+sip.vapid="{self.vapid}"'
        if ask.wakes_itself or ask.asks:
            told += f';+sip.pnsreg="{self.pnsreg_s}"'
        if purr:
            told += f';+sip.pnspurr="{purr}"'
        return f"Feature-Caps: {told}\r\n"


@dataclass(slots=True)
class PushAsk:
    """``wanted`` are the phones that are to be woken by us, ``left`` those that a proxy before us wakes, ``named`` the
    services that the 200 names.

    ``asks`` tells that it only wants to know what there is, ``wakes_itself`` that the phone refreshes its binding
    without being woken (the sip.pnsreg media feature tag, RFC 8599 §8.5).
    """

    wanted: list[PushParameters] = field(default_factory=list)
    left: list[PushParameters] = field(default_factory=list)
    named: list[str] = field(default_factory=list)
    asks: bool = False
    wakes_itself: bool = False


def wakes_itself(params: str) -> bool:
    """Whether the parameters of a Contact header hold the sip.pnsreg media feature tag."""
    return "pnsreg" in params and _pnsreg.search(params) is not None


def _upstream(request: Request) -> frozenset[str]:
    """The services that a proxy before us has taken upon itself."""
    told = request.headers.get("Feature-Caps", "")
    if not told:
        return frozenset()
    return frozenset(
        name.strip().lower() for value in _pns.findall(told) for name in value.split(",") if name.strip()
    )


def _leaves(request: Request, expires: int | None) -> bool:
    """Whether a contact is taken back: a phone may always leave."""
    return (expires if expires is not None else request.headers.get("Expires", "").strip()) in {0, "0"}
