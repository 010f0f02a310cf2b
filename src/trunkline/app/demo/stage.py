"""What a play needs, started and stopped in order: the PBX, the push services, the gateway, the caller, the apps."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from trunkline.api.server import ApiServer
from trunkline.app.api_plane import api_server
from trunkline.app.data_folder import create_data_folder
from trunkline.app.demo.app import App
from trunkline.app.demo.play import Play
from trunkline.app.demo.settings import BUNDLE, HOST, gateway_settings, pbx_settings, rtp_range
from trunkline.app.demo.steps import DemoFailed
from trunkline.app.demo.watching import ApnsPushes, FcmPushes, Pushes, SipView
from trunkline.app.exchange import Exchange
from trunkline.app.explain_handlers import ExchangeExplaining
from trunkline.app.extension_rules import generate_password
from trunkline.app.handlers import ExchangeHandlers
from trunkline.app.phone.account import PhoneOptions, make_account
from trunkline.app.phone.conversation import Conversation
from trunkline.app.phone.softphone import Softphone
from trunkline.app.settings import Settings
from trunkline.app.trace.tracer import Tracer
from trunkline.base.messages import AddExtension, ExplainCall, Explanation
from trunkline.media.embedded import EmbeddedMediaEngine, MediaSettings
from trunkline.push.doubles.apns import FakeApns
from trunkline.push.doubles.fcm import FakeFcm
from trunkline.push.doubles.stand_in import StandIn
from trunkline.store.store import Store

CALLER_NUMBER: Final = "1001"
APP_NUMBER: Final = "1002"
USER: Final = "anna"
REQUEST_S: Final = 60.0


@dataclass
class Stage:
    """Everything that runs; ``apps`` are the columns behind the push services, in their order."""

    play: Play
    folder: Path
    transport: str
    pbx: Exchange
    gateway: Exchange
    gateway_store: Store
    caller: Softphone
    engine: EmbeddedMediaEngine
    api_key: str = field(repr=False)
    password: str = field(repr=False)
    api_url: str = ""
    services: Sequence[str] = ()
    apps: Sequence[App] = ()
    calls: list[str] = field(default_factory=list)
    incoming: asyncio.Queue[Conversation] = field(default_factory=asyncio.Queue)

    @property
    def app(self) -> App:
        """The first device."""
        return self.apps[0]

    @property
    def account(self) -> dict[str, Any]:
        """The account at the PBX that the apps bring."""
        wanted = self.transport.upper()
        port = next(one.port for one in self.pbx.net.listeners if one.transport == wanted)
        return {
            "sip_username": APP_NUMBER,
            "sip_password": self.password,
            "sip_domain": HOST,
            "sip_transport": self.transport,
            "sip_port": port,
        }

    def note_calls(self) -> None:
        """The gateway's calls of this moment are explained at the end."""
        self.calls += [one for one in self.gateway.calls.active if one not in self.calls]

    async def over(self) -> None:
        """Wait until neither the gateway nor the PBX has a call; raises DemoFailed."""
        for name, exchange in (("gateway", self.gateway), ("PBX", self.pbx)):
            if not await exchange.calls.idle(5.0):
                raise DemoFailed(f"the {name} still has a call")

    async def stories(self) -> tuple[Explanation, ...]:
        """What the gateway tells of its calls."""
        tenant = self.gateway.directory.tenants[0].id
        explaining = ExchangeExplaining(self.gateway_store, self.gateway)
        return tuple([await explaining.call(tenant, ExplainCall(call=one)) for one in self.calls])


