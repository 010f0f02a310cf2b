"""Where each metric family reads: callables over the exchange's plain counters."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from trunkline.app.log_stream import GuardedStream
from trunkline.app.media_plane import media_rows
from trunkline.app.metrics import Gauges
from trunkline.app.mobile_status import device_states, push_rows
from trunkline.push.notification import Outcome

if TYPE_CHECKING:
    from trunkline.app.exchange import Exchange


def gauges_of(exchange: Exchange, stream: GuardedStream) -> Gauges:
    """The mapping that ``make_registry`` takes."""
    layer, net = exchange.endpoint.layer, exchange.net.counters
    registered = exchange.registrar.counters
    admitted = exchange.authenticator.counters
    fenced = exchange.fence.counters
    names, large = exchange.finding.lookups.counters, exchange.endpoint.large
    pushed = exchange.push.pushers.figures

    def rtp() -> dict[str, float]:
        return {"relayed": exchange.engine.snapshot().packets_relayed}

    def dropped() -> dict[str, float]:
        counters = exchange.engine.snapshot()
        return {"stray": counters.packets_stray, "unsent": counters.packets_unsent}

    def fates() -> dict[str, float]:
        total = sum((one.outcomes for one in pushed().values()), Counter[Outcome]())
        return {outcome.value: count for outcome, count in total.items()}

    return {
        "registrations": lambda: len({(one.tenant, one.user) for one in exchange.location}),
        "bindings": lambda: exchange.location.count,
        "register_requests": lambda: {
            "added": registered.registered,
            "refreshed": registered.refreshed,
            "removed": registered.removed,
            "challenged": registered.challenged,
            "refused": registered.refused,
        },
        "auth_failures": lambda: admitted.wrong + admitted.stale,
        "auth_attempts": lambda: fenced.attempts,
        "bans_active": lambda: len(exchange.fence.shut),
        "bans": lambda: fenced.bans,
        "messages_ignored": lambda: {
            "barred": fenced.barred,
            "muted": fenced.muted,
            "flooded": fenced.flooded,
        },
        "transactions": lambda: {"client": len(layer.clients), "server": len(layer.servers)},
        "dialogs": lambda: len(exchange.endpoint.sessions),
        "timers": lambda: exchange.endpoint.wheel.count,
        "calls_active": lambda: len(exchange.calls.active),
        "calls": lambda: dict(exchange.calls.outcomes),
        "calls_one_way": lambda: exchange.context.quality.one_way,
        "legs_heard": lambda: dict(exchange.context.quality.legs),
        "media_expected": lambda: exchange.context.quality.packets,
        "media_lost": lambda: exchange.context.quality.lost,
        "messages_received": lambda: (
            {"udp": net.datagrams_in} | {each.lower(): one.messages_in for each, one in net.streams.items()}
        ),
        "messages_sent": lambda: (
            {"udp": net.datagrams_out} | {each.lower(): one.messages_out for each, one in net.streams.items()}
        ),
        "overload_refused": lambda: dict(exchange.endpoint.overload.refused),
        "overload": lambda: exchange.endpoint.overload.ratio,
        "parse_errors": lambda: layer.counters.parse_errors + net.framing_errors,
        "retransmissions": lambda: layer.counters.absorbed,
        "connections": lambda: {each.lower(): one.connections for each, one in net.streams.items()},
        "handshakes_failed": lambda: {
            each.lower(): one.handshakes_failed for each, one in net.streams.items() if each != "TCP"
        },
        "dns_lookups": lambda: {
            "asked": names.asked,
            "remembered": names.remembered,
            "stale": names.stale,
            "failed": names.failed,
        },
        "subscriptions": lambda: dict(
            Counter(one.package.event for one in exchange.events.notifier.subscriptions.values())
        ),
        "notifications": lambda: exchange.events.notifier.counters.notified,
        "publications": lambda: exchange.events.publications.count,
        "texts_waiting": lambda: exchange.text_queue.count,
        "pushes": fates,
        "pushes_sent": lambda: {service: one.outcomes[Outcome.SENT] for service, one in pushed().items()},
        "pushes_failed": lambda: {service: one.failed for service, one in pushed().items()},
        "push_seconds": lambda: {service: one.seconds for service, one in pushed().items()},
        "push_queue": lambda: {one.service: one.queued for one in exchange.push.pushers.health()},
        "push_failing": lambda: {
            one.service: one.state in {"failing", "suspect"} for one in push_rows(exchange.push.health())
        },
        "devices": lambda: device_states(exchange.mobile.book),
        "accounts": exchange.mobile.accounts.by_state,
        "api_under_way": exchange.mobile.api_figures,
        "api_refused": exchange.mobile.api_refused,
        "large_requests": lambda: {"by_tcp": large.by_tcp, "came_back": large.came_back},
        "media_ports_open": lambda: exchange.engine.snapshot().ports_open,
        "media_ports_free": lambda: exchange.engine.snapshot().ports_free,
        "media_instances": lambda: {one.name: one.state == "up" for one in media_rows(exchange.engine)},
        "media_sessions": lambda: {one.name: one.sessions for one in media_rows(exchange.engine)},
        "media_failures": lambda: {one.name: one.failures for one in media_rows(exchange.engine)},
        "rtp_packets": rtp,
        "rtp_in_kernel": lambda: exchange.engine.snapshot().kernel_packets,
        "rtp_dropped": dropped,
        "writer_queue": lambda: exchange.writer.queued,
        "trunks": exchange.trunking.trunks.states,
        "tasks": lambda: len(asyncio.all_tasks()),
        "log_dropped": lambda: stream.dropped,
    }
