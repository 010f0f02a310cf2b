"""Views of a running exchange, and of the store alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from trunkline.app.explain.view import Live, MediaView, View
from trunkline.app.from_settings import media_settings
from trunkline.model.tenant import SystemScope
from trunkline.pbx.directory import Directory
from trunkline.pbx.route import Snapshot
from trunkline.registrar.location import Location
from trunkline.store.store import Store

if TYPE_CHECKING:
    from trunkline.app.exchange import Exchange


def view_of_store(store: Store, directory: Directory) -> View:
    """Numbers and bindings; nothing of what only a process knows."""
    now = time.time()
    location = Location()
    location.restore(
        store.bindings.load_all(SystemScope("a dry run decides as the exchange would"), now), now
    )

    def reach(tenant: str, number: str) -> int:
        return len(location.of(tenant, number, now))

    return View(Snapshot(directory, reach), lambda tenant, number: location.of(tenant, number, now), now)


def view_of(exchange: Exchange) -> View:
    """The exchange as it is at this moment."""
    wall = exchange.wall()
    location = exchange.location
    media = media_settings(exchange.settings)
    told = {4: media.advertise or media.address, 6: media.advertise6 or media.address6}
    if ":" in media.address:
        told = {4: "", 6: told[4]}
    return View(
        exchange.snapshot,
        lambda tenant, number: location.of(tenant, number, wall),
        wall,
        exchange.policy,
        exchange.reaching.profile,
        Live(
            exchange.fence,
            exchange.endpoint.now(),
            exchange.net.listeners,
            exchange.net.flow_from_token,
            MediaView(
                {family: one or None for family, one in told.items()},
                exchange.engine.snapshot().ports_free,
                exchange.settings.media.engine == "rtpengine",
                exchange.settings.media.encryption,
            ),
            exchange.endpoint.draining,
            exchange.endpoint.overload.level,
            exchange.trunking.trunks,
            exchange.reaching.instance,
            lambda host: peer.name if (peer := exchange.peers.peer_at(host)) is not None else "",
            exchange.mobile.labels,
        ),
        exchange.attempts,
        exchange.reaching.push,
    )
