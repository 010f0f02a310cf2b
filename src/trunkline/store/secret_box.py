"""Passwords at rest: AES-256-GCM under a key that lives in a file of its own.

A sealed secret is ``1.<key id>.<base64url of nonce (12), ciphertext and tag (16)>``. Its associated data
names tenant and owner, so that a ciphertext copied to another row does not open. The key id is the start
of a hash of the key: a damaged key file, and a store that belongs to another key, are told apart before
anything is decrypted.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trunkline.store.errors import KeyFileError

KEY_BYTES = 32
_NONCE_BYTES = 12  # NIST SP 800-38D §5.2.1.1; random, so one key serves 2**32 secrets (§8.3)
_RESTORE = "restore the key file from a backup of the data folder"
LOST = f"{_RESTORE}; if it is gone for good, move the store away and import the extensions with new passwords"


class SecretBox:
    """Seals and opens secrets with one key. ``key`` is 32 bytes, ``source`` the file it came from."""

    __slots__ = ("_cipher", "_root", "key_id", "source")

    def __init__(self, key: bytes, source: str = "key") -> None:
        if len(key) != KEY_BYTES:
            raise KeyFileError(source, "key", f"{len(key)} bytes", f"{KEY_BYTES} bytes", _RESTORE)
        self._cipher = AESGCM(key)
        self._root = hashlib.blake2b(key=key)
        self.key_id = key_id(key)
        self.source = source

    def __repr__(self) -> str:
        return f"SecretBox(key id {self.key_id})"

    def derive(self, purpose: str) -> bytes:
        """32 bytes for another use of the same key file, such as signing nonces; the same at every start."""
        root = self._root.copy()
        root.update(f"trunkline\0{purpose}".encode())
        return root.digest()[:32]

    def seal(self, secret: str, tenant: str, owner: str) -> str:
        """The sealed form of ``secret``, which opens only for the same tenant and owner."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, secret.encode(), _bound_to(tenant, owner))
        return f"1.{self.key_id}.{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, sealed: str, tenant: str, owner: str) -> str:
        """The secret. Raises KeyFileError when another key sealed it, or when it was altered or moved."""
        self.check(sealed)
        try:
            data = base64.urlsafe_b64decode(sealed.rpartition(".")[2])
            opened = self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _bound_to(tenant, owner))
        except (InvalidTag, ValueError) as error:
            seen = "one that was altered, or copied from another row"
            raise KeyFileError(self.source, f"secret of {owner}", seen, "a secret sealed for it") from error
        return opened.decode()

    def check(self, sealed: str) -> None:
        """Raise KeyFileError unless this box's key sealed it; cheap, decrypts nothing."""
        if not sealed.startswith(f"1.{self.key_id}."):
            raise KeyFileError(self.source, "key id", self.key_id, _id_in(sealed), LOST)


def key_id(key: bytes) -> str:
    """Eight hexadecimal digits that name a key and tell nothing about it."""
    return hashlib.sha256(b"trunkline key id\0" + key).hexdigest()[:8]


def load_key(path: Path) -> SecretBox:
    """Read a key file: one line, ``<key id>:<base64 of 32 bytes>``. Raises KeyFileError."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        seen = (
            "no file"
            if isinstance(error, FileNotFoundError)
            else f"an unreadable file ({type(error).__name__})"
        )
        raise KeyFileError(str(path), "key", seen, "the key of this store", LOST) from error
    name, _, encoded = text.partition(":")
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise KeyFileError(str(path), "key", "damaged text", "<key id>:<base64 of 32 bytes>", LOST) from error
    box = SecretBox(key, str(path))
    if name != box.key_id:
        raise KeyFileError(str(path), "key", "a key that does not fit its id", "an unaltered key file", LOST)
    return box


def create_key(path: Path) -> SecretBox:
    """Write a new key file (mode 0600), whole or not at all. Raises KeyFileError when there is one.

    The caller keeps other processes away meanwhile.
    """
    key = os.urandom(KEY_BYTES)
    expected = "a place for a new key file"
    if path.exists():
        raise KeyFileError(str(path), "key", "a file that exists", expected)
    draft = path.with_name(f"{path.name}.new")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
            file.write(f"{key_id(key)}:{base64.b64encode(key).decode()}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise KeyFileError(str(path), "key", f"{error.strerror}", expected) from error
    return SecretBox(key, str(path))


def _bound_to(tenant: str, owner: str) -> bytes:
    return f"trunkline\0{tenant}\0{owner}".encode()


def _id_in(sealed: str) -> str:
    parts = sealed.split(".")
    return f"{parts[1][:16]}, which sealed the stored passwords" if len(parts) == 3 else "a sealed secret"
