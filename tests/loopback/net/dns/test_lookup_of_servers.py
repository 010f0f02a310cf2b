"""Finding servers with a real name server on loopback, in all its moods."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.peers.name_server import NameServer, name_server
from trunkline.net.dns import DnsSettings, Locator, Lookups, NotLocated
from trunkline.net.dns.client import DnsClient
from trunkline.net.dns.records import Answer, Kind, Question
from trunkline.net.dns.selection import Ours
from trunkline.net.dns.system import SystemNames
from trunkline.proto.sip.uri import parse_uri

DEADLINE_S = 60.0
BOTH = frozenset({socket.AF_INET, socket.AF_INET6})
OURS: Ours = {"UDP": BOTH, "TCP": BOTH, "TLS": BOTH}
ZONE = {
    "a.test": ['NAPTR 10 10 "s" "SIP+D2U" "" _sip._udp.a.test.', "A 192.0.2.9"],
    "_sip._udp.a.test": ["SRV 10 0 5070 one.a.test.", "SRV 20 0 5071 two.a.test."],
    "one.a.test": ["A 192.0.2.1", "AAAA 2001:db8::1"],
    "two.a.test": ["60 A 192.0.2.2"],
    "plain.test": ["A 192.0.2.3"],
    "alias.test": ["CNAME plain.test."],
    "round.test": ["CNAME about.test."],
    "about.test": ["CNAME round.test."],
    "empty.test": ['TXT "nothing here"'],
}


class Finder:
    """A locator with its memory, and a clock of its own for what the memory believes."""

    def __init__(self, lookups: Lookups, settings: DnsSettings) -> None:
        self.lookups = lookups
        self.locator = Locator(
            lookups, lambda: OURS, settings, dice=lambda _most: 0, source_of=lambda address: address
        )

    async def trial(self, uri: str) -> list[str]:
        async with asyncio.timeout(DEADLINE_S):
            return [str(hop) for hop in await self.locator.locate(parse_uri(uri))]


class Clock:
    """The running loop, but its time can be put forward."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.create_task = self.loop.create_task
        self.ahead_s = 0.0

    def time(self) -> float:
        return self.loop.time() + self.ahead_s


@asynccontextmanager
async def finder(
    server: NameServer, tmp_path: Path, hosts: str = "", clock: Clock | None = None, **settings: Any
) -> AsyncIterator[Finder]:
    (tmp_path / "hosts").write_text(hosts)
    (tmp_path / "resolv.conf").write_text("")
    chosen = DnsSettings(
        **{"servers": (server.address,), "question_timeout_s": 6.0, "timeout_s": 20.0, **settings}
    )
    system = SystemNames(tmp_path / "hosts", tmp_path / "resolv.conf")
    loop: Any = clock or asyncio.get_running_loop()
    lookups = Lookups(loop, chosen, system)
    try:
        yield Finder(lookups, chosen)
    finally:
        await lookups.stop()
        assert asyncio.all_tasks() - server._tasks - {asyncio.current_task()} == set()


@pytest.mark.rule("T-31")
@pytest.mark.rfc("3263", "4.2")
async def test_naptr_srv_and_addresses_lead_to_servers(tmp_path: Path) -> None:
    async with name_server(ZONE) as server, finder(server, tmp_path) as find:
        assert await find.trial("sip:bob@a.test") == [
            "udp [2001:db8::1]:5070",
            "udp 192.0.2.1:5070",
            "udp 192.0.2.2:5071",
        ]
        asked = len(server.asked)
        assert await find.trial("sip:carol@A.Test.") == await find.trial("sip:a.test")
        assert len(server.asked) == asked, "all of it is remembered"


async def test_what_was_cut_short_is_asked_for_again_by_tcp(tmp_path: Path) -> None:
    async with name_server(ZONE) as server, finder(server, tmp_path) as find:
        server.truncated = {"_sip._udp.a.test"}
        assert (await find.trial("sip:a.test"))[-1] == "udp 192.0.2.2:5071"
        assert "tcp _sip._udp.a.test SRV" in server.asked


async def test_a_large_answer_comes_whole(tmp_path: Path) -> None:
    zone = {"many.test": [f"A 192.0.2.{number}" for number in range(1, 60)]}
    async with name_server(zone) as server, finder(server, tmp_path) as find:
        server.truncated = {"many.test"}
        answers = await find.lookups.answers([])
        await find.lookups.refresh()
        question = Question("many.test", Kind.A)
        answers = await find.lookups.answers([question])
        assert len(answers[question].addresses) == 59


