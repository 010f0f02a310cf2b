"""`python -m bench.push`: what one push by APNs costs over a warm connection.

The service is the stand-in of `trunkline dev apns`, in a process of its own; the figures are of the gateway's side
alone, processor time with the kernel's part in it (TLS, sockets).
"""

import argparse
import asyncio
import json
import multiprocessing
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench.process import BenchError
from bench.table import align, number
from trunkline.push.apns.plan import ApnsKey, ApnsPlan, ApnsTeam
from trunkline.push.apns.pusher import ApnsPusher
from trunkline.push.doubles.apns import FakeApns
from trunkline.push.notification import Notification, Purpose, PushAddress, Service

PUSHES = 5_000
AT_ONCE = (1, 20, 200)


@dataclass(frozen=True, slots=True)
class Cost:
    """One case: so many calls at once, until all pushes are answered."""

    at_once: int
    cpu_us: float
    """Microseconds of processor time for one push."""
    p50_ms: float
    """From `send` to Apple's answer."""
    p99_ms: float


def serve(pipe: Connection) -> None:
    """The stand-in's process: tells where it is and whom to trust, and ends when it is told anything."""

    async def run() -> None:
        fake = FakeApns()
        await fake.start()
        pipe.send((fake.url, fake.authority.ca_pem))
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
        await fake.stop()

    uvloop.run(run())


def call(index: int) -> Notification:
    """A call as the gateway tells it to a phone."""
    data = {
        "type": "incoming_call",
        "callToken": str(uuid.uuid4()),
        "callerUri": "1001@example.com",
        "callerName": "Front desk",
        "gatewayUrl": "https://gateway.example.com",
        "callId": str(uuid.uuid4()),
        "expiresAt": "1800000000",
    }
    return Notification(PushAddress(Service.APNS, f"{index:064x}"), Purpose.CALL, str(uuid.uuid4()), data)


async def measure(url: str, ca: Path, pushes: int) -> list[Cost]:
    """All cases over one connection."""
    private = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    team = ApnsTeam("TEAM000001", "com.example.app", ApnsKey("KEY0000001", pem=private.decode()))
    pusher = ApnsPusher(ApnsPlan((team,), production_url=url, ca=ca))
    await pusher.start()
    try:
        await pusher.send(call(0))
        return [await _cost(pusher, at_once, pushes) for at_once in AT_ONCE]
    finally:
        await pusher.stop()


async def _cost(pusher: ApnsPusher, at_once: int, pushes: int) -> Cost:
    waiting = [call(index) for index in range(pushes)]
    times: list[float] = []

    async def work() -> None:
        while waiting:
            one, start = waiting.pop(), time.perf_counter()
            fate = await pusher.send(one)
            if not fate.sent:
                raise BenchError(f"a push was not taken: {fate.outcome} {fate.reason}")
            times.append((time.perf_counter() - start) * 1e3)

    begun = time.process_time()
    await asyncio.gather(*(work() for _ in range(at_once)))
    used = (time.process_time() - begun) / pushes * 1e6
    times.sort()
    return Cost(at_once, used, times[len(times) // 2], times[len(times) * 99 // 100])


def render(costs: Sequence[Cost]) -> str:
    """A table for people."""
    rows = [
        (str(one.at_once), "", number(one.cpu_us), f"{one.p50_ms:.2f}", f"{one.p99_ms:.2f}") for one in costs
    ]
    return "\n".join(align(("at once", "", "CPU us", "p50 ms", "p99 ms"), rows))


def main(argv: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.push", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    parser.add_argument("--pushes", type=int, default=PUSHES, help="pushes for each case")
    options = parser.parse_args(argv)
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
    server.start()
    try:
        url, ca_pem = ours.recv()
        with tempfile.TemporaryDirectory(prefix="trunkline-bench-") as folder:
            ca = Path(folder, "ca.pem")
            ca.write_bytes(ca_pem)
            costs = uvloop.run(measure(url, ca, options.pushes))
    finally:
        ours.send("end")
        server.join()
    print(json.dumps([asdict(cost) for cost in costs], indent=2) if options.json else render(costs))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
