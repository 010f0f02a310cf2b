"""Finding SIP servers by name: RFC 3263 over SRV, NAPTR, A and AAAA records.

``selection`` decides and does no I/O; ``locator`` asks; ``lookups`` remembers.
"""

from trunkline.net.dns.locator import Locator, transports_of
from trunkline.net.dns.lookups import Lookups
from trunkline.net.dns.records import Hop, NotLocated
from trunkline.net.dns.settings import DnsSettings

__all__ = ["DnsSettings", "Hop", "Locator", "Lookups", "NotLocated", "transports_of"]
