"""Calls to a GRUU: to one phone of an extension, and to no other (RFC 5627 §6.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from trunkline.call.call import Call, Script
from trunkline.call.target import Target, static_targets
from trunkline.pbx import scripts
from trunkline.proto.sip.uri import SipUri

FindPhone: TypeAlias = Callable[[str, SipUri], tuple[str, list[Target]] | None]
"""(tenant, GRUU) to the user and the one phone, without target when it is not registered; None for no GRUU."""


class OnePhone:
    """What a Request-URI with ``gr`` means: ``user``, and ``targets``, None where it means nothing."""

    __slots__ = ("targets", "user")

    def __init__(self, user: str, targets: Sequence[Target] | None) -> None:
        self.user = user
        self.targets = targets

    def script(self, call: Call) -> Script:
        """Ring it, or say why not."""
        if self.targets is None:
            call.tell("route.gruu_unknown", "the address names one phone, and none has it (any more)")
            return scripts.refuse(404, "route.gruu_unknown")
        if not self.targets:
            call.tell("route.gruu_gone", f"the phone of {self.user} that is meant is not registered")
            return scripts.refuse(480, "route.gruu_gone")
        call.tell("route.gruu", f"one phone of {self.user} is meant: {self.targets[0].label}")
        return scripts.ring(static_targets(self.targets))


def phone_of(uri: SipUri, tenant: str, find: FindPhone | None) -> OnePhone | None:
    """The phone that a URI means; None for one that is no GRUU."""
    if "gr" not in uri.params or find is None:
        return None
    found = find(tenant, uri)
    return OnePhone(uri.user, None) if found is None else OnePhone(*found)
