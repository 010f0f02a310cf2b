"""The SIP account in a request's body: the same fields wherever an app says who it is."""

from __future__ import annotations

from typing import Protocol

from trunkline.base.messages import SipAccount


class SipFields(Protocol):
    """A body with the fields of an account; None is one that was left out."""

    @property
    def sip_username(self) -> str | None: ...
    @property
    def sip_password(self) -> str | None: ...
    @property
    def sip_domain(self) -> str | None: ...
    @property
    def sip_registrar(self) -> str | None: ...
    @property
    def sip_transport(self) -> str: ...
    @property
    def sip_port(self) -> int: ...
    @property
    def sip_auth_username(self) -> str | None: ...


def account_of(body: SipFields, display_name: str = "") -> SipAccount:
    """Who the body says that it is; whether that can be is judged where the account is used."""
    return SipAccount(
        username=body.sip_username or "",
        domain=body.sip_domain or "",
        password=body.sip_password or "",
        registrar=body.sip_registrar or "",
        transport=body.sip_transport,
        port=body.sip_port,
        auth_username=body.sip_auth_username or "",
        display_name=display_name,
    )
