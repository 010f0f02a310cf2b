"""The composition root: where everything meets, and the life of the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
import uvloop

from trunkline import __version__
from trunkline.app.api_plane import Api
from trunkline.app.control_server import ControlServer
from trunkline.app.data_folder import create_data_folder
from trunkline.app.exchange import Exchange
from trunkline.app.file_limit import file_limit, raise_file_limit
from trunkline.app.first_start import NewExtension, first_extensions, show_start, start_report
from trunkline.app.garbage import keep_what_is_there
from trunkline.app.gauges import gauges_of
from trunkline.app.handlers import ExchangeHandlers, StoreHandlers
from trunkline.app.live_parts import Certificates, ExchangeValues, Listeners, LogSettings, MetricsPlace, Part
from trunkline.app.live_planes import PushProviders
from trunkline.app.log_stream import GuardedStream
from trunkline.app.logs import setup_logs
from trunkline.app.metrics import make_registry
from trunkline.app.metrics_server import MetricsServer, Readiness
from trunkline.app.operation_handlers import OperationHandlers
from trunkline.app.peering import Peering
from trunkline.app.ports import Handlers
from trunkline.app.readiness import readiness_of
from trunkline.app.reload import Reloader
from trunkline.app.service_manager import ServiceManager
from trunkline.app.settings import Settings
from trunkline.app.settings.file import Loaded
from trunkline.app.signals import reload_on_hangup, stop_on_signals
from trunkline.app.terminal import Screen
from trunkline.app.unraisable import UnraisableLog
from trunkline.base.messages import AddExtension
from trunkline.model.tenant import SystemScope, default_of
from trunkline.store.store import Store

log = structlog.get_logger("exchange")


def run(loaded: Loaded) -> int:
    """Run the exchange until SIGTERM or Ctrl-C; 0 when it stopped as asked."""
    stream = setup_logs(loaded.settings.log.level, loaded.settings.log.format)
    UnraisableLog().install()
    raise_file_limit()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(loaded, stream))
    finally:
        stream.flush()


@asynccontextmanager
async def open_offline(loaded: Loaded) -> AsyncIterator[Handlers]:
    """Handlers over the store alone."""
    create_data_folder(loaded.data.path)
    with await asyncio.to_thread(Store.open, loaded.data.path) as store:
        yield StoreHandlers(store, loaded.settings.domain)


async def _serve(loaded: Loaded, stream: GuardedStream) -> int:
    folder = loaded.data.path
    create_data_folder(folder)
    async with AsyncExitStack() as stack:
        server = ControlServer(loaded.data.socket, lambda request: handlers.handle(request))  # noqa: PLW0108  (made below)
        server.claim()
        stack.push_async_callback(server.stop)
        store = stack.enter_context(Store.open(folder))
        exchange = Exchange(loaded.settings, store, folder)
        # Before the exchange starts, and until it has stopped: probes see both.
        metrics = MetricsPlace(
            lambda settings: _metrics_server(
                settings, exchange, stream, lambda: readiness_of(exchange, serving=server.serving)
            )
        )
        await metrics.start(loaded.settings)
        stack.push_async_callback(metrics.stop)
        api = Api(exchange, store)
        manager = ServiceManager()
        stack.callback(manager.close)
        reloader = Reloader(
            loaded,
            _parts(exchange, stream, metrics, api),
            exchange.take_settings,
            manager,
            exchange.stopping.done,
        )
        operation = OperationHandlers(exchange, reloader, lambda: stream.dropped)
        handlers = ExchangeHandlers(store, loaded.settings.domain, exchange, operation.table)
        stop_on_signals(exchange)
        reload_on_hangup(exchange, reloader, lambda: server.serving)
        await exchange.start()
        # From here on the exchange is stopped whatever happens, with the grace that was asked for.
        grace = [0.0]
        stack.push_async_callback(lambda: exchange.stop(grace[0]))
        stack.push_async_callback(api.stop)
        if loaded.settings.api.address is not None:
            # Apps take calls that ring, and hang up those that are up, for as long as phones do.
            stack.push_async_callback(lambda: exchange.end_calls(grace[0]))
        await api.start(exchange.settings)
        # Now that everything listens: a start that fails must not make passwords that nobody is told.
        made = await _first_start(store, handlers) if loaded.settings.exchange.enabled else ()
        await server.start()
        keep_what_is_there()
        urls = tuple(f"{one.transport.lower()}:{one.address}" for one in exchange.net.listeners)
        notices = tuple(exchange.net.tls.notices())
        show_start(Screen(), start_report(loaded, __version__, urls, made, metrics.port, notices))
        manager.ready()
        _log_running(loaded, exchange, urls)
        if problem := file_limit(loaded.settings).problem():
            log.warning(problem)
        grace[0] = await exchange.stopping
        manager.stopping(grace[0])
        log.info("stopping", calls=len(exchange.calls.active), grace_s=grace[0])
    log.info("stopped")
    return 0


def _log_running(loaded: Loaded, exchange: Exchange, urls: tuple[str, ...]) -> None:
    kernel = exchange.engine.snapshot().kernel
    more = {"kernel_path": kernel} if kernel else {}
    log.info("running", version=__version__, listeners=urls, domain=loaded.settings.domain, **more)


def _parts(exchange: Exchange, stream: GuardedStream, metrics: MetricsPlace, api: Api) -> list[Part]:
    """Who takes new settings over; certificates come last, for they cannot be undone.

    The API and the place of metrics wait for the end of what they replace, so they come after all that change at once.
    """
    return [
        ExchangeValues(exchange),
        LogSettings(stream),
        PushProviders(exchange),
        Listeners(exchange),
        Peering(exchange),
        api,
        metrics,
        Certificates(exchange),
    ]


def _metrics_server(
    settings: Settings, exchange: Exchange, stream: GuardedStream, readiness: Callable[[], Readiness]
) -> MetricsServer | None:
    """A server for metrics and health when one is wanted."""
    address = settings.metrics.address
    if address is None:
        return None
    registry = make_registry(gauges_of(exchange, stream), __version__)
    return MetricsServer(address, registry, readiness)


async def _first_start(store: Store, handlers: Handlers) -> tuple[NewExtension, ...]:
    """Two extensions for a store that has none yet; told once, in the start's table."""
    scope = SystemScope("the first start looks whether anything is there")
    if store.extensions.list(scope) or store.records.list(scope, limit=1):
        return ()
    tenants = store.tenants.list(scope)
    tenant = (default_of(tenants) or tenants[0]).name
    made = first_extensions()
    for one in made:
        await handlers.handle(
            AddExtension(number=one.number, password=one.password, name=one.name, tenant=tenant)
        )
    return made
