"""The API keys by which tenants' backends ask for tokens. Their ``tenant`` field means nothing; ``name`` does."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar

from trunkline.base.message_codec import Message, message
from trunkline.base.messages.request import Command, Query


@message("api-key.state")
class ApiKeyState(Message):
    """Whether tenant ``name`` has a key, and since when (0.0: it has none); the key itself is not kept."""

    name: str
    created_at: float = 0.0


@message("api-key.made")
class ApiKeyMade(Message):
    """The new key, told this once; ``replaced`` another one that holds no more."""

    name: str
    key: str = field(repr=False)
    replaced: bool = False


@message("api-key.show")
class ShowApiKey(Query[ApiKeyState]):
    """Whether a tenant has a key. Refused with ``tenant.unknown``."""

    offline: ClassVar[bool] = True
    name: str


@message("api-key.make")
class MakeApiKey(Command[ApiKeyMade]):
    """Make a key in place of the tenant's old one. Refused with ``tenant.unknown``."""

    offline: ClassVar[bool] = True
    name: str


@message("api-key.remove")
class RemoveApiKey(Command[ApiKeyState]):
    """Take the key away. Refused with ``tenant.unknown``, and ``api-key.unknown`` when there is none."""

    offline: ClassVar[bool] = True
    name: str
