"""Accounts of mobile apps: whose they may be, and whether the exchanges that they belong to are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias

from trunkline.app.addresses import is_ip
from trunkline.app.check import domain
from trunkline.app.check.domain import FindAddresses, FindServers, NoAnswer
from trunkline.app.check.finding import Case, Finding, Findings
from trunkline.app.check.running import answer_to_options
from trunkline.app.settings import Settings

_say = Findings("accounts")
_SERVICE: Final = "_sip._udp"
_PORT: Final = 5060
# More would take longer than anybody waits, and the first few tell whether there is a way out at all.
MOST: Final = 16

AskOptions: TypeAlias = Callable[[str, str, int], str]


def accounts(case: Case) -> Iterator[Finding]:
    """The list of domains, then each domain that it names."""
    settings = case.loaded.settings
    if settings.api.address is None:
        return
    yield from listed(settings)
    named = [one for one in settings.mobile.domains if not one.startswith("*")]
    with ThreadPoolExecutor(max_workers=MOST) as pool:
        looked = pool.map(lambda one: list(_look(one, settings)), named[:MOST])
        for found in looked:
            yield from found
    if len(named) > MOST:
        yield _say.ok(f"the other {len(named) - MOST} domains were not looked at")


def listed(settings: Settings) -> Iterator[Finding]:
    """Who may bring an account: nobody, or everybody, is seldom meant."""
    mobile = settings.mobile
    if mobile.is_open:
        yield _say.warn(
            "mobile.domains is open to every domain: whoever has an account anywhere calls through here",
            "name the domains that you serve",
        )
    elif not mobile.domains and settings.exchange.enabled:
        yield _say.ok("apps may bring accounts of our own extensions alone (mobile.domains is empty)")
    elif not mobile.domains:
        yield _say.fail(
            "mobile.domains is empty: no app can bring an account",
            'name the domains that you serve, as in mobile.domains = ["pbx.example.com"]',
        )


def _look(name: str, settings: Settings) -> Iterator[Finding]:
    return server(
        name, domain.find_addresses, lambda service: domain.find_servers(service, settings), answer_to_options
    )


def server(name: str, addresses: FindAddresses, servers: FindServers, ask: AskOptions) -> Iterator[Finding]:
    """Whether a domain leads to a server (RFC 3263), and whether that answers OPTIONS by UDP."""
    host, port = name.strip("[]"), _PORT
    if not is_ip(host):
        try:
            found = servers(f"{_SERVICE}.{host}")
        except NoAnswer as silence:
            yield _say.warn(f"{name}: {silence}", "look at the name servers of this host (/etc/resolv.conf)")
            return
        host, port = found[0] if found else (host, port)
    led = [host] if is_ip(host) else sorted(addresses(host))
    if not led:
        yield _say.fail(
            f"{name}: {host} has no address in DNS", "mend the name, or DNS: nobody can register there"
        )
        return
    try:
        said = ask("udp", led[0], port)
    except OSError as error:
        why = "no answer" if isinstance(error, TimeoutError) else (error.strerror or str(error)).lower()
        yield _say.warn(
            f"{name}: {led[0]}:{port} says nothing to OPTIONS by UDP: {why}",
            "right when it takes other transports alone, or never answers OPTIONS: else look at the firewall",
        )
        return
    yield _say.ok(f"{name} leads to {led[0]}:{port}, which answers {said[8:] or said}")
