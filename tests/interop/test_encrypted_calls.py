"""Phones with SRTP, with DTLS-SRTP and without any: whoever calls whom, both hear each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.peers.baresip import Account, Baresip
from tests.peers.exchange import DOMAIN, ExchangeProcess, Extension
from tests.peers.linphone import Linphone

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.rule("T-24")]

PASSWORD = "nine-blue-chairs-17"
FIRST_HZ, SECOND_HZ = 600.0, 1100.0
LOUD_DBFS = -25.0
NUMBERS = iter(range(401, 500))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exchange(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ExchangeProcess]:
    """It offers phones plain RTP, and answers as they offer."""
    extensions = [Extension(f"{number}", PASSWORD) for number in range(401, 430)]
    async with ExchangeProcess(tmp_path_factory.mktemp("exchange"), extensions) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def strict(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ExchangeProcess]:
    """It offers phones SRTP alone."""
    extensions = [Extension(f"{number}", PASSWORD) for number in range(401, 430)]
    required = 'encryption = "required"\n'
    async with ExchangeProcess(tmp_path_factory.mktemp("strict"), extensions, media=required) as running:
        yield running


def account(exchange: ExchangeProcess, media: str = "", codecs: tuple[str, ...] = ()) -> Account:
    server = exchange.address
    return Account(f"{next(NUMBERS)}", PASSWORD, DOMAIN, server, media=media, codecs=codecs)


async def secured(exchange: ExchangeProcess, *how: str) -> None:
    """The one call that is up is encrypted so: ``sdes``, ``dtls`` or empty for each party, the caller first."""
    (call,) = await exchange.ask("calls")
    assert [party["security"] for party in call["parties"]] == list(how)


async def talk(first: Baresip, second: Baresip, exchange: ExchangeProcess, *how: str) -> None:
    """The first calls the second, encrypted so; both tones are heard, after a hold too."""
    await first.registered()
    await second.registered()
    await first.dial(second.account.user)
    await second.event("CALL_INCOMING")
    await second.accept()
    await first.event("CALL_ESTABLISHED")
    await first.hears(second.tone_hz, LOUD_DBFS)
    await second.hears(first.tone_hz, LOUD_DBFS)
    await secured(exchange, *how)
    await first.hold()
    await second.hears_nothing_of(first.tone_hz)
    await first.resume()
    await second.hears(first.tone_hz, LOUD_DBFS)
    await first.hears(second.tone_hz, LOUD_DBFS)
    await first.hangup()
    await second.event("CALL_CLOSED")
    await first.event("CALL_CLOSED")


async def test_two_phones_with_keys_in_their_descriptions(strict: ExchangeProcess, tmp_path: Path) -> None:
    one, other = (account(strict, "srtp-mand") for _ in range(2))
    async with Baresip(tmp_path, one, FIRST_HZ) as first, Baresip(tmp_path, other, SECOND_HZ) as second:
        await talk(first, second, strict, "sdes", "sdes")
    await strict.no_calls()


async def test_a_phone_that_encrypts_calls_one_that_does_not(
    exchange: ExchangeProcess, tmp_path: Path
) -> None:
    one, other = account(exchange, "srtp-mand"), account(exchange)
    async with Baresip(tmp_path, one, FIRST_HZ) as first, Baresip(tmp_path, other, SECOND_HZ) as second:
        await talk(first, second, exchange, "sdes", "")
    await exchange.no_calls()


async def test_a_phone_with_dtls_calls_one_that_does_not_encrypt(
    exchange: ExchangeProcess, tmp_path: Path
) -> None:
    """Its certificate is one of RSA."""
    one, other = account(exchange, "dtls_srtp"), account(exchange)
    async with Baresip(tmp_path, one, FIRST_HZ) as first, Baresip(tmp_path, other, SECOND_HZ) as second:
        await talk(first, second, exchange, "dtls", "")
    await exchange.no_calls()


async def test_a_phone_with_dtls_calls_one_with_keys_in_its_description(
    strict: ExchangeProcess, tmp_path: Path
) -> None:
    one, other = account(strict, "dtls_srtp"), account(strict, "srtp-mand")
    async with Baresip(tmp_path, one, FIRST_HZ) as first, Baresip(tmp_path, other, SECOND_HZ) as second:
        await talk(first, second, strict, "dtls", "sdes")
    await strict.no_calls()


async def linphone_talks(
    phone: Linphone, baresip: Baresip, exchange: ExchangeProcess, *how: str, calls: bool
) -> None:
    """One of both calls the other, encrypted so; both tones are heard, after a hold too."""
    await phone.registered()
    await baresip.registered()
    if calls:
        phone.command(f"call sip:{baresip.account.user}@{DOMAIN}")
        await baresip.event("CALL_INCOMING")
        await baresip.accept()
    else:
        await baresip.dial(phone.account.user)
        await phone.said("new incoming call")
        phone.command("answer")
    await baresip.event("CALL_ESTABLISHED")
    await phone.said("connected")
    await baresip.hears(FIRST_HZ, LOUD_DBFS)
    await phone.hears(SECOND_HZ, LOUD_DBFS)
    await secured(exchange, *how)
    await baresip.hold()
    await phone.hears_nothing_of(SECOND_HZ)
    await baresip.resume()
    await phone.hears(SECOND_HZ, LOUD_DBFS)
    await baresip.hears(FIRST_HZ, LOUD_DBFS)
    await baresip.hangup()
    await phone.said("ended")


@pytest.mark.parametrize(("media", "how"), [("srtp", "sdes"), ("dtls", "dtls")])
async def test_linphone_encrypts_and_calls_a_phone_that_does_not(
    exchange: ExchangeProcess, tmp_path: Path, media: str, how: str
) -> None:
    one, other = account(exchange, media), account(exchange)
    async with Linphone(tmp_path, one, FIRST_HZ) as phone, Baresip(tmp_path, other, SECOND_HZ) as second:
        await linphone_talks(phone, second, exchange, how, "", calls=True)
    await exchange.no_calls()


async def test_linphone_that_encrypts_is_called(strict: ExchangeProcess, tmp_path: Path) -> None:
    one, other = account(strict, "srtp"), account(strict, "srtp-mand")
    async with Linphone(tmp_path, one, FIRST_HZ) as phone, Baresip(tmp_path, other, SECOND_HZ) as second:
        await linphone_talks(phone, second, strict, "sdes", "sdes", calls=False)
    await strict.no_calls()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("G722/16000/1", "PCMA/8000/1"),
        ("PCMA/8000/1", "G722/16000/1"),
        ("PCMU/8000/1", "PCMA/8000/1"),
        ("opus/48000/2", "PCMU/8000/1"),
        ("PCMU/8000/1", "opus/48000/2"),
    ],
)
async def test_phones_that_share_no_codec_hear_each_other(
    exchange: ExchangeProcess, tmp_path: Path, ours: str, theirs: str
) -> None:
    one, other = account(exchange, codecs=(ours,)), account(exchange, codecs=(theirs,))
    async with Baresip(tmp_path, one, FIRST_HZ) as first, Baresip(tmp_path, other, SECOND_HZ) as second:
        await talk(first, second, exchange, "", "")
    await exchange.no_calls()


async def test_keys_and_another_codec_at_once(exchange: ExchangeProcess, tmp_path: Path) -> None:
    one, other = account(exchange, "srtp-mand", ("G722/16000/1",)), account(exchange, codecs=("PCMU/8000/1",))
    async with Baresip(tmp_path, one, FIRST_HZ) as first, Baresip(tmp_path, other, SECOND_HZ) as second:
        await talk(first, second, exchange, "sdes", "")
    await exchange.no_calls()
