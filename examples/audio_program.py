"""A program that talks to callers over a WebSocket, and a call that shows it.

    .venv/bin/python examples/audio_program.py

``program`` is all that such a program needs: it greets with a tone, waits until that was spoken, and says back what the
caller says, until it presses the hash key. The rest is an exchange in this process, with the program behind the number
9210, and a phone that calls it.
"""

from __future__ import annotations

import array
import asyncio
import json
import math
import secrets
import tempfile
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from trunkline.app.addresses import host_addresses
from trunkline.app.exchange import Exchange
from trunkline.app.phone.account import PhoneOptions, make_account
from trunkline.app.phone.hearing import heard_s
from trunkline.app.phone.softphone import Softphone
from trunkline.app.settings import Settings
from trunkline.app.settings.file import complete
from trunkline.model.extension import NewExtension
from trunkline.model.tenant import SystemScope, TenantScope
from trunkline.store.store import Store

NUMBER = "9210"
RATE_HZ = 16_000
GREETING_HZ, PHONE_HZ = 1000.0, 700.0
DEADLINE_S = 30.0


def note(hz: float, seconds: float) -> bytes:
    """Samples as they are sent: signed 16 bits, little-endian."""
    count = int(RATE_HZ * seconds)
    return array.array(
        "h", (int(9000 * math.sin(math.tau * hz * at / RATE_HZ)) for at in range(count))
    ).tobytes()


async def program(socket: ServerConnection) -> None:
    """One caller."""
    greeted = False
    async for message in socket:
        if isinstance(message, bytes):  # 20 ms of what the caller says
            if greeted:
                await socket.send(message)
            continue
        said = json.loads(message)
        if said["type"] == "start":
            print(f"{said['caller']} calls {said['callee']}, {said['rate_hz']} samples a second")
            await socket.send(note(GREETING_HZ, 1.0))
            await socket.send(json.dumps({"type": "mark", "name": "greeting"}))
        elif said["type"] == "mark":
            print(f"the {said['name']} was spoken")
            greeted = True
        elif said["type"] == "key" and said["key"] == "#":
            await socket.send(json.dumps({"type": "hang_up"}))


async def talk(phone: Softphone, heard: Path) -> None:
    """The other side: call, say a tone, press the hash key after a while."""
    conversation = await phone.call(NUMBER)
    await conversation.answered.wait()
    await conversation.sound.record(heard)
    await conversation.sound.tone(PHONE_HZ)
    await asyncio.sleep(3)
    await conversation.dtmf("#")
    await conversation.over.wait()


def say_nothing(name: str, **data: Any) -> None:
    """The phone could tell what it does."""


def settings_with(url: str) -> Settings:
    """What ``trunkline.toml`` would say."""
    return Settings.model_validate(
        {
            "domain": "example.test",
            "sip": {"listen": ["udp:127.0.0.1:0"]},
            "metrics": {"listen": "off"},
            "audio_sockets": [{"number": NUMBER, "url": url, "rate_hz": RATE_HZ}],
        }
    )


async def main() -> None:
    """Start the program, make the exchange, call it."""
    password = secrets.token_urlsafe(12)
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder)) as store:
        tenant = TenantScope(store.tenants.list(SystemScope("an example's only tenant"))[0].id)
        store.extensions.import_many(tenant, [NewExtension("1001", password, "Anna")])
        async with serve(program, "127.0.0.1", 0, subprotocols=[Subprotocol("audio.trunkline")]) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            settings = complete(settings_with(f"ws://127.0.0.1:{port}/"), host_addresses())
            exchange = Exchange(settings, store, Path(folder))
            await exchange.start()
            try:
                address = f"127.0.0.1:{exchange.net.listeners[0].port}"
                account = make_account("1001", password, address, "udp", "example.test")
                async with (
                    asyncio.timeout(DEADLINE_S),
                    Softphone(account, PhoneOptions(), say_nothing) as phone,
                ):
                    await talk(phone, Path(folder) / "heard.wav")
            finally:
                await exchange.stop(grace_s=2)
        for hz in (GREETING_HZ, PHONE_HZ):
            seconds = heard_s(Path(folder) / "heard.wav", hz)
            print(f"the phone heard {hz:.0f} Hz for {seconds:.1f} s")
            if seconds < 0.5:
                raise SystemExit("which is too little")


if __name__ == "__main__":
    asyncio.run(main())
