"""The error tree of Trunkline.

    TrunklineError
    ├── LocalProtocolError          our own misuse of a protocol object: a bug
    ├── RemoteProtocolError         bytes or behaviour of the peer; carries the status to answer
    ├── TransportError              a flow, socket or connection that failed
    ├── CallFailed                  a call that was not answered: a normal outcome, with status and cause
    ├── MediaError                  the media engine refused or lost something
    └── ConfigError                 a setting that is wrong: file, key, what was seen, what is expected

Bytes from the network raise only RemoteProtocolError: that is what the fuzzers check.
"""

from __future__ import annotations


class TrunklineError(Exception):
    """Root of all errors that Trunkline raises on purpose."""


class LocalProtocolError(TrunklineError):
    """We used a protocol object in a way its state forbids."""


class RemoteProtocolError(TrunklineError):
    """The peer sent what the protocol forbids.

    ``status`` is the SIP status to answer (400..699), ``reason`` a phrase for the answer; both are free of
    secrets and of the peer's bytes beyond a short, printable excerpt.
    """

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class TransportError(TrunklineError):
    """A flow could not be opened, or broke; the request did not reach the peer."""


class CallFailed(TrunklineError):  # noqa: N818  (a normal outcome of a call, not a fault)
    """A call attempt ended without an answer.

    ``status`` is a SIP status (300..699), ``q850`` the ITU-T Q.850 cause when known, ``code`` a stable
    reason code for stories and records, ``said`` the value of a Reason header to tell it with (RFC 6432).
    """

    def __init__(
        self,
        status: int,
        reason: str,
        q850: int | None = None,
        code: str = "call.failed",
        *,
        said: str = "",
    ) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.q850 = q850
        self.code = code
        self.said = said

    def anew(self) -> CallFailed:
        """The same to raise, for who keeps this one: its traceback would hold whoever raised it."""
        return CallFailed(self.status, self.reason, self.q850, self.code, said=self.said)


class MediaError(TrunklineError):
    """The media engine refused a command, or its resources are used up (see ``code``)."""

    def __init__(self, message: str, code: str = "media.error") -> None:
        super().__init__(message)
        self.code = code


class ConfigError(TrunklineError):
    """A wrong setting.

    ``source`` is the file (or "command line"), ``key`` the dotted key, ``seen`` what stood there,
    ``expected`` what may stand there, ``hint`` the nearest valid name or the next step.
    """

    def __init__(self, source: str, key: str, seen: str, expected: str, hint: str = "") -> None:
        self.source = source
        self.key = key
        self.seen = seen
        self.expected = expected
        self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.source}: {self.key}: saw {self.seen}, expected {self.expected}"
        return f"{text} ({self.hint})" if self.hint else text
