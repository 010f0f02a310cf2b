"""The parts of a running exchange that take new settings over, each with the keys it answers for.

Whatever may fail happens while a part prepares; the change itself only sets values.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Protocol, TypeAlias

from trunkline.app.from_settings import (
    encryption_of,
    event_policy,
    fence_policy,
    listeners_of,
    overload_policy,
    registrar_policy,
    ringback_of,
    text_policy,
    timer_policy,
)
from trunkline.app.log_stream import GuardedStream
from trunkline.app.logs import setup_logs
from trunkline.app.metrics_server import MetricsServer
from trunkline.app.settings import Listener as ListenerSettings
from trunkline.app.settings import Settings
from trunkline.app.settings.sip import share_a_port
from trunkline.base.errors import TransportError
from trunkline.net import Listener

if TYPE_CHECKING:
    from trunkline.app.exchange import Exchange

Apply: TypeAlias = Callable[[], Awaitable[str]]
Take: TypeAlias = "Callable[[Exchange, Settings], None]"


class Part(Protocol):
    """``keys`` are the settings it takes over."""

    keys: frozenset[str]

    def able(self, old: Settings, new: Settings) -> frozenset[str]:
        """Which of them it can take over in this case: usually all."""
        ...

    async def prepare(self, new: Settings, changed: frozenset[str], undo: AsyncExitStack) -> Apply:
        """Do all that may fail (ConfigError, TransportError), with its reversal on ``undo``.

        The result makes the change and cannot fail; its text says what was done beyond the keys. It is
        asked for with every reload: ``changed`` may be without any of its keys.
        """
        ...

    async def check(self, new: Settings, changed: frozenset[str]) -> None:
        """What a dry run does in the place of ``prepare``: read every file that it would read, and change nothing.

        Raises the ConfigError that ``prepare`` would raise. Sockets are not opened.
        """
        ...


class Always:
    """A part that can take its keys over in every case."""

    keys: frozenset[str] = frozenset()

    def able(self, old: Settings, new: Settings) -> frozenset[str]:
        return self.keys

    async def check(self, new: Settings, changed: frozenset[str]) -> None:
        """Most parts read no files."""


async def nothing() -> str:
    """The change of a part that has none to make."""
    return ""


def _registrar(exchange: Exchange, new: Settings) -> None:
    exchange.policy = exchange.reaching.policy = registrar_policy(new)
    exchange.registrar.adjust(exchange.policy)


def _ring_timeout(exchange: Exchange, new: Settings) -> None:
    exchange.context.ring_timeout_s = new.sip.ring_timeout_s


def _max_forwards(exchange: Exchange, new: Settings) -> None:
    exchange.context.max_forwards = new.sip.max_forwards


def _early_media(exchange: Exchange, new: Settings) -> None:
    exchange.context.early_media = new.sip.early_media


def _reliable_provisionals(exchange: Exchange, new: Settings) -> None:
    exchange.endpoint.set_reliable_provisionals(new.sip.reliable_provisionals)


def _media(exchange: Exchange, new: Settings) -> None:
    exchange.context.encryption = encryption_of(new)
    exchange.context.converts = new.media.convert
    exchange.context.ringback = ringback_of(new)
    exchange.context.translates_keys = new.sip.dtmf == "translate"


def _sdp_profile(exchange: Exchange, new: Settings) -> None:
    exchange.reaching.profile = new.sip.sdp_profile


def _fence(exchange: Exchange, new: Settings) -> None:
    exchange.fence.adjust(fence_policy(new))


def _finding(exchange: Exchange, new: Settings) -> None:
    exchange.finding.adjust(new)


def _tcp_within(exchange: Exchange, new: Settings) -> None:
    exchange.endpoint.large.within_s = new.sip.tcp_within_s


def _texts(exchange: Exchange, new: Settings) -> None:
    exchange.text_queue.policy = text_policy(new)


def _session_timer(exchange: Exchange, new: Settings) -> None:
    exchange.endpoint.set_session_timers(timer_policy(new))


def _overload(exchange: Exchange, new: Settings) -> None:
    exchange.endpoint.overload.policy = overload_policy(new)


def _events(exchange: Exchange, new: Settings) -> None:
    exchange.events.policy = event_policy(new)


def _mobile(exchange: Exchange, new: Settings) -> None:
    exchange.mobile.adjust(new)


def _read_from_settings(_exchange: Exchange, _new: Settings) -> None:
    """``exchange.settings`` itself is read when the value is needed."""


_EXCHANGE: dict[tuple[str, ...], Take] = {
    (
        "sip.max_contacts",
        "sip.nat",
        "sip.registration.default_expires_s",
        "sip.registration.max_expires_s",
        "sip.registration.min_expires_s",
        "sip.registration.path",
        "sip.registration.service_route",
    ): _registrar,
    ("sip.ring_timeout_s",): _ring_timeout,
    ("sip.sdp_profile",): _sdp_profile,
    ("media.browsers", "media.convert", "media.encryption", "media.tones", "sip.dtmf"): _media,
    (
        "sip.grace_s",
        "limits.calls_per_extension",
        "recording.channels",
        "recording.format",
        "recording.keep_free_mb",
        "recording.max_duration_s",
        "transfers.pickup",
        "transfers.recall",
    ): _read_from_settings,
    (
        "guard.attempts",
        "guard.enabled",
        "guard.first_s",
        "guard.longest_s",
        "guard.strangers",
        "guard.trusted",
        "guard.window_s",
    ): _fence,
    (
        "mobile.answer_timeout_s",
        "mobile.cancel_push",
        "mobile.contact_timeout_s",
        "mobile.domains",
        "mobile.expires_s",
        "mobile.inside",
        "mobile.live_patience_s",
        "mobile.max_calls",
        "mobile.max_devices",
        "mobile.media",
        "mobile.no_answer_status",
        "mobile.place_timeout_s",
        "mobile.provisional",
        "mobile.purge_days",
        "mobile.registrars",
        "mobile.show_caller",
    ): _mobile,
    ("sip.max_forwards",): _max_forwards,
    ("sip.early_media",): _early_media,
    ("sip.reliable_provisionals",): _reliable_provisionals,
    (
        "dns.cache_size",
        "dns.max_negative_ttl_s",
        "dns.max_ttl_s",
        "dns.min_ttl_s",
        "dns.question_timeout_s",
        "dns.servers",
        "dns.stale_s",
        "dns.timeout_s",
        "sip.next_hop_s",
    ): _finding,
    ("sip.tcp_within_s",): _tcp_within,
    (
        "sip.session_timer.expires_s",
        "sip.session_timer.min_se_s",
        "sip.session_timer.mode",
    ): _session_timer,
    (
        "sip.overload.enabled",
        "sip.overload.lag_s",
        "sip.overload.retry_after_s",
    ): _overload,
    ("texts.keep_days", "texts.most", "texts.most_of_one"): _texts,
    (
        "events.default_expires_s",
        "events.in_all",
        "events.interval_s",
        "events.lists",
        "events.max_expires_s",
        "events.min_expires_s",
        "events.per_extension",
        "events.per_tenant",
        "events.show_callers",
        "events.unsolicited_mwi",
    ): _events,
}


class ExchangeValues(Always):
    """What the exchange's objects read with every request or call: it is set, and holds from the next one on."""

    keys = frozenset(key for keys in _EXCHANGE for key in keys)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def prepare(self, new: Settings, changed: frozenset[str], undo: AsyncExitStack) -> Apply:
        async def apply() -> str:
            for keys, take in _EXCHANGE.items():
                if changed.intersection(keys):
                    take(self._exchange, new)
            return ""

        return apply


