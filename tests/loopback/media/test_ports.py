"""The port pool: exhaustion, rest, late packets, owners, a clean stop."""

from __future__ import annotations

import asyncio
import gc
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from tests.loopback.media.rtp_phone import DEADLINE_S, exchange, free_range
from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.embedded import EmbeddedMediaEngine, MediaSettings

PF_EXITING = 0x4
"""In the flags of a task, Linux ``include/linux/sched.h``: set at the beginning of its end."""


def media_threads() -> list[str]:
    """Names of this process's media threads, of those that are not at their very end: who joined one is told a moment
    before the kernel has forgotten it."""
    names = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            name, _, rest = (task / "stat").read_text().partition("(")[2].rpartition(")")
            if name.startswith("media-") and not int(rest.split()[6]) & PF_EXITING:
                names.append(name)
    return names


async def _named_threads(number: int) -> None:
    """Wait for so many media threads: a thread names itself after it has started."""
    async with asyncio.timeout(DEADLINE_S):
        while len(media_threads()) != number:  # noqa: ASYNC110  (the kernel tells nobody)
            await asyncio.sleep(0.005)


def open_files() -> int:
    """How many file descriptors this process has."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_an_empty_pool_refuses_with_its_code() -> None:
    async with exchange(pairs=2) as at:
        ports = {(await at.open(name)).rtp_port for name in "ab"}
        assert len(ports) == 2
        with pytest.raises(MediaError) as refusal:
            await at.open("c")
        assert refusal.value.code == "media.ports_exhausted"
        assert at.engine.snapshot().ports_free == 0


async def test_one_very_port_is_opened_or_none() -> None:
    async with exchange(pairs=3) as at:
        wanted = (await at.open("a")).rtp_port + 4
        opened = await at.engine.execute(c.OpenPort("b", "call", rtp_port=wanted))
        assert (opened.rtp_port, opened.rtcp_port) == (wanted, wanted + 1)
        for port, code in (
            (wanted, "media.port_taken"),
            (wanted + 1, "media.argument"),
            (2, "media.argument"),
        ):
            with pytest.raises(MediaError) as refusal:
                await at.do(c.OpenPort("c", "call", rtp_port=port))
            assert refusal.value.code == code
        assert (await at.open("d")).rtp_port == wanted - 2


async def test_a_closed_port_rests_while_another_is_free() -> None:
    async with exchange(MediaSettings(quarantine_s=30.0), pairs=2) as at:
        first = await at.open("a")
        await at.do(c.ClosePort("a"))
        assert at.engine.snapshot().ports_resting == 1
        assert (await at.open_when_possible("b")).rtp_port != first.rtp_port


async def test_a_closed_port_is_used_before_its_time_when_no_other_is_left() -> None:
    async with exchange(MediaSettings(quarantine_s=30.0), pairs=1) as at:
        first = await at.open("a")
        await at.do(c.ClosePort("a"))
        assert (await at.open_when_possible("b")).rtp_port == first.rtp_port
        assert (await at.figures("b")).packets_in == 0


async def test_late_packets_of_an_old_call_never_reach_a_new_one() -> None:
    async with exchange(MediaSettings(quarantine_s=0.1), pairs=2) as at:
        old, bob, new = at.phone(ssrc=1), at.phone(ssrc=2), at.phone(ssrc=3)
        a, _ = await at.call(old, bob)
        assert old.speak(a) == await bob.hear()
        await at.do(c.CloseOwner("call"))
        for _ in range(10):
            old.speak(a)
        c_port = await at.open_when_possible("c", "next")
        d_port = await at.open_when_possible("d", "next")
        again, other = (c_port, d_port) if c_port.rtp_port == a.rtp_port else (d_port, c_port)
        await at.do(
            new.remote(again.port, "signalled"), bob.remote(other.port), c.Link(again.port, other.port)
        )
        for _ in range(3):
            old.speak(again)
        assert new.speak(again) == await bob.hear()
        assert (await at.figures(again.port)).packets_in == 1


async def test_closing_an_owner_closes_its_ports_alone_and_tells_their_figures() -> None:
    async with exchange() as at:
        alice, bob = at.phone(), at.phone()
        a, _ = await at.call(alice, bob)
        await at.open("x", "another call")
        assert alice.speak(a) == await bob.hear()
        closed = await at.engine.execute(c.CloseOwner("call"))
        assert [figures.port for figures in closed.statistics] == ["a", "b"]
        assert closed.statistics[0].packets_in == 1
        assert at.engine.snapshot().ports_open == 1
        assert (await at.engine.execute(c.CloseOwner("call"))).statistics == ()


async def test_unknown_and_doubled_ports_are_refused() -> None:
    async with exchange() as at:
        await at.open("a")
        with pytest.raises(MediaError) as doubled:
            await at.open("a")
        assert doubled.value.code == "media.duplicate_port"
        for command in (c.Echo("x"), c.Link("a", "x"), c.ClosePort("x"), c.ReadStatistics("x")):
            with pytest.raises(MediaError) as unknown:
                await at.do(command)
            assert unknown.value.code == "media.unknown_port"
        with pytest.raises(MediaError) as family:
            await at.open("b", family="ipv6")
        assert family.value.code == "media.family"


async def test_a_port_of_another_program_is_passed_over() -> None:
    first, last = free_range(2)
    engine = EmbeddedMediaEngine(MediaSettings(first_port=first, last_port=last))
    await engine.start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", first + 1))
        opened = await engine.execute(c.OpenPort("a", "call"))
        assert opened.rtp_port == first + 2
    await engine.stop()


async def test_a_stop_joins_every_thread_and_closes_every_socket() -> None:
    first, last = free_range()
    gc.collect()  # what earlier tests left to the collector is not to be counted
    before = open_files()
    engine = EmbeddedMediaEngine(MediaSettings(first_port=first, last_port=last, workers=2))
    await engine.start()
    for name in "abcdef":
        await engine.execute(c.OpenPort(name, "call"))
    await _named_threads(4)  # two workers, the reader and the writer of files
    await engine.stop()
    await engine.stop()
    assert media_threads() == []
    assert open_files() == before
    assert engine.snapshot().ports_open == 0
    with pytest.raises(MediaError) as stopped:
        await engine.execute(c.OpenPort("a", "call"))
    assert stopped.value.code == "media.stopped"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (MediaSettings(first_port=10_000, last_port=9_000), "port range 10000-9000"),
        (MediaSettings(first_port=10_000, last_port=70_000), "out of range"),
        (MediaSettings(workers=65), "workers must be 1 to 64, got 65"),
        (MediaSettings(address="media.example"), "expected an IPv4 or IPv6 address"),
        (MediaSettings(address="192.0.2.1"), "cannot use the media address 192.0.2.1"),
        (MediaSettings(inactivity_s=-1.0), "inactivity_s must be 0 to 86400 seconds, got -1"),
    ],
)
async def test_wrong_settings_are_named(settings: MediaSettings, text: str) -> None:
    with pytest.raises(MediaError, match=text):
        await EmbeddedMediaEngine(settings).start()


async def test_the_advertised_address_is_told_beside_the_local_one() -> None:
    async with exchange(MediaSettings(advertise="203.0.113.7")) as at:
        opened = await at.open("a")
        assert (opened.address, opened.advertised) == ("127.0.0.1", "203.0.113.7")


@pytest.mark.rule("T-24")
async def test_a_port_that_another_call_adopts_relays_on_and_ends_with_that_one() -> None:
    async with exchange() as at:
        alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
        a, b = await at.open("a"), await at.open("b")
        await at.do(alice.remote("a"), bob.remote("b"), c.Link("a", "b"))
        assert alice.speak(a) == await bob.hear()
        await at.do(c.AdoptPort("a", "other"))
        said = bob.speak(b)
        assert await alice.hear() == said
        closed = await at.engine.execute(c.CloseOwner("call"))
        assert [one.port for one in closed.statistics] == ["b"]
        closed = await at.engine.execute(c.CloseOwner("other"))
        assert [one.port for one in closed.statistics] == ["a"]
        with pytest.raises(MediaError) as refusal:
            await at.do(c.AdoptPort("a", "call"))
        assert refusal.value.code == "media.unknown_port"
