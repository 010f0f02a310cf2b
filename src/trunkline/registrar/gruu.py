"""GRUUs: URIs that reach one phone of an address of record, whatever contacts it has (RFC 5627).

Nothing is kept of them but the epoch of a binding's instance. A public GRUU names the instance; a temporary one is
sealed over the user and the epoch, so that it tells nobody whose it is, and all of an epoch are good until the
instance has no binding any more or begins anew with another Call-ID (RFC 5627 §3.1.2).
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trunkline.model.binding import Binding
from trunkline.proto.sip.escapes import escape_user
from trunkline.proto.sip.grammar import quote
from trunkline.proto.sip.uri import SipUri, is_sips
from trunkline.registrar.location import Location

# RFC 3261 §25.1: paramchar.
_PARAM_SAFE: Final = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()[]/:&+$"
)
_TEMPORARY: Final = "tgruu."
_NONCE_BYTES: Final = 12
_EPOCH_BYTES: Final = 8
_BLOCK: Final = 16  # users are filled up to this, so that a length tells little
_MAX_SEALED: Final = 512


def new_epoch() -> str:
    """What the temporary GRUUs of an instance carry from now on."""
    return os.urandom(_EPOCH_BYTES).hex()


class Instance:
    """What a GRUU means: the ``user``, and the ``bindings`` of the one phone that are live; there may be none."""

    __slots__ = ("bindings", "user")

    def __init__(self, user: str, bindings: Sequence[Binding]) -> None:
        self.user = user
        self.bindings = bindings


class Gruus:
    """Makes and reads GRUUs under ``key`` (32 bytes, secret, the same at every start)."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def params(self, binding: Binding, domain: str) -> str:
        """The parameters of a Contact in a 200: ``;pub-gruu="..";temp-gruu=".."``, the second a new one each time."""
        scheme = "sips" if is_sips(binding.contact) else "sip"
        instance = _escape((binding.instance or "").removeprefix("<").removesuffix(">"))
        public = f"{scheme}:{escape_user(binding.user)}@{domain};gr={instance}"
        temporary = f"{scheme}:{_TEMPORARY}{self._seal(binding)}@{domain};gr"
        return f";pub-gruu={quote(public)};temp-gruu={quote(temporary)}"

    def find(self, uri: SipUri, tenant: str, location: Location, now: float) -> Instance | None:
        """The phone that a URI with a ``gr`` parameter means; None for one that is not, or no more, a GRUU.

        A public one whose phone is not registered has no bindings: 480. None: 404 (RFC 5627 §6.1).
        """
        name = uri.params.get("gr")
        if name:
            wanted = f"<{name}>".casefold()
            live = location.of(tenant, uri.user, now)
            same = [one for one in live if one.instance is not None and one.instance.casefold() == wanted]
            return Instance(uri.user, same)
        opened = self._open(uri.user, tenant)
        if opened is None:
            return None
        user, epoch = opened
        same = [one for one in location.of(tenant, user, now) if one.epoch == epoch]
        return Instance(user, same) if same else None

    def _seal(self, binding: Binding) -> str:
        user = binding.user.encode("utf-8", "surrogateescape")
        filled = user.ljust(-(-max(len(user), 1) // _BLOCK) * _BLOCK, b"\0")
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, bytes.fromhex(binding.epoch) + filled, binding.tenant.encode())
        return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def _open(self, text: str, tenant: str) -> tuple[str, str] | None:
        """User and epoch of a temporary GRUU's user part."""
        if not text.startswith(_TEMPORARY) or len(text) > _MAX_SEALED or not text.isascii():
            return None
        body = text.removeprefix(_TEMPORARY)
        try:
            sealed = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
            plain = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], tenant.encode())
        except (binascii.Error, ValueError, InvalidTag):
            return None
        user = plain[_EPOCH_BYTES:].rstrip(b"\0")
        return user.decode("utf-8", "surrogateescape"), plain[:_EPOCH_BYTES].hex()


def _escape(text: str) -> str:
    data = text.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if chr(byte) in _PARAM_SAFE else f"%{byte:02X}" for byte in data)
