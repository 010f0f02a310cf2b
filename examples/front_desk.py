"""A script of your own: prompts, a choice by key, a message that is recorded and played back.

    .venv/bin/python examples/front_desk.py

An exchange runs in this process, with ``front_desk`` behind 9196 in place of the echo. A phone calls it, presses 1
while the prompt is still played, says a tone of 700 Hz and hears its message again.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from pathlib import Path
from typing import Any

from trunkline.app.addresses import host_addresses
from trunkline.app.exchange import Exchange
from trunkline.app.phone.account import PhoneOptions, make_account
from trunkline.app.phone.hearing import heard_s
from trunkline.app.phone.softphone import Softphone
from trunkline.app.settings import Settings
from trunkline.app.settings.file import complete
from trunkline.call.call import Call
from trunkline.model.extension import NewExtension
from trunkline.model.tenant import SystemScope, TenantScope
from trunkline.pbx.route import Service
from trunkline.store.store import Store

NUMBER = "9196"
TONE_HZ = 700.0
MESSAGE_S = 1.0
DEADLINE_S = 30.0
SETTINGS = {"domain": "example.test", "sip": {"listen": ["udp:127.0.0.1:0"]}, "metrics": {"listen": "off"}}


async def front_desk(call: Call) -> None:
    """What the number does, told straight down the page."""
    await call.answer()
    key = await call.play("welcome", "record-after-the-tone", keys="12")
    print(f"the caller pressed {key or 'nothing'}")
    await call.play("beep")
    message = Path(tempfile.gettempdir()) / f"{call.id}.wav"
    said = await call.record(message, max_duration_s=MESSAGE_S)
    print(f"recorded {said.duration_ms / 1000:.1f} s, ended by {said.ended}")
    await call.play("you-said", message, "thank-you", "goodbye")
    message.unlink()


async def talk(phone: Softphone, heard: Path) -> None:
    """The other side: call, press a key, say a tone, and record what is heard until the exchange hangs up."""
    conversation = await phone.call(NUMBER)
    await conversation.answered.wait()
    await conversation.sound.record(heard)
    await conversation.sound.tone(TONE_HZ)
    await conversation.dtmf("1")
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
        exchange.door.services[Service.ECHO] = front_desk
        await exchange.start()
        try:
            server = f"127.0.0.1:{exchange.net.listeners[0].port}"
            account = make_account("1001", password, server, "udp", "example.test")
            async with asyncio.timeout(DEADLINE_S), Softphone(account, PhoneOptions(), say_nothing) as phone:
                await talk(phone, Path(folder) / "heard.wav")
        finally:
            await exchange.stop(grace_s=2)
        seconds = heard_s(Path(folder) / "heard.wav", TONE_HZ)
        print(f"the phone heard its tone again for {seconds:.1f} s")


if __name__ == "__main__":
    asyncio.run(main())
