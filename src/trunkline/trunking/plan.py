"""A trunk as its operator wants it, and the numbers that it takes."""

from __future__ import annotations

from dataclasses import dataclass, field

from trunkline.call.identity import IdentityPolicy
from trunkline.call.verification import Mode
from trunkline.media.leg_security import Encryption
from trunkline.net.fence.source import Network
from trunkline.proto.sip.escapes import escape_user


@dataclass(frozen=True, slots=True)
class TrunkPlan:
    """``host`` is a name that is looked up (RFC 3263) or an address, with its port if it has one; ``transport``
    "udp", "tcp", "tls" or "" for what its name says.

    ``username`` is who we are there, ``auth_username`` what digest calls us, ``realm`` the only one that we answer
    ("" for any), ``from_domain`` what stands behind the @ of our address. ``prefixes`` are the numbers that it
    takes, of which ``strip`` characters are cut off and to which ``prepend`` is added; ``caller_id`` is the number
    that the other side sees, "" for the caller's own. Calls from ``accept_from``, and to the Contact that we
    registered, ring ``inbound``; ``policy`` says what it is believed and told of callers, ``verify`` how it is
    checked. ``ping_s`` is the time between two OPTIONS, 0 for none.
    """

    name: str
    tenant: str
    host: str
    transport: str = ""
    username: str = ""
    auth_username: str = ""
    password: str = field(default="", repr=False)
    realm: str = ""
    from_domain: str = ""
    register: bool = False
    expires_s: int = 3600
    prefixes: tuple[str, ...] = ("",)
    strip: int = 0
    prepend: str = ""
    caller_id: str = ""
    sdp_profile: str = "conservative"
    ping_s: float = 60.0
    accept_from: tuple[Network, ...] = ()
    inbound: str = ""
    learns_address: bool = True
    policy: IdentityPolicy = field(default=IdentityPolicy())
    verify: Mode = Mode.MARK
    encryption: Encryption = "off"

    @property
    def domain(self) -> str:
        """What stands behind the @ of our address there."""
        return self.from_domain or self.bare_host

    @property
    def bare_host(self) -> str:
        """The host without its port."""
        host, bracket, _ = self.host.partition("]")
        return host + bracket if bracket else host.partition(":")[0]

    @property
    def address(self) -> str:
        """The URI that is registered."""
        return f"sip:{escape_user(self.username)}@{self.domain}"

    @property
    def server(self) -> str:
        """The URI of its registrar: whose servers are looked up."""
        return f"sip:{self.host}{self.suffix}"

    @property
    def suffix(self) -> str:
        """The transport as a parameter of a URI; "" when the name decides."""
        return f";transport={self.transport}" if self.transport else ""

    def matched(self, number: str) -> int:
        """How many characters of a number one of its prefixes matches, -1 for none."""
        return max((len(prefix) for prefix in self.prefixes if number.startswith(prefix)), default=-1)

    def dialled(self, number: str) -> str:
        """A number as the other side gets it."""
        return self.prepend + number[self.strip :]


def best_of(plans: tuple[TrunkPlan, ...], tenant: str, number: str) -> TrunkPlan | None:
    """The trunk of a tenant whose prefix matches longest, the first of equals; None when none takes the number.

    A name (``anna``) is nobody's but ours: only numbers go out.
    """
    if not number.removeprefix("+").isdigit():
        return None
    best, longest = None, -1
    for plan in plans:
        if plan.tenant == tenant:
            length = plan.matched(number)
            if length > longest and plan.dialled(number):
                best, longest = plan, length
    return best
