"""Extensions of our own exchange as accounts of apps: no REGISTER, no SIP loop to ourselves."""

from __future__ import annotations

from typing import Protocol

from trunkline.mobile.domains import OwnDomains


class Extensions(OwnDomains, Protocol):
    """What the exchange beside us knows."""

    def check(self, tenant: str, user: str, password: str) -> bool:
        """Whether this is the extension's password; takes as long for who is not there. An empty one never is."""
        ...


class NoExtensions:
    """For a gateway without an exchange."""

    def owner_of(self, domain: str) -> str | None:
        """No domain is ours."""
        return None

    def check(self, tenant: str, user: str, password: str) -> bool:
        """Nobody is there."""
        return False
