"""The Privacy header (RFC 3323 §4.2, RFC 3325 §9.3, RFC 7044 §10.1)."""

from __future__ import annotations

from typing import Final, NamedTuple

from trunkline.proto.sip.uri import SipUri

# What a B2BUA that relays media gives to everybody (header, session), what hides who calls (id, user), and what
# hides the call's history.
HONOURED: Final = frozenset({"header", "session", "user", "none", "id", "history"})
_HIDING: Final = frozenset({"id", "user"})
MAX_VALUES: Final = 16

# RFC 3323 §4.1.1.3.
ANONYMOUS_URI: Final = "sip:anonymous@anonymous.invalid"
ANONYMOUS: Final = f'"Anonymous" <{ANONYMOUS_URI}>'


class Privacy(NamedTuple):
    """What a caller asks for: ``values`` in lower case, without ``critical``, which stands apart."""

    values: frozenset[str] = frozenset()
    critical: bool = False

    @property
    def hides(self) -> bool:
        """Whether nobody beyond the trusted may learn who calls; ``none`` asks for the contrary and wins."""
        return bool(self.values & _HIDING) and "none" not in self.values

    @property
    def hides_history(self) -> bool:
        """Whether nobody beyond the trusted may learn whom the call was meant for (RFC 7044 §10.1.2)."""
        return bool(self.values & {"history", "header"}) and "none" not in self.values

    @property
    def unmet(self) -> frozenset[str]:
        """What a critical wish asks for that nobody here can do (RFC 3323 §5.1: it must not go on then)."""
        return self.values - HONOURED if self.critical else frozenset()

    def __str__(self) -> str:
        return ";".join([*sorted(self.values), *(["critical"] if self.critical else [])])


def parse_privacy(value: str) -> Privacy:
    """The values of a Privacy header, apart by semicolons, or as some write it by commas."""
    words = value.lower().replace(",", ";").replace("\n", ";").split(";")
    values = frozenset(filter(None, (word.strip(" \t") for word in words[:MAX_VALUES])))
    return Privacy(values - {"critical"}, "critical" in values)


def is_anonymous(uri: SipUri) -> bool:
    """Whether a URI says that its owner stays unknown (RFC 3323 §4.1.1.3, RFC 8217 for the host)."""
    return uri.host.endswith("anonymous.invalid") or uri.user.lower() == "anonymous"
