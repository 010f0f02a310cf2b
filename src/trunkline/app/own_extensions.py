"""Extensions of our own exchange, as apps and their API see them."""

from __future__ import annotations

from hmac import compare_digest

from trunkline.pbx.directory import Directory
from trunkline.proto.sip.digest import ha1


class OwnExtensions:
    """``mobile.extensions.Extensions`` over the directory; passwords are compared as the HA1s that it keeps."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def owner_of(self, domain: str) -> str | None:
        """The tenant that this very domain belongs to: with one tenant phones may name any, apps may not."""
        return next(
            (
                one.id
                for one in self._directory.tenants
                if domain in map(str.lower, (*one.domains, one.domain))
            ),
            None,
        )

    def check(self, tenant: str, user: str, password: str) -> bool:
        """Whether this is the extension's password; takes as long for one who is not there."""
        realm = self._directory.realm_of(tenant)
        given = ha1(user, realm, password, "SHA-256")
        entry = self._directory.extension(tenant, user)
        known = entry.secrets.get("SHA-256", "") if entry is not None else ""
        return compare_digest(given, known or "-" * len(given)) and bool(password)
