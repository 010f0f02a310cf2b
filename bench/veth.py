"""Two network namespaces joined by a cable (veth): a generator's and a relay's."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.plan import LOAD_CPU, SERVER_CPU
from bench.process import Argv, BenchError, find, run

GENERATOR_IP = "10.99.0.1"
RELAY_IP = "10.99.0.2"
GENERATOR_DEVICE = "gen0"
RELAY_DEVICE = "relay0"
RESOLVE_TIMEOUT_S = 5


@dataclass(frozen=True, slots=True)
class Cable:
    """The names of the two namespaces."""

    generator: str
    relay: str

    def at(self, namespace: str, argv: Argv) -> Argv:
        """The command line that runs there."""
        return ["ip", "netns", "exec", namespace, *argv]


def possible() -> bool:
    """Whether this process may make namespaces."""
    return os.geteuid() == 0 and find("ip") is not None


@contextmanager
def cable(*, steered: bool = False) -> Iterator[Cable]:
    """Both namespaces while the block runs.

    Received packets are worked on by the processor that sends them; ``steered``: by that of the load or of the server.
    """
    names = Cable(f"tlkgen{os.getpid()}", f"tlkrelay{os.getpid()}")
    with ExitStack() as stack:
        for name in (names.generator, names.relay):
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "delete", name)
        _ip(
            *f"link add {GENERATOR_DEVICE} netns {names.generator} type veth".split(),
            *f"peer name {RELAY_DEVICE} netns {names.relay}".split(),
        )
        ends = ((names.generator, GENERATOR_DEVICE, GENERATOR_IP), (names.relay, RELAY_DEVICE, RELAY_IP))
        for name, device, address in ends:
            _ip("-n", name, "address", "add", f"{address}/24", "dev", device)
            for each in ("lo", device):
                _ip("-n", name, "link", "set", each, "up")
        _wait_until_up(names)
        if steered:
            _steer(names, names.generator, GENERATOR_DEVICE, LOAD_CPU)
            _steer(names, names.relay, RELAY_DEVICE, SERVER_CPU)
        yield names


def _steer(names: Cable, namespace: str, device: str, cpu: int) -> None:
    to = f"echo {1 << cpu:x} > /sys/class/net/{device}/queues/rx-0/rps_cpus"
    run(names.at(namespace, ["sh", "-c", to]), timeout_s=5)


def _wait_until_up(names: Cable) -> None:
    """Each end has resolved the other: a namespace that was just made may need a moment."""
    deadline = time.monotonic() + RESOLVE_TIMEOUT_S
    while "up" not in run(
        names.at(names.relay, ["cat", f"/sys/class/net/{RELAY_DEVICE}/operstate"]), timeout_s=5
    ):
        if time.monotonic() > deadline:
            raise BenchError("the cable between two namespaces did not come up")
        time.sleep(0.05)


def _ip(*words: str) -> None:
    run([find("ip") or Path("ip"), *words], timeout_s=10)
