"""Send one notification to an app, with a push service on our own machine that is in trouble first.

    .venv/bin/python examples/push_one.py

``FakeApns`` judges what it gets as Apple's push service documents it and answers what its script says;
``trunkline dev apns`` is the same for other programs.
"""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from trunkline.push.apns.plan import ApnsKey, ApnsPlan, ApnsTeam
from trunkline.push.apns.pusher import ApnsPusher
from trunkline.push.doubles.apns import FakeApns
from trunkline.push.notification import Notification, Purpose, PushAddress, Service

ANNA = PushAddress(Service.APNS, "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0")


def make_pusher(apple: FakeApns, folder: Path) -> ApnsPusher:
    """As an operator would set it up: the key of a team, and here the authority of the stand-in."""
    key, authority = folder / "AuthKey_DEV0000001.p8", folder / "ca.pem"
    made = ec.generate_private_key(ec.SECP256R1())
    key.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    authority.write_bytes(apple.authority.ca_pem)
    team = ApnsTeam("DEVTEAM001", "com.example.app", ApnsKey("DEV0000001", key))
    return ApnsPusher(ApnsPlan((team,), production_url=apple.url, ca=authority))


def call_from(number: str) -> Notification:
    """What an app is told of a call."""
    token = str(uuid.uuid4())
    data = {"type": "incoming_call", "callToken": token, "callerUri": f"{number}@example.com"}
    return Notification(ANNA, Purpose.CALL, token, data)


async def main() -> None:
    """A push that is repeated once elsewhere, then one to a token that is dead."""
    apple = FakeApns()
    await apple.start()
    with tempfile.TemporaryDirectory() as folder:
        pusher = make_pusher(apple, Path(folder))
        await pusher.start()
        apple.script.add("503")
        apple.script.add("200")
        apple.script.add("410")
        for number in ("1001", "1002"):
            fate = await pusher.send(call_from(number))
            print(f"the call from {number}: {fate.outcome} {fate.status} {fate.reason}".rstrip())
        await pusher.stop()
    for push in apple.pushes:
        print(f"  {push.status} for {push.topic} by connection {push.connection}")
    await apple.stop()


if __name__ == "__main__":
    asyncio.run(main())
