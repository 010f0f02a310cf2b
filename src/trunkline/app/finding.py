"""How requests find their servers, put together from the settings."""

from __future__ import annotations

import asyncio

from trunkline.app.addresses import parse_host_port
from trunkline.app.settings import Dns, Settings
from trunkline.mobile.domains import DomainList, GuardedLocator
from trunkline.net import Net
from trunkline.net.dns import DnsSettings, Locator, Lookups, transports_of
from trunkline.ua.next_hops import NextHops


class Finding:
    """``next_hops`` is what calls and registrations ask; ``lookups`` counts what name servers were asked."""

    def __init__(self, settings: Settings, net: Net, loop: asyncio.AbstractEventLoop) -> None:
        chosen = dns_settings(settings.dns)
        self.lookups = Lookups(loop, chosen)
        self.locator = Locator(self.lookups, lambda: transports_of(net.listeners), chosen)
        self._open_flow, self._now = net.flow_to, loop.time
        self.next_hops = NextHops(self.locator, net.flow_to, loop.time, settings.sip.next_hop_s)

    def guarded(self, listed: DomainList) -> NextHops:
        """For names that apps give us: what the operator has not named leads nowhere inside."""
        hops = self.next_hops
        return NextHops(GuardedLocator(self.locator, listed), self._open_flow, self._now, hops.patience_s)

    def adjust(self, settings: Settings) -> None:
        """A reload has changed ``[dns]`` or ``sip.next_hop_s``: from the next request on."""
        self.locator.adjust(dns_settings(settings.dns))
        self.next_hops.patience_s = settings.sip.next_hop_s

    async def stop(self) -> None:
        """Give up what is being looked up."""
        await self.locator.stop()


def dns_settings(dns: Dns) -> DnsSettings:
    """What ``net.dns`` wants to know."""
    servers = (parse_host_port(server) for server in dns.servers)
    return DnsSettings(
        servers=tuple((server.host, server.port or 53) for server in servers),
        timeout_s=dns.timeout_s,
        question_timeout_s=dns.question_timeout_s,
        cache_size=dns.cache_size,
        min_ttl_s=dns.min_ttl_s,
        max_ttl_s=dns.max_ttl_s,
        max_negative_ttl_s=dns.max_negative_ttl_s,
        stale_s=dns.stale_s,
    )
