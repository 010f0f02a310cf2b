"""Option tags: what a peer requires of us and what it supports (RFC 3261 §8.2.2.3, §20.32, §20.37)."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.grammar import is_token, split_list
from trunkline.proto.sip.message import Request

PRECONDITION: Final = frozenset({"precondition"})
"""Calls may require it (RFC 3312): what is mandatory and not met gets 580."""
IN_DIALOG: Final = PRECONDITION | {"100rel"}
"""What a request within a dialog may require of us: we send no provisional but 100 to it, so RFC 3262 asks nothing."""


def unsupported(request: Request, supported: AbstractSet[str]) -> str:
    """What the request requires and we do not support, as the value of Unsupported; "" when nothing.

    Raises RemoteProtocolError for what is no option tag.
    """
    required = request.headers.get("Require")
    if required is None:
        return ""
    tags = split_list(required)
    if not all(map(is_token, tags)):
        raise RemoteProtocolError("malformed Require header")
    return ", ".join(tag for tag in tags if tag.lower() not in supported)


def supports(request: Request, tag: str) -> bool:
    """Whether the peer says that it supports ``tag`` (lower case), or requires it."""
    return any(
        tag in (each.lower() for each in split_list(value))
        for value in (request.headers.get("Supported"), request.headers.get("Require"))
        if value
    )
