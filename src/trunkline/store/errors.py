"""What the store refuses, and why.

    TrunklineError
    ├── StoreError                  the store said no
    │   ├── DuplicateError          a number, name or domain that exists already
    │   ├── NotFoundError           a row that a change needs and that is not there
    │   ├── AmbiguousError          a search key that fits several calls
    │   ├── InvalidValueError       a value that can be no key of a row
    │   ├── ScopeError              a call that names no scope, or reaches beyond it: our bug
    │   ├── SchemaError             the file was written by a newer program, or is no store at all
    │   ├── StoreUnavailableError   locked for too long, disk full, file unreadable: may pass by itself
    │   ├── WriterFullError         the writer's queue is at its bound
    │   └── WriterStoppedError      the writer was stopped, or never started
    └── ConfigError
        └── KeyFileError            the key of the stored passwords is lost, wrong or unreadable

No message holds a password, a key, or the values of a statement.
"""

from __future__ import annotations

from trunkline.base.errors import ConfigError, TrunklineError


class StoreError(TrunklineError):
    """Root of what the store refuses."""


class DuplicateError(StoreError):
    """A number, name or domain that must be unique exists already; the message names it."""


class NotFoundError(StoreError):
    """The row that a change needs is not there; the message names it."""


class AmbiguousError(StoreError):
    """A search key fits several calls. ``calls`` holds some of their ids."""

    def __init__(self, message: str, calls: tuple[str, ...]) -> None:
        super().__init__(message)
        self.calls = calls


class InvalidValueError(StoreError):
    """A value that cannot be stored: a number with spaces, a domain with a port, an unknown tenant."""


class ScopeError(StoreError):
    """A repository call without a scope, or one that names rows beyond its scope: a bug of the caller."""


class SchemaError(StoreError):
    """The store's schema is newer than this program, or the file is not a store."""


class StoreUnavailableError(StoreError):
    """The store cannot be read or written just now: locked for too long, disk full, no permission."""


class WriterFullError(StoreError):
    """The writer's queue is at its bound; try again when some of it has been written."""


class WriterStoppedError(StoreError):
    """The writer does not run: it was stopped, or never started."""


class KeyFileError(ConfigError):
    """The key that encrypts stored passwords is lost, wrong or unreadable. The hint says what to do."""
