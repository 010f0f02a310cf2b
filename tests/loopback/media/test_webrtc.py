"""Paths by ICE and keys by DTLS at the engine's ports, against OpenSSL and libsrtp."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.loopback.media.browser import ERROR, SUCCESS, Browser
from tests.loopback.media.rtp_phone import Exchange, Phone, exchange
from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.events import PathChosen, PortSecured, SecurityFailed
from trunkline.media.security_commands import Setup


class Call:
    """A browser at the port ``a``, a telephone at ``b``, and the engine between them."""

    def __init__(
        self, at: Exchange, browser: Browser, phone: Phone, a: c.PortOpened, b: c.PortOpened
    ) -> None:
        self.at, self.browser, self.phone, self.a, self.b = at, browser, phone, a, b

    async def is_heard_both_ways(self) -> None:
        """A packet of each side reaches the other as it was."""
        said = self.browser.speak()
        assert await self.phone.hear() == said
        said = self.phone.speak(self.b)
        assert await self.browser.hear() == said

    async def secure(self, setup: Setup = "passive") -> str:
        """Path and keys; returns the suite."""
        await self.browser.check(self.a)
        await self.at.do(self.browser.dtls("a", setup))
        self.browser.shake_hands(active=setup == "passive")
        event = await self.at.event("secured")
        assert isinstance(event, PortSecured)
        await self.browser.secured.wait()
        return event.suite


@asynccontextmanager
async def calling(suite: str = "AES_CM_128_HMAC_SHA1_80") -> AsyncIterator[Call]:
    """A call whose path and keys are not there yet."""
    async with exchange() as at:
        browser, phone = Browser(suite), at.phone(ssrc=2)
        try:
            a, b = await at.open("a"), await at.open("b")
            await at.do(browser.remote("a"), phone.remote("b"), browser.ice("a"), c.Link("a", "b"))
            yield Call(at, browser, phone, a, b)
        finally:
            await browser.close()


@pytest.mark.rfc("5764", "4.2")
@pytest.mark.parametrize("suite", ["AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM"])
@pytest.mark.parametrize("setup", ["passive", "active"])
async def test_a_browser_talks_with_a_telephone(setup: Setup, suite: str) -> None:
    async with calling(suite) as call:
        assert await call.secure(setup) == suite
        path = await call.at.engine.execute(c.ReadIdentity())
        assert path.fingerprint == "sha-256 " + ":".join(f"{octet:02X}" for octet in call.browser.seen)
        for _ in range(5):
            await call.is_heard_both_ways()
        call.browser.report()
        assert (await call.at.figures_when("a", lambda figures: figures.rtcp_in == 1)).refused == 0


@pytest.mark.rfc("8445", "7.3")
async def test_a_check_is_answered_with_where_it_came_from_and_chooses_the_path() -> None:
    async with calling() as call:
        answer = await call.browser.check(call.a, nominate=False)
        address = call.browser.paths[0].getsockname()
        assert (answer.kind, answer.mapped) == (SUCCESS, address)
        await call.browser.check(call.a, 1)
        chosen = await call.at.event("path")
        assert isinstance(chosen, PathChosen)
        assert (chosen.address, chosen.source_port) == call.browser.paths[1].getsockname()
        assert call.at.waiting_events("path") == []


@pytest.mark.rfc("8489", "9.1.3")
async def test_a_check_with_a_wrong_password_chooses_nothing() -> None:
    async with calling() as call:
        answer = await call.browser.check(call.a, password="a wrong one of some length")
        assert (answer.kind, answer.error) == (ERROR, 401)
        assert call.at.waiting_events("path") == []


@pytest.mark.rule("T-24")
async def test_nothing_passes_before_there_are_keys() -> None:
    async with calling() as call:
        await call.browser.check(call.a)
        await call.at.do(call.browser.dtls("a", "passive"))
        call.browser.send(0, bytes([0x80, 0]) + os.urandom(170))
        await call.at.figures_when("a", lambda figures: figures.refused == 1)
        call.phone.speak(call.b)
        await call.at.figures_when("b", lambda figures: figures.packets_in == 1)
        assert (await call.at.figures("a")).packets_out == 0
        assert call.browser.media.empty()


@pytest.mark.rfc("5763", "5")
@pytest.mark.parametrize("setup", ["passive", "active"])
async def test_a_certificate_that_is_not_the_one_of_the_description_gets_no_keys(setup: Setup) -> None:
    async with calling() as call:
        told = call.browser.dtls("a", setup)
        call.browser.renew()
        await call.browser.check(call.a)
        await call.at.do(told)
        call.browser.shake_hands(active=setup == "passive")
        failed = await call.at.event("security_failed")
        assert isinstance(failed, SecurityFailed)
        assert "fingerprint" in failed.reason
        call.phone.speak(call.b)
        await call.at.figures_when("b", lambda figures: figures.packets_in == 1)
        assert (await call.at.figures("a")).packets_out == 0
        assert call.at.waiting_events("secured") == []


@pytest.mark.parametrize("setup", ["passive", "active"])
async def test_the_handshake_follows_the_path_when_it_changes(setup: Setup) -> None:
    async with calling() as call:
        await call.browser.check(call.a)
        call.browser.deaf = True
        await call.at.do(call.browser.dtls("a", setup))
        call.browser.shake_hands(active=setup == "passive")
        while not call.browser.heard_dtls:
            await call.browser.check(call.a, nominate=False)
        call.browser.via = 1
        await call.browser.check(call.a, 1)
        call.browser.deaf = False
        await call.at.event("secured")
        await call.browser.secured.wait()
        assert (call.browser.heard_dtls[0], call.browser.heard_dtls[-1]) == (0, 1)
        await call.is_heard_both_ways()


async def test_media_follows_the_path_and_is_still_heard_from_the_one_before() -> None:
    async with calling() as call:
        await call.secure()
        await call.is_heard_both_ways()
        ours = [path.getsockname() for path in call.browser.paths]
        await call.browser.check(call.a, 1)
        assert ours[0] != ours[1]
        call.browser.via = 1
        await call.is_heard_both_ways()
        assert call.browser.speak(0) == await call.phone.hear()


async def test_media_from_a_path_that_was_not_checked_is_not_taken() -> None:
    async with calling() as call:
        await call.secure()
        call.browser.speak(1)
        await call.at.figures_when("a", lambda figures: figures.foreign == 1)
        await call.is_heard_both_ways()


@pytest.mark.rfc("8842", "5.3")
async def test_the_same_certificate_again_keeps_the_keys_and_another_begins_anew() -> None:
    async with calling() as call:
        await call.secure()
        await call.at.do(call.browser.remote("a"), call.browser.ice("a"), call.browser.dtls("a", "passive"))
        for _ in range(3):
            await call.is_heard_both_ways()
        assert call.at.waiting_events("secured") == []
        call.browser.renew()
        await call.at.do(call.browser.dtls("a", "passive"))
        call.browser.shake_hands(active=True)
        await call.at.event("secured")
        await call.browser.secured.wait()
        await call.is_heard_both_ways()


async def test_random_datagrams_do_no_harm() -> None:
    chance = random.Random(7)  # noqa: S311  (not a secret)
    async with calling() as call:
        await call.browser.check(call.a)
        await call.at.do(call.browser.dtls("a", "passive"))
        for first in (0, 1, 20, 22, 63, 64, 128, 144, 200, 255) * 20:
            call.browser.send(0, bytes([first]) + chance.randbytes(chance.randrange(200)))
        assert await call.secure() == call.browser.suite
        for first in (0, 1, 20, 21, 22, 23, 128, 200) * 20:
            call.browser.send(0, bytes([first]) + chance.randbytes(chance.randrange(200)))
        await call.is_heard_both_ways()


@pytest.mark.rule("T-24")
async def test_two_ports_agree_on_keys_without_ice() -> None:
    async with exchange() as at:
        alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
        ports = [await at.open(name) for name in ("plain", "active", "passive", "other")]
        mine = (await at.engine.execute(c.ReadIdentity())).fingerprint
        await at.do(alice.remote("plain"), bob.remote("other"))
        for name, towards, setup in (("passive", ports[1], "passive"), ("active", ports[2], "active")):
            await at.do(c.SetRemote(name, towards.address, towards.rtp_port))
            await at.do(c.SetDtls(name, "active" if setup == "active" else "passive", mine))
        await at.do(c.Link("plain", "active"), c.Link("passive", "other"))
        told = [await at.event("secured") for _ in range(2)]
        assert {event.port for event in told} == {"active", "passive"}
        for _ in range(5):
            assert alice.speak(ports[0]) == await bob.hear()
            assert bob.speak(ports[3]) == await alice.hear()
        assert (await at.figures("passive")).refused == 0


async def test_what_is_no_fingerprint_is_refused() -> None:
    async with exchange() as at:
        await at.open("a")
        for text in ("", "sha-1 AB:CD", "sha-256 AB:CD"):
            with pytest.raises(MediaError, match="no fingerprint") as refused:
                await at.do(c.SetDtls("a", "passive", text))
            assert refused.value.code == "media.argument"