async def test_aliases_are_followed(tmp_path: Path) -> None:
    async with name_server(ZONE) as server, finder(server, tmp_path) as find:
        assert await find.trial("sip:alias.test") == ["udp 192.0.2.3:5060"]


async def test_aliases_that_the_name_server_leaves_to_us_are_followed(tmp_path: Path) -> None:
    class Terse(NameServer):
        def _fill(self, response: Any, name: str, kind: Any) -> None:
            super()._fill(response, name, kind)
            response.answer = response.answer[:1]

    async with name_server(ZONE) as server, finder(server, tmp_path) as find:
        server.__class__ = Terse
        assert await find.trial("sip:alias.test:5060") == ["udp 192.0.2.3:5060"]


async def test_aliases_in_a_circle_end(tmp_path: Path) -> None:
    async with name_server(ZONE) as server, finder(server, tmp_path) as find:
        with pytest.raises(NotLocated, match=r"round\.test cannot be looked up"):
            await find.trial("sip:round.test:5060")


@pytest.mark.rfc("2308", "5")
@pytest.mark.parametrize("name", ["missing.test", "empty.test"])
async def test_that_there_is_nothing_is_remembered(name: str, tmp_path: Path) -> None:
    clock = Clock()
    async with name_server(ZONE) as server, finder(server, tmp_path, clock=clock) as find:
        server.negative_ttl = 30
        for _ in range(3):
            with pytest.raises(NotLocated, match="has no address"):
                await find.trial(f"sip:{name}:5060")
        assert server.count(f"{name} A") == 1
        clock.ahead_s = 31
        with pytest.raises(NotLocated):
            await find.trial(f"sip:{name}:5060")
        assert server.count(f"{name} A") == 2


async def test_a_ttl_is_kept_to(tmp_path: Path) -> None:
    clock = Clock()
    async with name_server(ZONE) as server, finder(server, tmp_path, clock=clock) as find:
        await find.trial("sip:two.a.test:5060")
        clock.ahead_s = 59
        await find.trial("sip:two.a.test:5060")
        assert server.count("two.a.test A") == 1
        clock.ahead_s = 61
        await find.trial("sip:two.a.test:5060")
        assert server.count("two.a.test A") == 2


@pytest.mark.rfc("2308", "7.1")
async def test_a_server_failure_is_told_and_shortly_remembered(tmp_path: Path) -> None:
    clock = Clock()
    async with name_server(ZONE) as server, finder(server, tmp_path, clock=clock) as find:
        server.refused = {"plain.test"}
        for _ in range(2):
            with pytest.raises(NotLocated, match=r"plain\.test cannot be looked up: .* answered SERVFAIL"):
                await find.trial("sip:plain.test:5060")
        assert server.count("plain.test A") == 1
        server.refused = set()
        clock.ahead_s = 6
        assert await find.trial("sip:plain.test:5060") == ["udp 192.0.2.3:5060"]


async def test_a_silent_name_server_is_given_up(tmp_path: Path) -> None:
    async with name_server(ZONE) as server, finder(server, tmp_path, question_timeout_s=0.1) as find:
        server.dead = True
        with pytest.raises(NotLocated, match=r"127\.0\.0\.1 did not answer"):
            await find.trial("sip:plain.test:5060")


async def test_all_of_it_together_has_a_deadline(tmp_path: Path) -> None:
    async with name_server(ZONE) as server, finder(server, tmp_path, timeout_s=0.05) as find:
        server.gate = asyncio.Event()
        with pytest.raises(NotLocated, match=r"could not be looked up within 0\.05 s: no answer about"):
            await find.trial("sip:plain.test")


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_the_next_name_server_is_asked_when_the_first_is_silent(tmp_path: Path) -> None:
    async with name_server({}) as silent, name_server(ZONE) as alive:
        silent.dead = True
        servers = (silent.address, alive.address)
        async with finder(alive, tmp_path, servers=servers, question_timeout_s=0.6) as find:
            assert await find.trial("sip:plain.test:5060") == ["udp 192.0.2.3:5060"]


async def test_a_reload_asks_other_name_servers_and_keeps_what_is_known(tmp_path: Path) -> None:
    async with name_server(ZONE) as first, name_server(ZONE) as second, finder(first, tmp_path) as find:
        known = await find.trial("sip:two.a.test:5060")
        first.refused = {"plain.test"}
        with pytest.raises(NotLocated):
            await find.trial("sip:plain.test:5060")
        find.locator.adjust(DnsSettings(servers=(second.address,)))
        assert await find.trial("sip:two.a.test:5060") == known
        assert await find.trial("sip:plain.test:5060") == ["udp 192.0.2.3:5060"], "its failure is forgotten"
        assert (second.count("plain.test A"), second.count("two.a.test A")) == (1, 0)


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_name_server_that_is_silent_about_naptr_and_srv_hides_no_address(tmp_path: Path) -> None:
    async with name_server(ZONE) as server, finder(server, tmp_path, question_timeout_s=0.1) as find:
        server.silent = {"_sip._udp.plain.test", "_sip._tcp.plain.test", "_sips._tcp.plain.test"}
        assert await find.trial("sip:plain.test") == ["udp 192.0.2.3:5060"]


