"""Identities that one network asserts to another: P-Asserted-Identity and its elders.

All functions raise RemoteProtocolError for what cannot be read; whether a sender is believed is not theirs to say.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.grammar import excerpt, render_parameters, split_list
from trunkline.proto.sip.name_addr import NameAddr, parse_addresses, parse_name_addr

MAX_IDENTITIES: Final = 2


class RemoteParty(NamedTuple):
    """A Remote-Party-ID: ``address``, whether its sender has checked it, whether the party is to stay unknown."""

    address: NameAddr
    screened: bool = True
    private: bool = False

    def __str__(self) -> str:
        params: dict[str, str | None] = {
            "party": "calling",
            "privacy": "full" if self.private else "off",
            "screen": "yes" if self.screened else "no",
        }
        return f"{self.address}{render_parameters(params)}"


def parse_asserted(value: str) -> list[NameAddr]:
    """The identities of a P-Asserted-Identity or P-Preferred-Identity: one, or a sip(s) and a tel URI.

    RFC 3325 §9.1: there are no more; those beyond the first of each kind are left out. One of another scheme is
    malformed.
    """
    kinds: dict[str, NameAddr] = {}
    for address in parse_addresses(value)[: MAX_IDENTITIES + 2]:
        scheme = address.address.scheme
        if scheme not in {"sip", "sips", "tel"}:
            raise RemoteProtocolError(f"an identity is a sip or tel URI, not {excerpt(address.uri)}")
        kinds.setdefault("tel" if scheme == "tel" else "sip", address)
    return list(kinds.values())


def parse_remote_party(value: str) -> RemoteParty | None:
    """The calling party of a Remote-Party-ID (draft-ietf-sip-privacy-04 §4), None when it names another party."""
    for element in split_list(value)[:4]:
        address = parse_name_addr(element)
        if (address.params.get("party") or "calling").lower() == "calling":
            address.address  # noqa: B018  (malformed ones are refused here, not where they are used)
            private = (address.params.get("privacy") or "off").lower() not in {"off", "none"}
            screened = (address.params.get("screen") or "no").lower() == "yes"
            return RemoteParty(NameAddr(address.display, address.uri, {}), screened, private)
    return None
