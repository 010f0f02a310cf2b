"""Thousands of TCP flows that phones hold open: what one costs in memory, idle and kept alive."""

import asyncio
import re
import resource
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, cast

from bench.digest import credentials
from bench.plan import DOMAIN, FIRST_USER, PASSWORD, SERVER, USER_PREFIX, Address
from bench.process import BenchError
from bench.procfs import Meter, memory_bytes
from bench.results import Memory, Sample
from bench.session import Session
from bench.sip_servers import TRUNKLINE, Trunkline

PER_SOURCE = 1_000
"""Flows from one loopback address: more would meet the bound of a single source."""
SOURCES = "127.0.1.0/24"
AT_ONCE = 64
PING, PONG = b"\r\n\r\n", b"\r\n"
ANSWER_TIMEOUT_S = 20.0
SPARE_FILES = 200
IDLE_S = 20.0

_challenge = re.compile(r"^WWW-Authenticate:[ \t]*(.*MD5.*)\r$", re.MULTILINE).search


class Phone(asyncio.Protocol):
    """One connection: it sends something and waits for one answer."""

    def __init__(self, index: int) -> None:
        self.user = f"{USER_PREFIX}{FIRST_USER + index}"
        self.local = Address("", 0)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection stands."""
        self._transport = cast("asyncio.Transport", transport)
        self.local = Address(*transport.get_extra_info("sockname"))

    def data_received(self, data: bytes) -> None:
        """asyncio: an answer came; on a loopback it comes whole."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the connection is gone."""
        self.lost = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(BenchError(f"the server closed the flow of {self.user}"))

    async def ask(self, data: bytes) -> bytes:
        """Send, and return the answer."""
        if self._transport is None or self.lost:
            raise BenchError(f"the server closed the flow of {self.user}")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await self._answer

    def request(self, method: str, number: int, extra: str = "") -> bytes:
        """A request of this phone; ``extra`` are finished lines."""
        uri, me = f"sip:{DOMAIN}", f"<sip:{self.user}@{DOMAIN}>"
        return (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TCP {self.local};branch=z9hG4bK{self.user}x{number};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: {me};tag={self.user}\r\nTo: {me}\r\nCall-ID: {self.user}@{self.local}\r\n"
            f"CSeq: {number} {method}\r\n{extra}Content-Length: 0\r\n\r\n"
        ).encode()

    async def register(self) -> None:
        """REGISTER, 401, REGISTER with digest, 200."""
        contact = f"Contact: <sip:{self.user}@{self.local};transport=tcp>;expires=3600\r\n"
        found = _challenge((await self.ask(self.request("REGISTER", 2, contact))).decode())
        if found is None:
            raise BenchError("no challenge for MD5")
        answer = credentials(found[1], "REGISTER", f"sip:{DOMAIN}", self.user, PASSWORD)
        line = f"Authorization: {answer}\r\n"
        final = await self.ask(self.request("REGISTER", 3, contact + line))
        if not final.startswith(b"SIP/2.0 200"):
            raise BenchError(f"{self.user} could not register: {final[:60]!r}")

    async def ping(self) -> None:
        """The double CRLF of RFC 5626 §4.4.1."""
        if await self.ask(PING) != PONG:
            raise BenchError("a ping was not answered by a pong")

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()


def measure(session: Session) -> None:
    """Hold as many flows as there are users, and read what they cost."""
    for server in session.present([TRUNKLINE]):
        session.attempt(server, _measure)


def _measure(session: Session, server: Trunkline) -> None:
    flows = session.settings.users
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if flows + SPARE_FILES > hard:
        raise BenchError(
            f"{flows} flows need as many open files on either side; the limit (ulimit -Hn) is {hard}"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    listening = Trunkline(listen=(f"udp:{SERVER}", f"tcp:{SERVER}"), trusted=SOURCES)
    with listening.start(session.work_folder(server.name), flows) as process:
        asyncio.run(_hold(session, process.pid, flows))


async def _hold(session: Session, pid: int, flows: int) -> None:
    settled = session.settings.settle_s > 0
    phones: list[Phone] = []
    try:
        # The first tenth fills what was free before: pools, caches, the heap that the start has left.
        phones += await _connect(range(flows // 10))
        await _each(phones, Phone.register)
        await asyncio.sleep(session.settings.settle_s)
        before, slab = memory_bytes(pid), _kernel_bytes()
        more = await _connect(range(len(phones), flows))
        phones += more
        await _each(more, Phone.register)
        await asyncio.sleep(session.settings.settle_s)
        grown, kernel = memory_bytes(pid) - before, _kernel_bytes() - slab
        session.add(Memory("TCP flow with its contact", "trunkline", grown / len(more), len(more), settled))
        await _idle(session, pid, phones)
        await _kept_alive(session, pid, phones)
        session.report.notes.append(
            f"The kernel's own memory grew by {kernel / len(more) / 2:.0f} bytes for each end of a flow."
        )
    finally:
        for phone in phones:
            phone.close()


async def _idle(session: Session, pid: int, phones: list[Phone]) -> None:
    with Meter(pid) as meter:
        await asyncio.sleep(IDLE_S)
    if any(phone.lost for phone in phones):
        raise BenchError("the server closed flows that were idle for less than a minute")
    session.report.notes.append(
        f"{len(phones)} idle, registered TCP flows cost {100 * meter.cpu_s / meter.wall_s:.2f} % of a processor."
    )


async def _kept_alive(session: Session, pid: int, phones: list[Phone]) -> None:
    with Meter(pid) as meter:
        await _each(phones, Phone.ping)
    session.add(
        Sample(
            measure="keep-alive of a TCP flow",
            server="trunkline",
            cpu_us=meter.cpu_s * 1e6 / len(phones),
            per_s=len(phones) / meter.wall_s,
            failed=0.0,
            busy=meter.cpu_s / meter.wall_s,
        )
    )


async def _connect(indexes: range) -> list[Phone]:
    """Phones from as many loopback addresses as it takes."""
    loop = asyncio.get_running_loop()
    made = [Phone(index) for index in indexes]

    async def connect(phone: Phone) -> None:
        index = int(phone.user.removeprefix(USER_PREFIX)) - FIRST_USER
        source = f"127.0.1.{1 + index // PER_SOURCE}"
        await loop.create_connection(lambda: phone, *SERVER, local_addr=(source, 0))

    await _each(made, connect)
    return made


async def _each(phones: list[Phone], work: Callable[[Phone], Coroutine[Any, Any, object]]) -> None:
    """Do something with all phones, some of them at a time."""
    left: Iterator[Phone] = iter(phones)

    async def some() -> None:
        for phone in left:
            await work(phone)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(some())


def _kernel_bytes() -> int:
    """What the kernel's slabs hold, sockets among it."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Slab:"):
            return int(line.split()[1]) * 1024
    return 0
