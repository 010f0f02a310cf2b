"""Peers and signatures: from the settings to the door of peers, the signer and the verifier."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from trunkline.app.from_settings import fence_policy
from trunkline.app.live_parts import Always, Apply, nothing
from trunkline.app.settings import Settings
from trunkline.app.settings.stir import Peer as PeerSettings
from trunkline.app.settings.stir import Stir
from trunkline.base.errors import ConfigError
from trunkline.call.identity import IdentityPolicy, Source
from trunkline.call.verification import Mode
from trunkline.net.fence.source import Network
from trunkline.net.flow import Flow
from trunkline.net.https import HttpsClient
from trunkline.pbx.directory import Directory
from trunkline.pbx.peer_door import Peer
from trunkline.ua.stir import (
    Certificates,
    Fetched,
    Ownership,
    StirSigner,
    StirVerifier,
    load_anchors,
    load_key,
)
from trunkline.ua.stir.certificates import Fetch
from trunkline.ua.stir.signing import Attestation

if TYPE_CHECKING:
    from trunkline.app.exchange import Exchange

SOURCE: Final = "settings"
_UNKNOWN: Final[dict[str, Attestation]] = {"B": "B", "C": "C", "none": ""}


class Signatures(NamedTuple):
    """What signs and what checks; None where there is no key, or no anchor."""

    signer: StirSigner | None = None
    verifier: StirVerifier | None = None


def signatures_of(stir: Stir, wall: Callable[[], float]) -> Signatures:
    """Read the key and the anchors; raises ConfigError."""
    signer = verifier = None
    if stir.key and stir.certificate_url:
        key = load_key(Path(stir.key).expanduser(), stir.certificate_url, SOURCE)
        signer = StirSigner(key, Ownership(stir.numbers, _UNKNOWN[stir.unknown]), wall)
    if stir.anchors:
        anchors = load_anchors(Path(stir.anchors).expanduser(), SOURCE)
        verifier = StirVerifier(
            Certificates(fetch_of(stir), anchors),
            wall,
            max_age_s=stir.max_age_s,
            date_skew_s=stir.date_skew_s or None,
        )
    return Signatures(signer, verifier)


def fetch_of(stir: Stir) -> Fetch:
    """What gets certificates from web servers; raises ConfigError."""
    client = HttpsClient(_context(stir.web_ca), inside=stir.networks)

    async def fetch(url: str) -> Fetched:
        return Fetched(*await client.get(url))

    return fetch


def _context(web_ca: str | None) -> ssl.SSLContext:
    """Raises ConfigError."""
    if web_ca is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=Path(web_ca).expanduser())
    except (OSError, ssl.SSLError) as error:
        expected = "a PEM file of one or more certificates"
        raise ConfigError(SOURCE, "stir.web_ca", web_ca, expected, error.strerror or "") from error


class Peers:
    """The peers of the settings, found by address."""

    def __init__(self, directory: Directory, settings: Settings) -> None:
        self._directory = directory
        self._peers: list[tuple[tuple[Network, ...], PeerSettings]] = []
        self.adjust(settings)

    def adjust(self, settings: Settings) -> None:
        """Take new settings over."""
        self._peers = [(one.networks, one) for one in settings.peers]

    def peer_of(self, flow: Flow) -> Peer | None:
        """Whose flow it is, None for nobody's; nobody's too when its tenant is gone."""
        return self.peer_at(flow.remote[0]) if self._peers else None

    def peer_at(self, host: str) -> Peer | None:
        """The same by the address alone."""
        address = ipaddress.ip_address(host.partition("%")[0])
        for networks, one in self._peers:
            if any(address in network for network in networks):
                return self._made(one)
        return None

    def _made(self, one: PeerSettings) -> Peer | None:
        owner = self._directory.owner_of(one.domain or self._directory.fallback_domain)
        if owner is None:
            return None
        policy = IdentityPolicy(trusted=one.trusted, identity=tuple(map(Source, one.identity)))
        return Peer(one.name, owner.id, policy, Mode(one.verify))


class Peering(Always):
    """Key, anchors and peers, read anew by a reload."""

    keys = frozenset(
        {
            "peers",
            "stir.anchors",
            "stir.certificate_url",
            "stir.date_skew_s",
            "stir.inside",
            "stir.key",
            "stir.max_age_s",
            "stir.numbers",
            "stir.unknown",
            "stir.web_ca",
        }
    )

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def prepare(self, new: Settings, changed: frozenset[str], undo: AsyncExitStack) -> Apply:
        exchange = self._exchange
        if not changed & self.keys and not (new.stir.key or new.stir.anchors):
            return nothing  # files are read again even though their names are the same
        made = await asyncio.to_thread(signatures_of, new.stir, exchange.wall)

        async def apply() -> str:
            exchange.peers.adjust(new)
            exchange.fence.adjust(fence_policy(new))
            exchange.take_signatures(made)
            return ""

        return apply

    async def check(self, new: Settings, changed: frozenset[str]) -> None:
        await asyncio.to_thread(signatures_of, new.stir, self._exchange.wall)
