"""A name server on loopback, UDP and TCP on one port, with scripted zones and scripted faults."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

TRIES = 20


class NameServer:
    """Answers from ``zone``: records by name, each ``[TTL] TYPE DATA`` as in a zone file.

    Names in ``silent`` get no answer, those in ``refused`` SERVFAIL, those in ``truncated`` an empty one over
    UDP; one that stands in no zone gets NXDOMAIN. Each answer waits ``held`` seconds, or until ``gate`` is set.
    What was asked is noted in ``asked`` (``udp a.test A``).
    """

    def __init__(self, zone: Mapping[str, Sequence[str]]) -> None:
        self.zone = {name.lower(): list(records) for name, records in zone.items()}
        self.silent: set[str] = set()
        self.refused: set[str] = set()
        self.truncated: set[str] = set()
        self.dead = False
        self.gate: asyncio.Event | None = None
        self.negative_ttl = 60
        self.with_soa = True
        self.asked: list[str] = []
        self.address = ("127.0.0.1", 0)
        self._tasks: set[asyncio.Task[None]] = set()

    def count(self, question: str) -> int:
        """How often ``a.test A`` was asked, by either transport."""
        return sum(each.partition(" ")[2] == question for each in self.asked)

    async def answer(self, wire: bytes, transport: str) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append(f"{transport} {name} {dns.rdatatype.to_text(question.rdtype)}")
        if self.gate is not None:
            await self.gate.wait()
        if self.dead or name in self.silent:
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if name in self.refused:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif name in self.truncated and transport == "udp":
            response.flags |= dns.flags.TC
        else:
            self._fill(response, name, question.rdtype)
        return response.to_wire(max_size=65535)

    def _fill(self, response: Any, name: str, kind: dns.rdatatype.RdataType) -> None:
        wanted = dns.rdatatype.to_text(kind)
        for _ in range(TRIES):
            records = [_split(record) for record in self.zone.get(name, ())]
            rows = [(ttl, data) for ttl, type_, data in records if type_ == wanted]
            if rows:
                response.answer.append(_rrset(name, wanted, rows))
                return
            alias = next(((ttl, data) for ttl, type_, data in records if type_ == "CNAME"), None)
            if alias is None:
                break
            if any(rrset.name == dns.name.from_text(name) for rrset in response.answer):
                return  # a circle, told as it is
            response.answer.append(_rrset(name, "CNAME", [alias]))
            name = alias[1].rstrip(".").lower()
        if name not in self.zone:
            response.set_rcode(dns.rcode.NXDOMAIN)
        if self.with_soa:
            soa = f"ns.test. root.test. 1 2 3 4 {self.negative_ttl}"
            response.authority.append(_rrset("test", "SOA", [(3600, soa)]))

    def later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self.server = server
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.server.later(self._answer(data, addr))

    async def _answer(self, data: bytes, addr: Any) -> None:
        answer = await self.server.answer(data, "udp")
        if answer is not None:
            self.transport.sendto(answer, addr)


@asynccontextmanager
async def name_server(zone: Mapping[str, Sequence[str]]) -> AsyncIterator[NameServer]:
    """A name server that runs; ``address`` is where."""
    server = NameServer(zone)
    loop = asyncio.get_running_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (size,) = struct.unpack("!H", await reader.readexactly(2))
                answer = await server.answer(await reader.readexactly(size), "tcp")
                if answer is not None:
                    writer.write(struct.pack("!H", len(answer)) + answer)
        writer.close()

    for _ in range(TRIES):  # the port that TCP gets may be taken for UDP
        streams = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = streams.sockets[0].getsockname()[1]
        try:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(server), local_addr=("127.0.0.1", port)
            )
        except OSError:
            streams.close()
            continue
        break
    else:
        raise RuntimeError("no port is free for both UDP and TCP")
    server.address = ("127.0.0.1", port)
    try:
        yield server
    finally:
        transport.close()
        streams.close()
        await server.stop()
        await streams.wait_closed()


def _split(record: str) -> tuple[int, str, str]:
    first, _, rest = record.partition(" ")
    ttl = 300
    if first.isdigit():
        ttl = int(first)
        first, _, rest = rest.partition(" ")
    return ttl, first, rest


def _rrset(name: str, kind: str, rows: list[tuple[int, str]]) -> Any:
    ttl = min(ttl for ttl, _ in rows)
    return dns.rrset.from_text(f"{name}.", ttl, "IN", kind, *(data for _, data in rows))
