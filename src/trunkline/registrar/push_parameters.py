"""Push parameters in a Contact URI (RFC 8599 §4 and §8.7): kept with the binding, told to nobody else.

``pn-prid`` lets whoever has it send notifications to a phone, or at least tells one phone from all others: it is
covered wherever a contact is shown, and taken out of what others are told.

Read are the RFC's form, that of Flexisip, which Linphone uses (``apns.dev`` for Apple's sandbox, ``&`` between the
services of one app and a token for each), and what came before both (``pn-type``, ``app-id``, ``pn-tok``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.uri import parse_uri
from trunkline.push.notification import PushAddress, Service

COVER: Final = "(hidden)"
PROVIDERS: Final[Mapping[str, Service]] = {
    "apns": Service.APNS,
    "apns.dev": Service.APNS,
    "fcm": Service.FCM,
    "webpush": Service.WEBPUSH,
}
_LEGACY: Final = {"apple": "apns", "firebase": "fcm", "google": "fcm", "android": "fcm"}
_NO_TEAM: Final = "ABCD1234"  # what apps made with Linphone's SDK say when nobody has told them their team
_prid = re.compile(r"(;pn-(?:prid|tok)=)[^;?>]*", re.IGNORECASE)
# Whatever else an app may have put there for its push service goes with it: pn-msg-str, pn-timeout.
_params = re.compile(r";(?:pn-[^;=?>]*|app-id)(?:=[^;?>]*)?", re.IGNORECASE)
_VOIP: Final = ".voip"


class PushNotSupportedError(RemoteProtocolError):
    """555: a service that we do not have, or not all that it needs (RFC 8599 §5.6.1.1, §8.1)."""

    def __init__(self, why: str) -> None:
        super().__init__("Push Notification Service Not Supported", 555)
        self.why = why


@dataclass(frozen=True, slots=True)
class PushParameters:
    """What a contact says of the way to wake its phone; ``provider`` in lower case."""

    provider: str
    prid: str = field(repr=False)
    param: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """They name the phone whatever host and port its URI has now."""
        return self.provider, self.prid, self.param

    def addresses(self) -> dict[str, PushAddress]:
        """Where notifications go: ``call`` for what must ring, ``quiet`` for all else; one of them may lack.

        An iPhone whose app gave a token for calls alone cannot be sent anything else: each such push must ring.
        Raises PushNotSupportedError when something that the service needs is missing or malformed.
        """
        service = PROVIDERS.get(self.provider)
        if service is Service.APNS:
            return _apple(self)
        if service is Service.FCM:
            # RFC 8599 §11: the project.
            return _one(PushAddress(service, self.prid, "token", _needed(self.param, "pn-param", self)))
        if service is Service.WEBPUSH:
            if self.param:
                raise PushNotSupportedError("webpush goes without a pn-param (RFC 8599 §12)")
            return _one(PushAddress(service, _endpoint(self.prid), "webpush"))
        raise PushNotSupportedError(f"there is no push service {self.provider[:32]!r}")


def _one(address: PushAddress) -> dict[str, PushAddress]:
    return {"call": address, "quiet": address}


def _needed(value: str, name: str, parameters: PushParameters) -> str:
    if not value:
        raise PushNotSupportedError(f"{parameters.provider} needs a {name}")
    return value


def _endpoint(prid: str) -> str:
    if not prid.startswith("https://"):
        raise PushNotSupportedError("the pn-prid of webpush is the https URL of an endpoint (RFC 8599 §12)")
    return prid


def _apple(parameters: PushParameters) -> dict[str, PushAddress]:
    """RFC 8599 §10: ``team.topic``; Flexisip adds ``.remote``, ``.voip`` or both with ``&``."""
    team, dot, topic = _needed(parameters.param, "pn-param", parameters).partition(".")
    if not dot or not topic:
        raise PushNotSupportedError("the pn-param of apns is the team, a dot and the topic (RFC 8599 §10)")
    team = "" if team == _NO_TEAM else team
    environment = "sandbox" if parameters.provider.endswith(".dev") else "production"
    bundle, names = _services(topic)
    tokens = _tokens(parameters.prid, names)
    found = {
        name: PushAddress(
            Service.APNS, token, "voip" if name == "voip" else "alert", bundle, team, environment
        )
        for name, token in tokens.items()
    }
    addresses: dict[str, PushAddress] = {}
    call, quiet = found.get("voip") or found.get("remote"), found.get("remote")
    if call is not None:
        addresses["call"] = call
    if quiet is not None:
        addresses["quiet"] = quiet
    return addresses


def _services(topic: str) -> tuple[str, tuple[str, ...]]:
    """The bundle id, and the services that its tokens are for; a plain topic is for ``remote`` ones."""
    bundle, _, last = topic.rpartition(".")
    names = tuple(last.split("&"))
    if bundle and set(names) <= {"remote", "voip"} and len(set(names)) == len(names):
        return bundle, names
    return topic, ("remote",)


def _tokens(prid: str, names: tuple[str, ...]) -> dict[str, str]:
    if ":" not in prid and "&" not in prid and len(names) == 1:
        return {names[0]: prid}
    tokens: dict[str, str] = {}
    for each in prid.split("&"):
        token, _, name = each.rpartition(":")
        if not token or name not in names or name in tokens:
            raise PushNotSupportedError("expected in pn-prid one token for each service of pn-param")
        tokens[name] = token
    if len(tokens) != len(names):
        raise PushNotSupportedError("expected in pn-prid one token for each service of pn-param")
    return tokens


def has_push(uri: str) -> bool:
    """Whether a contact may have push parameters, told without parsing it."""
    return "pn-" in uri.lower()


def push_parameters(uri: str) -> PushParameters | None:
    """Those of a contact, None for one that names no phone, be it because it only asks what there is.

    Raises RemoteProtocolError for a malformed URI.
    """
    if not has_push(uri):
        return None
    params = parse_uri(uri).params
    provider, prid = params.get("pn-provider"), params.get("pn-prid")
    if provider and prid:
        return PushParameters(provider.lower(), prid, params.get("pn-param") or "")
    kind, token = (params.get("pn-type") or "").lower(), params.get("pn-tok")
    if "pn-provider" not in params and kind and token:
        return _legacy(kind, token, params.get("app-id") or "")
    return None


def _legacy(kind: str, token: str, app: str) -> PushParameters:
    """``apple`` with an app-id that ends in .dev or .prod: it knows no team, which is ours to know."""
    provider = _LEGACY.get(kind, kind)
    if provider != "apns":
        return PushParameters(provider, token, app)
    bundle, dot, stage = app.rpartition(".")
    if stage not in {"dev", "prod"}:
        bundle, dot = app, "."
    return PushParameters("apns.dev" if stage == "dev" else "apns", token, f"{dot}{bundle}" if bundle else "")


def push_key(uri: str) -> tuple[str, str, str] | None:
    """``pn-provider``, ``pn-prid`` and ``pn-param`` of a contact, None without them.

    They name the phone whatever host and port its URI has now. Raises RemoteProtocolError for a malformed URI.
    """
    parameters = push_parameters(uri)
    return None if parameters is None else parameters.key


def has_push_key(uri: str, key: tuple[str, str, str]) -> bool:
    """Whether a known contact is that of the phone which ``key`` names."""
    try:
        return push_key(uri) == key
    except RemoteProtocolError:
        return False


def shown(contact: str) -> str:
    """A contact as logs, stories and commands show it."""
    return _prid.sub(rf"\1{COVER}", contact) if has_push(contact) else contact


def without_push(contact: str) -> str:
    """A contact as other phones and programs are told it: without all that is for waking it."""
    return _params.sub("", contact) if has_push(contact) else contact
