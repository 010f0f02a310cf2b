"""Commands about encryption, as the compiled engine takes them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from trunkline import _native
from trunkline.base.errors import MediaError
from trunkline.media import commands as c


def _set_keys(native: _native.MediaEngine, command: c.SetKeys) -> c.Done:
    native.set_keys(
        command.port,
        command.suite,
        _octets("send_key", command.send_key),
        _octets("receive_key", command.receive_key),
        _mki("send_mki", command.send_mki),
        _mki("receive_mki", command.receive_mki),
    )
    return c.Done()


def _set_dtls(native: _native.MediaEngine, command: c.SetDtls) -> c.Done:
    native.set_dtls(command.port, command.setup == "active", command.fingerprint)
    return c.Done()


def _set_ice(native: _native.MediaEngine, command: c.SetIce) -> c.Done:
    # The peer's own are not needed: a lite agent makes no checks.
    native.set_ice(command.port, command.local_ufrag, command.local_password)
    return c.Done()


def _read_identity(native: _native.MediaEngine, _command: c.ReadIdentity) -> c.IdentityRead:
    return c.IdentityRead(native.fingerprint())


def _set_plain(native: _native.MediaEngine, command: c.SetPlain) -> c.Done:
    native.set_plain(command.port)
    return c.Done()


def _octets(name: str, key: str) -> bytes:
    try:
        return base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        # From None, and without the text: a key must not get into a log.
        raise MediaError(f"{name} is not base64 (RFC 4568 §6.1)", "media.argument") from None


def _mki(name: str, text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise MediaError(f"{name} is {text[:16]!r}, expected hexadecimal digits", "media.argument") from None


HANDLERS: dict[type, Callable[[_native.MediaEngine, Any], Any]] = {
    c.SetKeys: _set_keys,
    c.SetDtls: _set_dtls,
    c.SetIce: _set_ice,
    c.SetPlain: _set_plain,
    c.ReadIdentity: _read_identity,
}
"""What carries out each command."""
