"""The media engine without the exchange around it: relays between pairs of ports until its input is closed.

A program of its own (`python -m bench.engine_ports --calls N --ports-file FILE`). It prints `started`, waits
for a line, opens the ports, writes them to the file, a line a call, and prints `ready N`. For each further line it
prints the engine's figures as JSON.
"""

import argparse
import asyncio
import base64
import json
import secrets
import sys
from dataclasses import asdict
from pathlib import Path

from bench.ng import Ports
from bench.plan import MEDIA_A, MEDIA_B, RELAY_PORTS, SERVER, Address
from trunkline.media.commands import Link, OpenPort, SetKeys, SetRemote
from trunkline.media.embedded import EmbeddedMediaEngine, MediaSettings

KEY_BYTES = {"AES_CM_128_HMAC_SHA1_80": 30, "AEAD_AES_128_GCM": 28}
"""Master key and salt of the suites that rtp_load speaks."""


async def relay(options: argparse.Namespace) -> None:
    """Run the engine with that many calls."""
    settings = MediaSettings(
        address=options.address,
        first_port=RELAY_PORTS[0],
        last_port=RELAY_PORTS[1],
        kernel=bool(options.kernel),
        kernel_interfaces=(options.kernel,) if options.kernel else (),
    )
    engine = EmbeddedMediaEngine(settings)
    await engine.start()
    try:
        print("started", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        opened = [
            await _open_call(engine, f"call-{index}", options.peer, srtp=options.srtp)
            for index in range(options.calls)
        ]
        lines = "".join(f"{ports.line()}\n" for ports in opened)
        await asyncio.to_thread(options.ports_file.write_text, lines)
        print("ready", options.calls, flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(asdict(engine.snapshot())), flush=True)
    finally:
        await engine.stop()


async def _open_call(engine: EmbeddedMediaEngine, call: str, peer: str, *, srtp: str) -> Ports:
    a = await _open_port(engine, call, f"{call}-a", Address(peer, MEDIA_A.port))
    b = await _open_port(engine, call, f"{call}-b", Address(peer, MEDIA_B.port))
    await engine.execute(Link(f"{call}-a", f"{call}-b"))
    if not srtp:
        return Ports(a, b)
    ours, theirs = (base64.b64encode(secrets.token_bytes(KEY_BYTES[srtp])).decode() for _ in range(2))
    await engine.execute(SetKeys(f"{call}-b", srtp, send_key=ours, receive_key=theirs))
    return Ports(a, b, key_to_relay=theirs, key_from_relay=ours)


async def _open_port(engine: EmbeddedMediaEngine, call: str, port: str, remote: Address) -> int:
    opened = await engine.execute(OpenPort(port, call))
    await engine.execute(SetRemote(port, remote.ip, remote.port))
    return opened.rtp_port


def main() -> None:
    """Relay until standard input is closed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--ports-file", type=Path, required=True)
    parser.add_argument("--address", default=SERVER.ip, help="where it binds its ports")
    parser.add_argument("--peer", default=MEDIA_A.ip, help="where both parties of each call are")
    parser.add_argument("--kernel", default="", help="the interface on which calls pass in the kernel")
    parser.add_argument(
        "--srtp", choices=KEY_BYTES, default="", help="the second party of each call speaks SRTP"
    )
    asyncio.run(relay(parser.parse_args()))


if __name__ == "__main__":
    main()