async def test_many_askers_share_one_question(tmp_path: Path) -> None:
    async with name_server(ZONE) as server, finder(server, tmp_path) as find:
        server.gate = asyncio.Event()
        askers = [asyncio.ensure_future(find.trial("sip:plain.test:5060")) for _ in range(20)]
        async with asyncio.timeout(DEADLINE_S):
            while server.count("plain.test A") == 0:  # noqa: ASYNC110  (the name server tells no event)
                await asyncio.sleep(0.001)
        askers[0].cancel()
        server.gate.set()
        assert await asyncio.gather(*askers[1:]) == [["udp 192.0.2.3:5060"]] * 19
        assert server.count("plain.test A") == 1


@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.rfc("8767", "5")
async def test_what_was_known_serves_on_when_the_name_server_dies(tmp_path: Path) -> None:
    clock = Clock()
    short: dict[str, Any] = {"stale_s": 600, "question_timeout_s": 0.1}
    async with name_server(ZONE) as server, finder(server, tmp_path, clock=clock, **short) as find:
        assert await find.trial("sip:two.a.test:5060") == ["udp 192.0.2.2:5060"]
        server.dead = True
        clock.ahead_s = 100
        assert await find.trial("sip:two.a.test:5060") == ["udp 192.0.2.2:5060"]
        asked = len(server.asked)
        assert await find.trial("sip:two.a.test:5060") == ["udp 192.0.2.2:5060"]
        assert len(server.asked) == asked, "nobody waits again at once"
        clock.ahead_s = 700
        with pytest.raises(NotLocated):
            await find.trial("sip:two.a.test:5060")


async def test_names_of_the_hosts_file_and_localhost_need_no_name_server(tmp_path: Path) -> None:
    hosts = "192.0.2.77 sbc.local.test\n"
    async with name_server(ZONE) as server, finder(server, tmp_path, hosts) as find:
        assert await find.trial("sip:sbc.local.test") == ["udp 192.0.2.77:5060"]
        assert await find.trial("sips:sbc.local.test") == ["tls 192.0.2.77:5061"]
        assert await find.trial("sip:localhost") == ["udp [::1]:5060", "udp 127.0.0.1:5060"]
        assert server.asked == []


async def test_the_hosts_file_has_the_last_word_on_a_server_that_srv_names(tmp_path: Path) -> None:
    async with name_server(ZONE) as server, finder(server, tmp_path, "192.0.2.88 two.a.test\n") as find:
        assert (await find.trial("sip:a.test"))[-1] == "udp 192.0.2.88:5071"


async def test_search_domains_are_not_tried(tmp_path: Path) -> None:
    async with name_server(ZONE) as server, finder(server, tmp_path) as find:
        with pytest.raises(NotLocated):
            await find.trial("sip:plain:5060")
        assert sorted(server.asked) == ["udp plain A", "udp plain AAAA"]


async def test_new_name_servers_of_the_system_are_asked_and_old_failures_forgotten(tmp_path: Path) -> None:
    clock = Clock()
    clients: list[tuple[Any, ...]] = []
    async with name_server(ZONE) as server, finder(server, tmp_path, clock=clock, servers=()) as find:
        (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        await find.lookups.refresh()
        clients.append(find.lookups._servers)
        (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.2\nnameserver ::1\n")
        clock.ahead_s = 10
        await find.lookups.refresh()
        clients.append(find.lookups._servers)
    assert clients == [(("127.0.0.1", 53),), (("127.0.0.2", 53), ("::1", 53))]


async def test_giving_up_leaves_nothing_behind(tmp_path: Path) -> None:
    async with name_server(ZONE) as server, finder(server, tmp_path) as find:
        server.gate = asyncio.Event()
        waiting = asyncio.ensure_future(find.trial("sip:plain.test"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_a_port_without_name_server_is_a_failure_in_time(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        client = DnsClient([("127.0.0.1", closed.getsockname()[1])], 0.1)
        answer, _ = await client.ask(Question("plain.test", Kind.A))
    assert answer == Answer(failure=answer.failure)
    assert "did not answer" in answer.failure
