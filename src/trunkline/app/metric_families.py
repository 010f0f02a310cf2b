"""The metric families: names, kinds and meaning in one table, from which docs/reference/metrics.md is made.

``python -m trunkline.app.metric_families`` writes that page to standard output.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Family:
    """``source`` is the key in the gauges mapping; ``label`` names the label when its value is a mapping."""

    source: str
    name: str
    kind: Literal["gauge", "counter"]
    help: str
    label: str = ""


FAMILIES = (
    Family("registrations", "trunkline_registrations", "gauge", "Extensions with at least one live binding"),
    Family("bindings", "trunkline_bindings", "gauge", "Live bindings (registered contacts)"),
    Family("register_requests", "trunkline_register_requests", "counter", "REGISTER by outcome", "outcome"),
    Family("auth_failures", "trunkline_auth_failures", "counter", "Requests with wrong or stale credentials"),
    Family(
        "auth_attempts",
        "trunkline_auth_attempts",
        "counter",
        "Wrong passwords and unknown users, as they count",
    ),
    Family("bans_active", "trunkline_bans_active", "gauge", "Sources that are banned now"),
    Family("bans", "trunkline_bans", "counter", "Bans so far"),
    Family(
        "messages_ignored",
        "trunkline_sip_messages_ignored",
        "counter",
        "Not answered: barred at the socket, muted in a banned source, flooded by strangers",
        "reason",
    ),
    Family("transactions", "trunkline_transactions", "gauge", "Transactions that are alive", "kind"),
    Family("dialogs", "trunkline_dialogs", "gauge", "Dialogs that are alive"),
    Family("subscriptions", "trunkline_subscriptions", "gauge", "Subscriptions that are alive", "event"),
    Family("notifications", "trunkline_notifications", "counter", "NOTIFYs sent to subscribers"),
    Family("publications", "trunkline_publications", "gauge", "Presence documents that phones published"),
    Family("texts_waiting", "trunkline_texts_waiting", "gauge", "Texts that their readers have yet to take"),
    Family(
        "pushes", "trunkline_pushes", "counter", "Notifications for apps, by what became of them", "outcome"
    ),
    Family("pushes_sent", "trunkline_pushes_sent", "counter", "Notifications that a service took", "service"),
    Family(
        "pushes_failed", "trunkline_pushes_failed", "counter", "Notifications that it did not take", "service"
    ),
    Family(
        "push_seconds",
        "trunkline_push_seconds",
        "counter",
        "Time that notifications took, waiting and retries with it",
        "service",
    ),
    Family("push_queue", "trunkline_push_queue", "gauge", "Notifications that wait for a service", "service"),
    Family(
        "push_failing",
        "trunkline_push_failing",
        "gauge",
        "1 for a push service that is in trouble, or refuses tokens as wrong settings would make it",
        "service",
    ),
    Family("devices", "trunkline_devices", "gauge", "Mobile devices: ok, or disabled for pushes", "state"),
    Family("accounts", "trunkline_accounts", "gauge", "Accounts of mobile devices by registration", "state"),
    Family(
        "api_under_way",
        "trunkline_api_under_way",
        "gauge",
        "Requests, event streams and long-polls of the API",
        "kind",
    ),
    Family(
        "api_refused",
        "trunkline_api_refused",
        "counter",
        "API connections and requests of a source that had enough",
    ),
    Family("timers", "trunkline_timers", "gauge", "Armed protocol timers"),
    Family("calls_active", "trunkline_calls_active", "gauge", "Calls that are up or ringing"),
    Family("calls", "trunkline_calls", "counter", "Calls that ended, by outcome", "outcome"),
    Family(
        "calls_one_way",
        "trunkline_calls_one_way",
        "counter",
        "Calls in which one party was not heard at all while the other one was",
    ),
    Family(
        "legs_heard",
        "trunkline_legs_heard",
        "counter",
        "Legs that ended, by how well their party was heard (G.107: good from 4.03, fair 3.6, poor 3.1)",
        "quality",
    ),
    Family(
        "media_expected",
        "trunkline_media_packets_expected",
        "counter",
        "RTP packets that the parties of ended calls sent, lost ones with them",
    ),
    Family("media_lost", "trunkline_media_packets_lost", "counter", "RTP packets of them that never came"),
    Family(
        "messages_received",
        "trunkline_sip_messages_received",
        "counter",
        "SIP messages received",
        "transport",
    ),
    Family("messages_sent", "trunkline_sip_messages_sent", "counter", "SIP messages sent", "transport"),
    Family(
        "overload",
        "trunkline_overload",
        "gauge",
        "The load as a multiple of sip.overload: from 1 on new calls are refused, from 2 on all that is new",
    ),
    Family(
        "overload_refused",
        "trunkline_overload_refused",
        "counter",
        "New requests that got 503 because there was more to do than time",
        "method",
    ),
    Family("parse_errors", "trunkline_sip_parse_errors", "counter", "Messages that were no SIP"),
    Family(
        "retransmissions", "trunkline_sip_retransmissions", "counter", "Requests and responses sent again"
    ),
    Family("connections", "trunkline_connections", "gauge", "Open SIP connections", "transport"),
    Family(
        "handshakes_failed",
        "trunkline_handshake_failures",
        "counter",
        "Connections whose TLS or WebSocket handshake failed",
        "transport",
    ),
    Family(
        "dns_lookups",
        "trunkline_dns_lookups",
        "counter",
        "Questions about names: asked of name servers, answered from memory, served past their time, failed",
        "outcome",
    ),
    Family(
        "large_requests",
        "trunkline_sip_large_requests",
        "counter",
        "Requests of ours too large for a datagram: gone by TCP, and of these come back to UDP",
        "outcome",
    ),
    Family("media_ports_open", "trunkline_media_ports_open", "gauge", "Media ports in use"),
    Family("media_ports_free", "trunkline_media_ports_free", "gauge", "Media ports left"),
    Family(
        "media_instances",
        "trunkline_media_instances_up",
        "gauge",
        "Whether each rtpengine that relays calls is up",
        "instance",
    ),
    Family(
        "media_sessions",
        "trunkline_media_instance_calls",
        "gauge",
        "Calls of ours on each rtpengine",
        "instance",
    ),
    Family(
        "media_failures",
        "trunkline_media_instance_failures",
        "counter",
        "How often each rtpengine went down",
        "instance",
    ),
    Family("rtp_packets", "trunkline_rtp_packets", "counter", "RTP packets", "direction"),
    Family(
        "rtp_in_kernel",
        "trunkline_rtp_packets_in_kernel",
        "counter",
        "RTP packets passed in the kernel, of those relayed",
    ),
    Family("rtp_dropped", "trunkline_rtp_dropped", "counter", "RTP packets dropped, by reason", "reason"),
    Family("trunks", "trunkline_trunks", "gauge", "Trunks by state", "state"),
    Family("writer_queue", "trunkline_writer_queue", "gauge", "Writes waiting for the store"),
    Family("tasks", "trunkline_event_loop_tasks", "gauge", "Tasks of the event loop"),
    Family(
        "log_dropped",
        "trunkline_log_lines_dropped",
        "counter",
        "Log lines dropped: standard error was blocked",
    ),
)
BUILD = ("trunkline_build", "Version of Trunkline and of Python")
FAILED = ("trunkline_scrape_failures", "Metrics that could not be read in this scrape")

_INTRO = """# Metrics

This page is generated from the table of metric families (`make docs`).

Prometheus reads them from `http://127.0.0.1:9090/metrics` (`[metrics] listen`); `/health` on the same port
answers 200 while the event loop turns. Counters end in `_total`. Beside these stand the process's own
(`process_resident_memory_bytes`, `process_cpu_seconds_total`, `process_open_fds` and others).

| metric | kind | label | meaning |
|---|---|---|---|
"""


def reference() -> str:
    """The whole page."""
    lines = []
    for family in FAMILIES:
        name = f"{family.name}_total" if family.kind == "counter" else family.name
        label = f"`{family.label}`" if family.label else ""
        lines.append(f"| `{name}` | {family.kind} | {label} | {family.help} |")
    lines.append(f"| `{BUILD[0]}_info` | info | `version`, `python` | {BUILD[1]} |")
    lines.append(f"| `{FAILED[0]}` | gauge | | {FAILED[1]} |")
    return _INTRO + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
