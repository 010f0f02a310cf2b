"""Our side of one dialog's session description: its o= line and our ports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from trunkline.base.errors import LocalProtocolError

_MAX_SESSION_ID = 2**63 - 1  # some stacks read the number as a signed 64-bit integer


class LocalPort(NamedTuple):
    """Our end of one stream: an address literal, UDP ports 1..65535; ``rtcp_port`` 0 means the next one."""

    address: str
    port: int
    rtcp_port: int = 0


def address_row(address: str) -> str:
    """``IN IP4 address`` or ``IN IP6 address`` (RFC 8866 §5.7)."""
    return f"IN IP6 {address}" if ":" in address else f"IN IP4 {address}"


class SdpIdentity:
    """What we call our session on one side of one dialog (RFC 8866 §5.2, RFC 3264 §8).

    ``session_id`` is 0..2**63-1, never changed; ``version`` is 0 before the first body and goes up by
    exactly one with each body that differs from the one before, so that a session refresh carries the
    version it had (RFC 4028 §7.4). ``address`` is the literal of our o= line. Ask only for bodies that
    will be sent. ``body`` is the last one ("" before the first).
    """

    __slots__ = ("_after", "_before", "address", "session_id", "version")

    def __init__(self, session_id: int, address: str) -> None:
        if not 0 <= session_id <= _MAX_SESSION_ID:
            raise LocalProtocolError(f"SDP session id is {session_id}, expected 0..{_MAX_SESSION_ID}")
        self.session_id = session_id
        self.address = address
        self.version = 0
        self._after = ""
        self._before = ""

    def stamp(self, after: str) -> str:
        """The whole body, given what comes after the o= line; the version goes up when it changed."""
        after = f"{address_row(self.address)}\r\n{after}"
        self._before = self._after
        if after != self._after:
            self.version += 1
            self._after = after
        return self.body

    def take_back(self) -> None:
        """The peer has refused the last body: the one before holds, under a version that is new all the same."""
        if self._before not in {"", self._after}:
            self.version += 1
            self._after = self._before

    @property
    def body(self) -> str:
        """The last body given out, for a refresh that must not change it."""
        if not self._after:
            return ""
        return f"v=0\r\no=- {self.session_id} {self.version} {self._after}"

    @property
    def lines(self) -> int:
        """How many m-lines the last body had."""
        return self._after.count("\r\nm=")

    def rejected_from(self, position: int) -> list[str]:
        """The m-lines of the last body from a position on, with port 0 and without line ends."""
        rows = [row.split(" ", 2) for row in self._after.split("\r\n") if row.startswith("m=")]
        return [f"{kind} 0 {rest}" for kind, _port, rest in rows[position:]]

    def snapshot(self) -> dict[str, int | str]:
        """Plain data that ``restore`` takes; it may hold SDES keys, so keep it where the dialog is kept."""
        return {
            "session_id": self.session_id,
            "address": self.address,
            "version": self.version,
            "after": self._after,
        }

    @classmethod
    def restore(cls, data: Mapping[str, int | str]) -> SdpIdentity:
        """The identity of a snapshot; raises LocalProtocolError for a value missing or of a wrong type."""
        session_id, address = data.get("session_id"), data.get("address")
        version, after = data.get("version"), data.get("after")
        if not (isinstance(session_id, int) and isinstance(version, int)):
            raise LocalProtocolError("SDP snapshot: expected numbers for session_id and version")
        if not (isinstance(address, str) and isinstance(after, str)):
            raise LocalProtocolError("SDP snapshot: expected texts for address and after")
        identity = cls(session_id, address)
        identity.version = version
        identity._after = after
        return identity

    def __repr__(self) -> str:
        return f"SdpIdentity({self.session_id}, version {self.version})"


def without_keys(identity: dict[str, int | str]) -> dict[str, int | str]:
    """An SDP identity that may be written to disk: our last description, unless it says SRTP keys (RFC 4568).

    Without it the next description has a higher version, whether it differs or not.
    """
    after = str(identity["after"])
    keyed = "a=crypto:" in after or "a=ice-pwd:" in after or "\nk=" in after
    return identity | {"after": ""} if keyed else identity
