"""SRTP at the engine's ports, both ways against libsrtp."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.loopback.media.rtp_phone import exchange, receiver_report, strength
from tests.loopback.media.secure_phone import REFUSED, Key, SecurePhone
from tests.loopback.media.sound import linear, read_wav, sine, write_wav
from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.embedded import MediaSettings
from trunkline.media.security_commands import SUITES

SUITE = "AES_CM_128_HMAC_SHA1_80"


@pytest.fixture(params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    """Each crypto suite in turn."""
    return str(request.param)


@pytest.mark.rule("T-24")
@pytest.mark.rfc("3711", "3.1")
async def test_one_side_is_encrypted_and_the_other_is_not(suite: str) -> None:
    async with exchange() as at:
        alice, bob = SecurePhone(at.phone(ssrc=1), suite), at.phone(ssrc=2)
        a, b = await at.open("a"), await at.open("b")
        await at.do(alice.keys("a"), alice.phone.remote("a"), bob.remote("b"), c.Link("a", "b"))
        for _ in range(10):
            assert alice.speak(a) == await bob.hear()
            said = bob.speak(b)
            assert await alice.hear() == said
        assert (await at.figures("a")).refused == 0


@pytest.mark.rule("T-24")
async def test_both_sides_are_encrypted_each_with_keys_of_its_own(suite: str) -> None:
    async with exchange() as at:
        alice, bob = SecurePhone(at.phone(ssrc=1), suite), SecurePhone(at.phone(ssrc=2), SUITES[1])
        a, b = await at.open("a"), await at.open("b")
        await at.do(alice.keys("a"), alice.phone.remote("a"), bob.keys("b"), bob.phone.remote("b"))
        await at.do(c.Link("a", "b"))
        for _ in range(10):
            assert alice.speak(a) == await bob.hear()
            assert bob.speak(b) == await alice.hear()


@pytest.mark.rfc("3711", "3.4")
@pytest.mark.parametrize("muxed", [False, True])
async def test_reports_are_encrypted_too(suite: str, muxed: bool) -> None:
    async with exchange() as at:
        alice, bob = SecurePhone(at.phone(ssrc=1), suite), at.phone(ssrc=2)
        a, b = await at.open("a"), await at.open("b")
        remote = alice.phone.remote("a", rtcp_port=0 if muxed else alice.phone.rtcp_port, rtcp_mux=muxed)
        await at.do(alice.keys("a"), remote, bob.remote("b", rtcp_port=bob.rtcp_port), c.Link("a", "b"))
        assert alice.speak(a) == await bob.hear()
        assert alice.report(a, muxed=muxed) == await bob.hear_rtcp()
        for _ in range(3):
            bob.rtcp.sendto(receiver_report(2), (b.address, b.rtcp_port))
            sealed = await (alice.phone.hear() if muxed else alice.phone.hear_rtcp())
            assert alice.opening.unprotect_rtcp(sealed) == receiver_report(2)


@pytest.mark.rule("T-24")
@pytest.mark.rfc("3711", "3.1")
@pytest.mark.parametrize("mki", [b"\1", b"\0\0\0\7", bytes(range(128))], ids=len)
async def test_packets_name_their_key_when_it_was_agreed_so(suite: str, mki: bytes) -> None:
    async with exchange() as at:
        alice, bob = SecurePhone(at.phone(ssrc=1), suite, mki), at.phone(ssrc=2)
        a, b = await at.open("a"), await at.open("b")
        remote = alice.phone.remote("a", rtcp_port=0, rtcp_mux=True)
        await at.do(alice.keys("a"), remote, bob.remote("b", rtcp_port=bob.rtcp_port), c.Link("a", "b"))
        for _ in range(3):
            assert alice.speak(a) == await bob.hear()
            said = bob.speak(b)
            assert await alice.hear() == said
        assert alice.report(a, muxed=True) == await bob.hear_rtcp()
        bob.rtcp.sendto(receiver_report(2), (b.address, b.rtcp_port))
        assert alice.opening.unprotect_rtcp(await alice.phone.hear()) == receiver_report(2)
        plain, sealed = alice.packet()
        alice.send(a, alice.with_another_mki(sealed))
        await at.figures_when("a", lambda now: now.refused == 1)
        alice.send(a, sealed)
        assert await bob.hear() == plain


async def test_an_mki_that_is_none_is_refused() -> None:
    key = Key.random(SUITE).base64
    async with exchange() as at:
        await at.open("a")
        for mki in ("0", "xy", "00" * 129):
            with pytest.raises(MediaError) as refused:
                await at.do(c.SetKeys("a", SUITE, key, key, receive_mki=mki))
            assert refused.value.code == "media.argument"


async def test_nothing_passes_in_the_clear_and_nothing_before_there_are_keys() -> None:
    async with exchange() as at:
        alice, bob = SecurePhone(at.phone(ssrc=1)), at.phone(ssrc=2)
        a, b = await at.open("a"), await at.open("b")
        await at.do(alice.keys("a", answered=False), alice.phone.remote("a"), bob.remote("b"))
        await at.do(c.Link("a", "b"))
        alice.speak(a)
        await at.figures_when("a", lambda now: now.refused == 1)
        said = bob.speak(b)
        assert await alice.hear() == said, "what is sent is sealed already"
        await at.do(alice.keys("a"))
        alice.phone.speak(a)
        await at.figures_when("a", lambda now: now.refused == 2)
        alice.phone.rtcp.sendto(receiver_report(1), (a.address, a.rtcp_port))
        assert (await at.figures_when("a", lambda now: now.refused == 3)).packets_in == 0
        assert alice.speak(a) == await bob.hear(), "and it is the first that bob hears"


@pytest.mark.rfc("3711", "3.3.2")
async def test_a_packet_passes_once_and_unchanged_or_not_at_all(suite: str) -> None:
    async with exchange() as at:
        alice, bob = SecurePhone(at.phone(ssrc=1), suite), at.phone(ssrc=2)
        a, _ = await at.open("a"), await at.open("b")
        await at.do(alice.keys("a"), alice.phone.remote("a"), bob.remote("b"), c.Link("a", "b"))
        plain, sealed = alice.packet()
        changed = sealed[:40] + bytes([sealed[40] ^ 1]) + sealed[41:]
        for octets in (changed, sealed, sealed, sealed[:-1], sealed[:11]):
            alice.send(a, octets)
        assert await bob.hear() == plain
        figures = await at.figures_when("a", lambda now: now.refused >= 4)
        assert (figures.refused, figures.packets_in, figures.invalid) == (4, 1, 0)


@pytest.mark.rule("T-24")
@pytest.mark.rfc("3711", "3.3.1")
async def test_the_roll_over_counter_survives_an_offer_with_the_same_keys(suite: str) -> None:
    async with exchange() as at:
        alice, bob = SecurePhone(at.phone(ssrc=1), suite), at.phone(ssrc=2)
        a, b = await at.open("a"), await at.open("b")
        await at.do(alice.keys("a"), alice.phone.remote("a"), bob.remote("b"), c.Link("a", "b"))
        alice.sequence = bob.sequence = 65_533
        for number in range(8):
            if number in {2, 5}:  # before the numbers roll over, and after it
                await at.do(alice.keys("a"), alice.phone.remote("a"), c.SetDirection("a"))
            assert alice.speak(a) == await bob.hear()
            said = bob.speak(b)
            assert await alice.hear() == said


@pytest.mark.rule("T-24")
@pytest.mark.rfc("4568", "7.1.4")
async def test_after_new_keys_what_was_under_way_is_still_heard(suite: str) -> None:
    async with exchange() as at:
        alice, bob = SecurePhone(at.phone(ssrc=1), suite), at.phone(ssrc=2)
        a, b = await at.open("a"), await at.open("b")
        await at.do(alice.keys("a"), alice.phone.remote("a"), bob.remote("b"), c.Link("a", "b"))
        assert alice.speak(a) == await bob.hear()
        late = [alice.packet() for _ in range(3)]
        former = alice.opening
        alice.renew(SUITE)
        await at.do(alice.keys("a"))
        for plain, sealed in late[:2]:
            alice.send(a, sealed)
            assert await bob.hear() == plain
        assert alice.speak(a) == await bob.hear()
        alice.send(a, late[2][1])
        assert await bob.hear() == late[2][0]
        said = bob.speak(b)
        sealed = await alice.phone.hear()
        assert alice.opening.unprotect(sealed) == said
        with pytest.raises(REFUSED):
            former.unprotect(sealed)


async def test_an_answer_in_the_clear_ends_encryption() -> None:
    async with exchange() as at:
        alice, bob = SecurePhone(at.phone(ssrc=1)), at.phone(ssrc=2)
        a, b = await at.open("a"), await at.open("b")
        await at.do(alice.keys("a", answered=False), c.SetPlain("a"))
        await at.do(alice.phone.remote("a"), bob.remote("b"), c.Link("a", "b"))
        assert alice.phone.speak(a) == await bob.hear()
        said = bob.speak(b)
        assert await alice.phone.hear() == said


async def test_what_the_port_says_itself_is_sealed(tmp_path: Path, suite: str) -> None:
    file = write_wav(tmp_path / "tone.wav", [sine(700, 2)], 8000, 16)
    async with exchange() as at:
        alice = SecurePhone(at.phone(), suite)
        a = await at.open("a")
        await at.do(alice.keys("a"), alice.phone.remote("a"), c.Tone("a", 1004.0))
        assert strength(await _sound(alice), 1004.0) > -20
        await at.do(c.SendDigits("a", "5", 101))
        while (await alice.hear())[1] & 0x7F != 101:
            pass
        await at.event("digits_sent")
        await at.do(c.Play("a", "p", [str(file)]))
        while strength(await _sound(alice), 700.0) < -20:
            pass
        await at.do(c.Echo("a"))
        said = alice.speak(a)
        while (packet := await alice.hear())[12:] != said[12:]:
            pass
        assert packet[8:12] != said[8:12]


async def _sound(phone: SecurePhone) -> list[int]:
    samples: list[int] = []
    while len(samples) < 800:
        packet = await phone.hear()
        if packet[1] & 0x7F == 0:
            samples += [linear(octet, 0) for octet in packet[12:]]
    return samples


async def test_a_recording_has_what_was_said_and_not_what_was_sent(tmp_path: Path) -> None:
    async with exchange() as at:
        alice = SecurePhone(at.phone())
        a = await at.open("a")
        await at.do(alice.keys("a"), alice.phone.remote("a"))
        await at.do(c.Record("a", "r", str(tmp_path / "call.wav")))
        plain, _, _ = alice.speak(a), alice.speak(a), alice.speak(a)
        await at.figures_when("a", lambda now: now.packets_in == 3)
        await at.do(c.StopRecord("r"))
        await at.event("recorded")
        (samples,) = read_wav(tmp_path / "call.wav")
        heard = [linear(octet, 0) for octet in plain[12:]]
        assert heard in [samples[at : at + 160] for at in range(len(samples))]


async def test_the_next_use_of_a_port_has_no_keys_of_the_one_before() -> None:
    async with exchange(pairs=1) as at:
        alice = SecurePhone(at.phone())
        await at.open("a")
        await at.do(alice.keys("a"), alice.phone.remote("a"), c.ClosePort("a"))
        bob = at.phone()
        b = await at.open_when_possible("b")
        await at.do(bob.remote("b"), c.Echo("b"))
        said = bob.speak(b)
        assert (await bob.hear())[12:] == said[12:]


async def test_wrong_keys_are_refused_and_not_told() -> None:
    async with exchange() as at:
        await at.open("a")
        right = Key.random(SUITE).base64
        for suite, send, receive, told in (
            ("F8_128_HMAC_SHA1_80", right, right, "expected one of AES_CM_128_HMAC_SHA1_80"),
            (SUITE, right[:-4], right, "needs 30 octets"),
            (SUITE, right, right[:-4], "needs 30 octets"),
            (SUITE, "", right, "needs 30 octets"),
            (SUITE, right, right + "!", "not base64"),
            ("AEAD_AES_256_GCM", right, right, "needs 44 octets"),
        ):
            with pytest.raises(MediaError, match=told) as refusal:
                await at.do(c.SetKeys("a", suite, send, receive))
            assert refusal.value.code == "media.argument"
            assert right[:8] not in str(refusal.value)
        assert right not in repr(c.SetKeys("a", SUITE, right, right))


async def test_a_worker_seals_for_the_port_of_another() -> None:
    async with exchange(MediaSettings(workers=2)) as at:
        alice, bob = SecurePhone(at.phone(ssrc=1)), SecurePhone(at.phone(ssrc=2))
        a, b = await at.open("a", "one"), await at.open("b", "other")
        await at.do(alice.keys("a"), bob.keys("b"), alice.phone.remote("a"), bob.phone.remote("b"))
        await at.do(c.Link("a", "b"))
        # Two workers take their orders, each in its time: what comes before is dropped.
        await alice.speak_until_heard(a, bob)
        await bob.speak_until_heard(b, alice)
        for _ in range(5):
            assert alice.speak(a) == await bob.hear()
            assert bob.speak(b) == await alice.hear()
