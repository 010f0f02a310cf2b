"""A script that listens: it waits for a voice, takes in the sound while it lasts, and says it back in reverse.

    .venv/bin/python examples/listening_script.py

An exchange runs in this process, with ``in_reverse`` behind 9196 in place of the echo. A phone calls it and says the
prompt "welcome".
"""

from __future__ import annotations

import array
import asyncio
import secrets
import tempfile
from pathlib import Path
from typing import Any, Final

from trunkline.app.addresses import host_addresses
from trunkline.app.exchange import Exchange
from trunkline.app.phone.account import PhoneOptions, make_account
from trunkline.app.phone.softphone import Softphone
from trunkline.app.settings import Settings
from trunkline.app.settings.file import complete
from trunkline.call.call import Call
from trunkline.call.sounds import BUILT_IN
from trunkline.media.events import VoiceEnded, VoiceStarted
from trunkline.model.extension import NewExtension
from trunkline.model.tenant import SystemScope, TenantScope
from trunkline.pbx.route import Service
from trunkline.store.store import Store

NUMBER = "9196"
RATE_HZ: Final = 16_000
DEADLINE_S = 30.0
SETTINGS = {"domain": "example.test", "sip": {"listen": ["udp:127.0.0.1:0"]}, "metrics": {"listen": "off"}}


async def in_reverse(call: Call) -> None:
    """What the number does, told straight down the page."""
    await call.answer()
    await call.ringback("GB")
    async with call.listen(voice=True) as events, call.audio(RATE_HZ, speaks=False) as stream:
        said = bytearray()

        async def take_in() -> None:
            async for frame in stream:
                said.extend(frame)

        taking = asyncio.ensure_future(take_in())
        async for event in events:
            if isinstance(event, VoiceStarted):
                print("somebody speaks")
            elif isinstance(event, VoiceEnded):
                print("and has ended")
                break
        taking.cancel()
    backwards = array.array("h", bytes(said))
    backwards.reverse()
    await call.play_samples(backwards.tobytes(), RATE_HZ)
    print("and hears itself in reverse")


async def talk(phone: Softphone) -> None:
    """The other side: call, speak, listen until the exchange hangs up."""
    conversation = await phone.call(NUMBER)
    await conversation.answered.wait()
    await conversation.sound.play(BUILT_IN / "welcome.wav")
    await conversation.sound.played.wait()
    await conversation.sound.silence()
    await conversation.over.wait()


def say_nothing(name: str, **data: Any) -> None:
    """The phone could tell what it does."""


async def main() -> None:
    """Make the exchange, put the script into its place, call it."""
    settings = complete(Settings.model_validate(SETTINGS), host_addresses())
    password = secrets.token_urlsafe(12)
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder)) as store:
        tenant = TenantScope(store.tenants.list(SystemScope("an example's only tenant"))[0].id)
        store.extensions.import_many(tenant, [NewExtension("1001", password, "Anna")])
        exchange = Exchange(settings, store, Path(folder))
        exchange.door.services[Service.ECHO] = in_reverse
        await exchange.start()
        try:
            server = f"127.0.0.1:{exchange.net.listeners[0].port}"
            account = make_account("1001", password, server, "udp", "example.test")
            async with asyncio.timeout(DEADLINE_S), Softphone(account, PhoneOptions(), say_nothing) as phone:
                await talk(phone)
        finally:
            await exchange.stop(grace_s=2)


if __name__ == "__main__":
    asyncio.run(main())
