"""Keys that the engine presses: as a phone sees them, and as the engine's own receiver hears them."""

from __future__ import annotations

import itertools
import random
import struct

import pytest

from tests.loopback.media.rtp_phone import exchange
from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.events import DigitsSent, DtmfReceived

ALL = "0123456789*#ABCD"


@pytest.mark.rfc("4733", "2.5.1")
async def test_a_key_takes_the_place_of_a_tone_in_the_same_stream() -> None:
    async with exchange() as at:
        alice = at.phone()
        await at.open("a")
        await at.do(alice.remote("a"), c.Tone("a", 440.0))
        before = [await alice.hear() for _ in range(3)]
        await at.do(c.SendDigits("a", "5", 101))
        assert await at.event("digits_sent") == DigitsSent("call", "a", "5")
        packets = list(before)
        while not (packets[-1][1] & 0x7F == 0 and any(packet[1] & 0x7F == 101 for packet in packets)):
            packets.append(await alice.hear())
        keys = [packet for packet in packets if packet[1] & 0x7F == 101]
        assert len(keys) == 7
        assert [packet[1] >> 7 for packet in keys] == [1] + [0] * 6
        assert [struct.unpack("!BBH", packet[12:]) for packet in keys] == [
            (5, 0x8A if step >= 5 else 0x0A, min(step, 5) * 160) for step in range(1, 8)
        ]
        assert len({packet[4:8] for packet in keys}) == 1
        assert len({packet[8:12] for packet in packets}) == 1
        numbers = [int.from_bytes(packet[2:4]) for packet in packets]
        assert {(b - a) % 65_536 for a, b in itertools.pairwise(numbers)} == {1}
        # What the tone would have said passes: its timestamps go on behind the key. A beat that came late before it
        # is counted as the pause that it was.
        first = packets.index(keys[0])
        stamps = [int.from_bytes(packet[4:8]) for packet in (packets[0], keys[0], packets[first + 7])]
        assert (stamps[1] - stamps[0]) % 2**32 >= first * 160
        assert (stamps[2] - stamps[1]) % 2**32 == 7 * 160


@pytest.mark.rfc("4733", "2.5.1.4")
@pytest.mark.parametrize("loss", [0.0, 0.1])
async def test_the_engine_hears_each_of_its_keys_once_and_in_order(loss: float) -> None:
    chance = random.Random(4733)  # noqa: S311  (the same losses each time)
    async with exchange() as at:
        wire = at.phone()
        await at.open("a")
        b = await at.open("b")
        await at.do(wire.remote("a"), wire.remote("b", dtmf_payload_type=101))
        await at.do(c.SendDigits("a", ALL, 101, 60, 40), c.SendDigits("a", "11", 101, 60, 40))
        lost = 0
        for _ in range(5 * len(ALL + "11")):
            packet = await wire.hear()
            if chance.random() < loss:
                lost += 1
            else:
                wire.rtp.sendto(packet, (b.address, b.rtp_port))
        assert (lost > 0) == (loss > 0)
        heard = [await at.event("dtmf") for _ in ALL + "11"]
        assert [event.digit for event in heard if isinstance(event, DtmfReceived)] == list(ALL + "11")
        assert at.waiting_events("dtmf") == []


async def test_keys_wait_for_those_before_and_only_so_many_may() -> None:
    async with exchange() as at:
        alice = at.phone()
        await at.open("a")
        # The first is pressed for as long as it can be: it waits no more only when the next one is begun.
        await at.do(alice.remote("a"), c.SendDigits("a", "1" * 60, 101, 8000, 8000))
        with pytest.raises(MediaError) as refusal:
            await at.do(c.SendDigits("a", "12345", 101))
        assert refusal.value.code == "media.digits_full"
        await at.do(c.SendDigits("a", "1234", 101), c.ClosePort("a"))
        assert at.waiting_events("digits_sent") == []


@pytest.mark.parametrize(
    "wrong",
    [
        c.SendDigits("a", "", 101),
        c.SendDigits("a", "12x", 101),
        c.SendDigits("a", "1" * 65, 101),
        c.SendDigits("a", "1", 8),
        c.SendDigits("a", "1", 300),
        c.SendDigits("a", "1", 101, 20),
        c.SendDigits("a", "1", 101, -1),
        c.SendDigits("a", "1", 101, 100, 9000),
    ],
)
async def test_what_is_no_key_is_refused(wrong: c.SendDigits) -> None:
    async with exchange() as at:
        await at.open("a")
        with pytest.raises(MediaError) as refusal:
            await at.do(wrong)
        assert refusal.value.code == "media.argument"
