"""Secrets, limits and addresses of a running gateway changed by a reload, with everything behind it real."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from trunkline.api.principal import Principal
from trunkline.app.addresses import HostAddresses
from trunkline.app.api_plane import Api
from trunkline.app.exchange import Exchange
from trunkline.app.live_parts import ExchangeValues
from trunkline.app.live_planes import PushProviders
from trunkline.app.reload import Reloader
from trunkline.app.settings.file import load_settings
from trunkline.base.messages import Refused
from trunkline.store import Store

HOST = HostAddresses("127.0.0.1")
FILE = """
domain = "pbx.test"
sip.listen = ["udp:127.0.0.1:0"]
metrics.listen = "off"
api.listen = "127.0.0.1:0"
auth.secret_file = "SECRET"
"""


async def test_a_running_gateway_takes_over_all_of_a_reload_or_nothing(tmp_path: Path) -> None:
    file, secret = tmp_path / "t.toml", tmp_path / "secret"
    text = FILE.replace("SECRET", str(secret))
    secret.write_text("0123456789abcdef0123456789abcdef")
    file.write_text(text)
    loaded = load_settings(file, tmp_path, None, HOST, {})
    async with AsyncExitStack() as stack:
        store = stack.enter_context(Store.open(tmp_path / "data"))
        exchange = Exchange(loaded.settings, store, tmp_path / "data")
        await exchange.start()
        stack.push_async_callback(exchange.stop, 0)
        api = Api(exchange, store)
        parts: list[Any] = [ExchangeValues(exchange), PushProviders(exchange), api]
        reloader = Reloader(loaded, parts, exchange.take_settings)
        stack.push_async_callback(api.stop)
        await api.start(exchange.settings)
        assert api.server is not None
        auth = api.server.doorway.auth
        token = auth.mint(Principal(None, "alice"))
        client = await stack.enter_async_context(aiohttp.ClientSession(f"http://127.0.0.1:{api.server.port}"))

        async def status(path: str = "/v1/calls") -> int:
            async with client.get(path, headers={"Authorization": f"Bearer {token}"}) as reply:
                return reply.status

        assert await status() == 200
        file.write_text(
            text + 'api.docs = false\nsip.push.awake_s = 7\npush.webhook.url = "https://b.example"\n'
        )
        with pytest.raises(Refused, match=r"push\.webhook\.secret"):
            await reloader.reload()
        more = 'push.webhook = {url = "https://b.example", secret_env = "NO_SUCH_SECRET"}\nsip.push.awake_s = 7\n'
        file.write_text(text + more + 'api.docs = false\napi.public_url = "https://voice.example"\n')
        with pytest.raises(Refused, match="NO_SUCH_SECRET"):
            await reloader.reload()
        assert (await status("/openapi.json"), exchange.native.desk.policy.awake_s) == (200, 30)
        file.write_text(
            text
            + 'api.docs = false\nsip.push.awake_s = 7\napi.public_url = "https://voice.example"\n'
            + "mobile.place_timeout_s = 33\n"
        )
        done = await reloader.reload()
        assert done.restart == ()
        assert (await status("/openapi.json"), exchange.native.desk.policy.awake_s) == (404, 7)
        assert api.server.doorway.plan.call_s > 33, (
            "who places a call is waited for as long as the call itself"
        )
        assert exchange.mobile.office.policy.gateway_url == "https://voice.example"
        assert await status() == 200
        secret.write_text("another-secret-of-thirty-two-chars")
        done = await reloader.reload()
        assert (done.applied, await status()) == ((), 401)
        secret.unlink()
        with pytest.raises(Refused, match=r"auth\.secret_file"):
            await reloader.reload()
        token = auth.mint(Principal(None, "alice"))
        assert await status() == 200
