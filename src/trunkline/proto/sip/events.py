"""Event, Expires, Accept and Subscription-State, as event notification needs them (RFC 6665 §8.2, RFC 3903)."""

from __future__ import annotations

from typing import Final, NamedTuple

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.grammar import is_token, parse_parameters, split_list
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.numbers import parse_delta_seconds

MAX_ID: Final = 128  # characters of the id of an Event that we keep and repeat


class Event(NamedTuple):
    """``package`` in lower case with its templates (``presence.winfo``), ``id`` as given, "" without."""

    package: str
    id: str = ""

    @property
    def value(self) -> str:
        """The value of an Event header."""
        return f"{self.package};id={self.id}" if self.id else self.package


def event_of(request: Request) -> Event | None:
    """What a request is about; None without Event. Raises RemoteProtocolError for what is none.

    Parameters but ``id`` do not tell subscriptions apart (RFC 6665 §8.2.1), and are not kept.
    """
    value = request.headers.get("Event")
    if value is None:
        return None
    name, _, rest = value.partition(";")
    name = name.strip()
    given = parse_parameters(f";{rest}").get("id") or "" if rest else ""
    if not is_token(name) or len(given) > MAX_ID or (given and not is_token(given)):
        raise RemoteProtocolError("malformed Event header")
    return Event(name.lower(), given)


def expires_of(request: Request, default: int) -> int:
    """The seconds asked for, ``default`` without Expires. Raises RemoteProtocolError for no number."""
    value = request.headers.get("Expires")
    return default if value is None else parse_delta_seconds(value, "Expires")


def accepts(request: Request, content_type: str) -> bool:
    """Whether an Accept lets us send this kind of body; without one it does (RFC 6665 §3.1.3)."""
    value = request.headers.get("Accept")
    if value is None:
        return True
    ranges = {each.partition(";")[0].strip().lower() for each in split_list(value)}
    return bool(ranges & {content_type, f"{content_type.partition('/')[0]}/*", "*/*"})
