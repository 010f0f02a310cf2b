"""An account as an app gives it: read strictly, because all of it ends up in SIP headers.

Errors name the field and what it may be, never what stood there.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field, replace
from typing import Final

from trunkline.base.messages import Refused
from trunkline.base.messages.devices import SipAccount
from trunkline.mobile.domains import DomainList, OwnDomains, host_of, in_uri, proven_by

TRANSPORTS: Final = ("udp", "tcp", "tls")
_is_user = re.compile(r"[A-Za-z0-9_.!~*'()&=+$,#-]{1,64}\Z").match
_DEFAULT_PORTS: Final = {"udp": (5060,), "tcp": (5060,), "tls": (5060, 5061)}
_LEAST_PORT: Final = 1024
_MOST_TEXT: Final = 128
_MOST_PASSWORD: Final = 256


@dataclass(frozen=True, slots=True)
class AccountForm:
    """An account that may be used. ``own``: it is an extension of ours, and there is no registrar.

    ``port`` is 0 where DNS decides (RFC 3263), which a default port does not change.
    """

    tenant: str
    user: str
    domain: str
    password: str = field(repr=False)
    registrar: str
    transport: str
    port: int
    auth_username: str
    display_name: str
    own: bool

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What makes two accounts the same."""
        return self.tenant, self.user, self.domain, self.registrar, self.transport

    @property
    def address(self) -> str:
        """``user@domain``."""
        return f"{self.user}@{in_uri(self.domain)}"

    @property
    def subject(self) -> str:
        """Who somebody is whose password its registrar has found right."""
        return proven_by(self.user, self.domain, self.registrar)


def read_account(tenant: str, account: SipAccount, listed: DomainList, own: OwnDomains) -> AccountForm:
    """The account of a request; refused with ``account.invalid`` or ``account.domain``, 422."""
    if not _is_user(account.username):
        raise _invalid("sip_username", "1 to 64 letters, digits or _.!~*'()&=+$,#-")
    domain = host_of(account.domain)
    if domain is None:
        raise _invalid("sip_domain", "a host name or an address")
    form = AccountForm(
        tenant,
        account.username,
        domain,
        _text("sip_password", account.password, _MOST_PASSWORD),
        "",
        "",
        0,
        _text("sip_auth_username", account.auth_username, _MOST_TEXT),
        _text("sip_display_name", account.display_name, _MOST_TEXT),
        own=False,
    )
    if not form.password:
        raise _invalid("sip_password", "the account's password")
    owner = own.owner_of(domain)
    if owner is not None:
        if owner != tenant:  # what another tenant has is not told
            raise _not_listed("sip_domain")
        return replace(form, own=True, auth_username="")
    if not listed.takes(tenant, domain):
        raise _not_listed("sip_domain")
    return _at_registrar(form, account, listed)


def _at_registrar(form: AccountForm, account: SipAccount, listed: DomainList) -> AccountForm:
    transport = account.transport.lower()
    if transport not in TRANSPORTS:
        raise _invalid("sip_transport", "udp, tcp or tls")
    registrar = host_of(account.registrar) if account.registrar else form.domain
    if registrar is None:
        raise _invalid("sip_registrar", "a host name or an address, without a port")
    if not listed.takes_registrar(form.tenant, form.domain, registrar):
        raise _not_listed("sip_registrar")
    port = account.port
    if port in _DEFAULT_PORTS[transport]:
        port = 0
    if port and not _LEAST_PORT <= port <= 65535:
        raise _invalid("sip_port", "0 (what DNS says) or 1024 to 65535")
    return replace(form, registrar=registrar, transport=transport, port=port)


def _text(name: str, value: str, most: int) -> str:
    if len(value) > most or any(unicodedata.category(one) in {"Cc", "Cs", "Zl", "Zp"} for one in value):
        raise _invalid(name, f"at most {most} characters, none of them a control character")
    return value


def _invalid(name: str, expected: str) -> Refused:
    return Refused("account.invalid", f"{name} is not usable", f"expected {expected}", 422)


def _not_listed(name: str) -> Refused:
    hint = "ask the operator to add it to [mobile] domains, or registrars"
    return Refused("account.domain", f"{name} is not on the list of this gateway", hint, 422)