@asynccontextmanager
async def set_up(play: Play, folder: Path, transport: str, names: Sequence[str]) -> AsyncIterator[Stage]:
    """Start everything in ``folder``; an app for each of ``names``. Everything has ended when it is left."""
    async with AsyncExitStack() as stack:
        passwords = {number: generate_password() for number in (CALLER_NUMBER, APP_NUMBER)}
        pbx, pbx_store = await _exchange(stack, pbx_settings(transport), folder / "pbx")
        handlers = ExchangeHandlers(pbx_store, HOST, pbx, {})
        for number, password in passwords.items():
            await handlers.handle(AddExtension(number=number, password=password))
        apns, fcm = FakeApns(), FakeFcm(tls=False) if len(names) > 1 else None
        stand_ins: list[StandIn] = [apns, *([fcm] if fcm is not None else [])]
        for stand_in in stand_ins:
            await _start(stack, stand_in)
        api_key = secrets.token_urlsafe(24)
        ca = folder / "pbx" / "tls" / "self-signed.pem" if transport == "tls" else None
        settings = gateway_settings(folder, transport, api_key, apns, fcm, ca)
        gateway, store = await _exchange(stack, settings, folder / "gateway")
        api = await _api(stack, settings, gateway, store)
        view = SipView(play)
        caller = await _caller(stack, pbx, passwords[CALLER_NUMBER])
        view.caller = caller.net.listeners[0].address
        stage = Stage(
            play, folder, transport, pbx, gateway, store, caller,
            await _engine(stack), api_key, passwords[APP_NUMBER],
        )  # fmt: skip
        caller.on_incoming = stage.incoming.put_nowait
        stage.api_url = f"http://{HOST}:{api.port}"
        stage.services = [f"APNs at {apns.url}", *([f"FCM at {fcm.base_url}"] if fcm is not None else [])]
        stage.apps = await _apps(stack, play, stage.api_url, names)
        services: list[Pushes] = [ApnsPushes(apns), *([FcmPushes(fcm)] if fcm is not None else [])]
        for service in services:
            _follow(stack, service, stage)
        tracer = Tracer(pbx.net, time.time)
        tracer.add(view)
        stack.callback(tracer.remove, view)  # first of all: the goodbyes are no part of the play
        yield stage


async def _exchange(stack: AsyncExitStack, settings: Settings, data: Path) -> tuple[Exchange, Store]:
    create_data_folder(data)
    store = stack.enter_context(Store.open(data))
    exchange = Exchange(settings, store, data)
    await exchange.start()
    stack.push_async_callback(exchange.stop, 0.0)
    return exchange, store


async def _start(stack: AsyncExitStack, stand_in: StandIn) -> None:
    await stand_in.start()
    stack.push_async_callback(stand_in.stop)


async def _api(stack: AsyncExitStack, settings: Settings, gateway: Exchange, store: Store) -> ApiServer:
    api = api_server(settings, gateway, store)
    if api is None:
        raise DemoFailed("the gateway has no API")
    stack.push_async_callback(api.stop)
    await api.start()
    return api


async def _caller(stack: AsyncExitStack, pbx: Exchange, password: str) -> Softphone:
    server = pbx.net.listeners[0].address
    account = make_account(CALLER_NUMBER, password, server, "udp", HOST)
    return await stack.enter_async_context(Softphone(account, PhoneOptions(local=HOST), _tell_nobody))


async def _engine(stack: AsyncExitStack) -> EmbeddedMediaEngine:
    first, last = rtp_range()
    engine = EmbeddedMediaEngine(MediaSettings(address=HOST, first_port=first, last_port=last, workers=1))
    await engine.start()
    stack.push_async_callback(engine.stop)
    return engine


async def _apps(stack: AsyncExitStack, play: Play, url: str, names: Sequence[str]) -> list[App]:
    limit = aiohttp.ClientTimeout(total=REQUEST_S)
    session = await stack.enter_async_context(aiohttp.ClientSession(url, timeout=limit))
    iphone = {"platform": "ios", "push_token": secrets.token_hex(32), "alert_token": secrets.token_hex(32)}
    iphone |= {"bundle_id": BUNDLE}
    android = {"platform": "android", "push_token": secrets.token_urlsafe(48)}
    apps = [App(play, session, name, push) for name, push in zip(names, (iphone, android), strict=False)]
    for app in apps:
        stack.push_async_callback(app.close)
    return apps


def _follow(stack: AsyncExitStack, service: Pushes, stage: Stage) -> None:
    task = asyncio.create_task(service.follow(stage.play, stage.apps), name="demo pushes")
    stack.push_async_callback(_end, task)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _tell_nobody(name: str, **data: Any) -> None:
    """The play tells what is to be told."""
