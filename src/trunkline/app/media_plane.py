"""Which media engine there is, by the settings, and how it does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from trunkline.app.addresses import parse_host_port
from trunkline.app.from_settings import media_settings
from trunkline.app.settings import Settings
from trunkline.base.messages.exchange import MediaInstanceRow
from trunkline.media.embedded import EmbeddedMediaEngine
from trunkline.media.engine import MediaEngine
from trunkline.media.mixed import MixedEngine
from trunkline.media.ng.engine import RtpengineCluster
from trunkline.media.ng.plan import ClusterPlan, InstancePlan
from trunkline.store.secret_box import SecretBox


def media_engine(settings: Settings, mark: str = "") -> MediaEngine:
    """The engine in this process; with ``media.engine`` = ``rtpengine`` a cluster beside it.

    ``mark`` tells our calls at rtpengines from those of others; it stays the same over restarts.
    """
    embedded = EmbeddedMediaEngine(media_settings(settings))
    if settings.media.engine == "embedded":
        return embedded
    return MixedEngine(embedded, RtpengineCluster(replace(cluster_plan(settings), mark=mark)))


def call_mark(box: SecretBox, node: int) -> str:
    """What tells our calls at rtpengines from those of others, nodes with the same key file included."""
    return box.derive(f"rtpengine calls {node}").hex()[:12]


def cluster_plan(settings: Settings) -> ClusterPlan:
    """What the settings say of rtpengine."""
    given = settings.media.rtpengine
    weights = given.weights or (1,) * len(given.instances)
    keys_at = parse_host_port(given.keys_at) if given.keys_at != "off" else None
    return ClusterPlan(
        tuple(InstancePlan(url, weight) for url, weight in zip(given.instances, weights, strict=True)),
        timeout_s=given.timeout_s,
        ping_s=given.ping_s,
        inactivity_s=settings.media.inactivity_s,
        ca=str(Path(given.ca).expanduser()) if given.ca else "",
        keys_at=(keys_at.host, keys_at.port) if keys_at is not None and keys_at.port else None,
    )


def media_rows(engine: MediaEngine) -> tuple[MediaInstanceRow, ...]:
    """The instances of rtpengine; none without them."""
    if not isinstance(engine, MixedEngine):
        return ()
    return tuple(
        MediaInstanceRow(
            one.name, one.state, one.since_s, one.sessions, one.sessions_all, one.failures, one.draining
        )
        for one in engine.states()
    )


def media_troubles(engine: MediaEngine) -> Iterator[str]:
    """A line for whatever keeps calls from being heard."""
    rows = media_rows(engine)
    for one in rows:
        if one.state == "down":
            yield f"rtpengine {one.name} does not answer: trunkline check pings it"
        elif one.draining:
            yield f"rtpengine {one.name} gets no new calls: trunkline media drain {one.name} --undo"
    if rows and not any(one.state == "up" and not one.draining for one in rows):
        yield "no rtpengine takes calls: those between parties are refused"
    elif engine.snapshot().ports_free == 0:
        yield "no media port is free: widen [media] ports"
