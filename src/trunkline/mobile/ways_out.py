"""By which way a call of an account leaves: with its credentials, through its own registrar, to nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trunkline.base.errors import RemoteProtocolError, TransportError
from trunkline.base.messages import Refused
from trunkline.call.target import Target
from trunkline.mobile.domains import in_uri
from trunkline.proto.sip.digest_client import Account as Credentials
from trunkline.proto.sip.digest_client import DigestClient
from trunkline.proto.sip.escapes import escape_user
from trunkline.proto.sip.grammar import quote
from trunkline.ua.challenges import Authorizer
from trunkline.ua.registrations.asking import WRONG

if TYPE_CHECKING:
    from trunkline.mobile.account_form import AccountForm
    from trunkline.mobile.accounts import Account, Accounts
    from trunkline.mobile.policy import MobilePolicy


class WaysOut:
    """Makes targets. Nothing that an app says decides where the INVITE is sent, but for the account that it has."""

    def __init__(self, accounts: Accounts, policy: MobilePolicy) -> None:
        self._accounts = accounts
        self._policy = policy

    async def of_account(self, account: Account, user: str, host: str) -> Target:
        """By a registration: its Service-Route, its server first, its credentials."""
        registration = account.registration
        if registration is None or registration.digest is None:
            raise Refused("device.inactive", "the account's password was forgotten", "register it again", 410)
        if registration.trouble == WRONG and not registration.is_registered(self._now()):
            # One more wrong answer would bring all of us nearer to being locked out.
            raise Refused("call.failed", "the account's password is wrong", "", 502, sip_status=401)
        digest = registration.digest
        target = self._target(account, user, host, DigestClientOf(digest, self._accounts))
        target.route = registration.route
        target.sticky = registration.hop
        if registration.associated:
            target.caller = f"<{registration.associated[0]}>"
        return await self._led(account, target)

    async def of_form(self, account: Account, form: AccountForm, user: str, host: str) -> Target:
        """By credentials that nobody has registered with."""
        digest = DigestClient(Credentials(form.auth_username or form.user, form.password))
        return await self._led(
            account, self._target(account, user, host, DigestClientOf(digest, self._accounts))
        )

    def _target(self, account: Account, user: str, host: str, digest: DigestClientOf) -> Target:
        row = account.row
        uri = f"sip:{escape_user(user)}@{in_uri(host)}"
        display = f"{quote(row.display_name)} " if row.display_name else ""
        return Target(
            uri,
            label=f"{user} at {row.domain}",
            authorizer=digest.authorizer,
            caller=f"{display}<{account.uri}>",
            callee=f"<{uri}>",
        )

    async def _led(self, account: Account, target: Target) -> Target:
        """Through the registrar, whatever stands in the URI; by its guarded look-up where nobody has named the host."""
        if not target.route:
            target.next_hop = account.registrar_uri()
        if self._policy.listed.names(account.row.registrar):
            return target
        try:
            hops = self._accounts.registrations.next_hops
            ways = await hops.ways(account.registrar_uri(), sticky=target.sticky)
            target.flow = ways.next()
        except (TransportError, RemoteProtocolError) as error:
            raise Refused("call.failed", str(error), "", 502, sip_status=503) from error
        return target

    def _now(self) -> float:
        return self._accounts.registrations.endpoint.now()


class DigestClientOf:
    """Answers challenges of one call after the other with what was learned of their peer."""

    __slots__ = ("_accounts", "_digest")

    def __init__(self, digest: DigestClient, accounts: Accounts) -> None:
        self._digest = digest
        self._accounts = accounts

    def authorizer(self) -> Authorizer:
        """For one request."""
        return Authorizer(self._digest, self._accounts.registrations.cnonce)
