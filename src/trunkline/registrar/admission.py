"""Whether a REGISTER may be looked at at all, once it is known who sends it (RFC 3261 §10.3 steps 2, 4 and 5)."""

from __future__ import annotations

from typing import Final

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.name_addr import parse_name_addr
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.registrar.ports import Accounts
from trunkline.ua.option_tags import supports, unsupported

SUPPORTED: Final = frozenset({"gruu", "outbound", "path"})


class UnsupportedTagsError(RemoteProtocolError):
    """420: the request requires what we do not support (RFC 3261 §8.2.2.3)."""

    def __init__(self, tags: str) -> None:
        super().__init__("Bad Extension", 420)
        self.tags = tags


def check(request: Request, tenant: str, user: str, accounts: Accounts, policy: RegistrarPolicy) -> None:
    """Required extensions, and the right to register for the address in To; raises RemoteProtocolError."""
    headers = request.headers
    if "Require" in headers and (tags := unsupported(request, SUPPORTED)):
        raise UnsupportedTagsError(tags)
    if "Path" in headers and policy.strict_path and not supports(request, "path"):
        # Rule T-30: the phone would not know that its calls take another way than it was told.
        raise UnsupportedTagsError("path")
    to = headers["To"]
    # The common form is told without parsing it.
    if not to.startswith(f"<sip:{user}@{accounts.domain_of(tenant)}>") and not _is_aor_of(
        to, tenant, user, accounts
    ):
        raise RemoteProtocolError("nobody registers for another", 403)


def _is_aor_of(to: str, tenant: str, user: str, accounts: Accounts) -> bool:
    """Whether a To header names the user, by any domain of the tenant."""
    address = parse_name_addr(to).address
    owner = accounts.owner_of(address.host)
    return address.user == user and owner is not None and owner.id == tenant


def claimed_user(request: Request) -> str:
    """Whom a request that nobody has proven is about; "" when its To cannot be read."""
    try:
        return parse_name_addr(request.headers["To"]).address.user
    except RemoteProtocolError:
        return ""
