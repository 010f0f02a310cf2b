"""The media engine without the exchange around it: relays between pairs of ports until its input is closed.

A program of its own (`python -m bench.engine_ports --calls N --ports-file FILE`). It prints `started`, waits
for a line, opens the ports, writes them to the file, a line a call, and prints `ready N`.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from bench.ng import Ports
from bench.plan import MEDIA_A, MEDIA_B, RELAY_PORTS, SERVER, Address
from trunkline.media.commands import Link, OpenPort, SetRemote
from trunkline.media.embedded import EmbeddedMediaEngine, MediaSettings


async def relay(calls: int, ports_file: Path) -> None:
    """Run the engine with that many calls."""
    settings = MediaSettings(address=SERVER.ip, first_port=RELAY_PORTS[0], last_port=RELAY_PORTS[1])
    engine = EmbeddedMediaEngine(settings)
    await engine.start()
    try:
        print("started", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        opened = [await _open_call(engine, f"call-{index}") for index in range(calls)]
        lines = "".join(f"{ports.line()}\n" for ports in opened)
        await asyncio.to_thread(ports_file.write_text, lines)
        print("ready", calls, flush=True)
        await asyncio.to_thread(sys.stdin.read)
    finally:
        await engine.stop()


async def _open_call(engine: EmbeddedMediaEngine, call: str) -> Ports:
    a = await _open_port(engine, call, f"{call}-a", MEDIA_A)
    b = await _open_port(engine, call, f"{call}-b", MEDIA_B)
    await engine.execute(Link(f"{call}-a", f"{call}-b"))
    return Ports(a, b)


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
    options = parser.parse_args()
    asyncio.run(relay(options.calls, options.ports_file))


if __name__ == "__main__":
    main()