class LogSettings(Always):
    """A reload also ends levels that were set at run time: the file's hold again."""

    keys = frozenset({"log.format", "log.level"})

    def __init__(self, stream: GuardedStream) -> None:
        self._stream = stream

    async def prepare(self, new: Settings, changed: frozenset[str], undo: AsyncExitStack) -> Apply:
        async def apply() -> str:
            setup_logs(new.log.level, new.log.format, self._stream)
            return ""

        return apply


class Certificates(Always):
    """Read anew with every reload, whatever the settings say; it is the last part, for it cannot be undone."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def prepare(self, new: Settings, changed: frozenset[str], undo: AsyncExitStack) -> Apply:
        count = await asyncio.to_thread(self._exchange.net.tls.read_anew)

        async def apply() -> str:
            if not count:
                return ""
            return f"{count} {'certificate' if count == 1 else 'certificates'} read anew"

        return apply

    async def check(self, new: Settings, changed: frozenset[str]) -> None:
        await asyncio.to_thread(self._exchange.net.tls.check)


class Listeners:
    """Listeners come and go; the flows of those that go are closed.

    One whose port stays while something else of it changes waits for a restart: its socket would be gone for a
    moment, and might not come back.
    """

    keys = frozenset({"sip.advertise", "sip.listen"})

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._served: dict[ListenerSettings, Listener] = {}

    def able(self, old: Settings, new: Settings) -> frozenset[str]:
        gone = set(old.sip.listen) - set(new.sip.listen)
        fresh = set(new.sip.listen) - set(old.sip.listen)
        clash = any(share_a_port(one, other) for one in fresh for other in gone)
        return frozenset() if clash else self.keys

    async def prepare(self, new: Settings, changed: frozenset[str], undo: AsyncExitStack) -> Apply:
        if "sip.listen" not in changed:
            return nothing
        exchange = self._exchange
        if not self._served:
            self._served = dict(zip(exchange.settings.sip.listen, exchange.net.listeners, strict=True))
        made = dict(zip(new.sip.listen, listeners_of(new, exchange.endpoint.ids.prefix), strict=True))
        added = {one: listener for one, listener in made.items() if one not in self._served}
        await exchange.net.add(list(added.values()))
        for listener in added.values():
            undo.callback(exchange.net.remove, listener)

        async def apply() -> str:
            gone = [one for one in self._served if one not in made]
            for one in gone:
                exchange.net.remove(self._served.pop(one))
            self._served |= added
            return f"listeners: {len(added)} added, {len(gone)} removed"

        return apply

    async def check(self, new: Settings, changed: frozenset[str]) -> None:
        if "sip.listen" not in changed:
            return
        made = listeners_of(new, self._exchange.endpoint.ids.prefix)
        served = self._served or dict.fromkeys(self._exchange.settings.sip.listen)
        added = [one for named, one in zip(new.sip.listen, made, strict=True) if named not in served]
        await asyncio.to_thread(self._exchange.net.tls.check, added)


class MetricsPlace(Always):
    """Where metrics and health are served: it may move, come and go. ``make`` gives a server for settings."""

    keys = frozenset({"metrics.listen"})

    def __init__(self, make: Callable[[Settings], MetricsServer | None]) -> None:
        self._make = make
        self._server: MetricsServer | None = None

    @property
    def port(self) -> int:
        """The port in use, 0 when metrics are off."""
        return self._server.port if self._server is not None else 0

    async def start(self, settings: Settings) -> None:
        """Serve where the settings say; raises TransportError."""
        self._server = self._make(settings)
        if self._server is not None:
            await self._server.start()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()

    async def prepare(self, new: Settings, changed: frozenset[str], undo: AsyncExitStack) -> Apply:
        if not changed & self.keys:
            return nothing
        old, server = self._server, self._make(new)
        if server is not None:
            await self._begin(server, old, undo)

        async def apply() -> str:
            self._server = server
            if old is not None:
                await old.stop()
            return ""

        return apply

    async def _begin(self, server: MetricsServer, old: MetricsServer | None, undo: AsyncExitStack) -> None:
        try:
            await server.start()
        except TransportError:
            if old is None or old.port != server.port:
                raise
            # The same port on another address: our own old socket may be what is in the way.
            await old.stop()
            undo.push_async_callback(old.start)
            await server.start()
        undo.push_async_callback(server.stop)
