"""Who calls: the identity that the callee sees."""

from __future__ import annotations

from trunkline.proto.sip.escapes import escape_user
from trunkline.proto.sip.grammar import quote
from trunkline.proto.sip.identity.diversion import Diversion


class Party:
    """A caller: ``number`` within its tenant's ``domain``, with a display ``name`` (may be empty).

    ``anonymous``: it wants to be known to us and to trusted peers alone. ``asserted``: we answer for the number,
    because it was proven or a trusted peer said it. ``verstat`` is what verification found (RFC 8224), or empty;
    ``diversions``, the oldest first, are whom the call was for before; ``passports`` the values of Identity that
    were verified; ``entrusted`` finished lines that go from a trusted peer to another.
    """

    __slots__ = (
        "anonymous",
        "asserted",
        "diversions",
        "domain",
        "entrusted",
        "name",
        "number",
        "passports",
        "plain",
        "verstat",
    )

    def __init__(
        self,
        number: str,
        domain: str,
        name: str = "",
        *,
        anonymous: bool = False,
        asserted: bool = True,
        diversions: tuple[Diversion, ...] = (),
    ) -> None:
        self.number = number
        self.domain = domain
        self.name = name
        self.anonymous = anonymous
        self.asserted = asserted
        self.verstat = ""
        self.diversions = diversions
        self.entrusted = ""
        self.passports: tuple[str, ...] = ()
        self.plain = not anonymous and not diversions
        """Whether a phone is told nothing but the address."""

    @property
    def uri(self) -> str:
        return f"sip:{escape_user(self.number)}@{self.domain}"

    @property
    def name_addr(self) -> str:
        """``"name" <uri>``, as a From header without its tag."""
        return f"{quote(self.name)} <{self.uri}>" if self.name else f"<{self.uri}>"

    def __repr__(self) -> str:
        return f"Party({self.number}@{self.domain})"
