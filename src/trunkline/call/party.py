"""Who calls: the identity that the callee sees."""

from __future__ import annotations

from trunkline.proto.sip.escapes import escape_user
from trunkline.proto.sip.grammar import quote


class Party:
    """A caller: ``number`` within its tenant's ``domain``, with a display ``name`` (may be empty)."""

    __slots__ = ("domain", "name", "number")

    def __init__(self, number: str, domain: str, name: str = "") -> None:
        self.number = number
        self.domain = domain
        self.name = name

    @property
    def uri(self) -> str:
        return f"sip:{escape_user(self.number)}@{self.domain}"

    @property
    def name_addr(self) -> str:
        """``"name" <uri>``, as a From header without its tag."""
        return f"{quote(self.name)} <{self.uri}>" if self.name else f"<{self.uri}>"

    def __repr__(self) -> str:
        return f"Party({self.number}@{self.domain})"
