"""Calls of apps that encrypt, as WebRTC does, with a PBX that does not: both pass through the gateway's relay."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.link.mobile import MobileStage, crash, until
from tests.link.phones import describe
from tests.link.test_encrypted_calls import KEY, browser, keyed, row
from tests.link.virtual_time import virtual
from trunkline.mobile.office import HandOverPolicy

pytestmark = [pytest.mark.rule("T-24")]
APP = browser("active").replace(b"BUNDLE 0 1", b"BUNDLE 0")


@virtual
async def test_an_app_is_offered_dtls_and_the_pbx_hears_plain_rtp() -> None:
    stage = MobileStage(HandOverPolicy(media="encrypted"))
    phone = stage.app("phone-1")
    stage.ring_app(body=describe("10.7.7.7"))
    await stage.until_event(phone, "call.incoming")
    offer = (await phone.get()).sdp_offer.encode()
    assert row(offer, "m=audio").split(" ")[2] == "UDP/TLS/RTP/SAVPF"
    assert row(offer, "a=setup:") == "a=setup:actpass"
    assert row(offer, "a=candidate:").split(" ")[4] == stage.engine.ADDRESS
    await phone.accept(APP)
    await stage.until_event(phone, "call.confirmed")
    await until(lambda: bool(stage.engine.links))
    (port,) = stage.engine.dtls
    assert stage.engine.dtls[port].setup == "passive"
    assert stage.engine.ice[port].remote_ufrag == "F7gI"
    assert port in stage.engine.links
    answer = stage.pbx.heard[-1]
    assert row(answer, "m=audio").split(" ")[2] == "RTP/AVP"
    assert b"fingerprint" not in answer
    await phone.hang_up()
    await stage.settle()


@virtual
async def test_without_that_an_app_is_offered_plain_rtp() -> None:
    stage = MobileStage(HandOverPolicy(media="relay"))
    phone = stage.app("phone-1")
    stage.ring_app(body=describe("10.7.7.7"))
    await stage.until_event(phone, "call.incoming")
    assert row((await phone.get()).sdp_offer.encode(), "m=audio").split(" ")[2] == "RTP/AVP"
    await phone.accept()
    await stage.until_event(phone, "call.confirmed")
    assert not stage.engine.dtls
    await phone.hang_up()
    await stage.settle()


@pytest.mark.parametrize("pbx", ["plain", "sdes", "dtls"])
@pytest.mark.parametrize("media", ["encrypted", "relay"])
@virtual
async def test_no_key_and_no_password_of_a_path_is_written_down(
    pbx: str, media: Literal["encrypted", "relay"]
) -> None:
    stage = MobileStage(HandOverPolicy(media=media))
    keeping = stage.keep_calls()
    phone = stage.app("phone-1")
    theirs = browser("actpass").replace(b"BUNDLE 0 1", b"BUNDLE 0")
    stage.ring_app(body={"plain": describe("10.7.7.7"), "sdes": keyed("10.7.7.7"), "dtls": theirs}[pbx])
    await stage.until_event(phone, "call.incoming")
    offer = (await phone.get()).sdp_offer.encode()
    ours = row(offer, "a=ice-pwd:").partition(":")[2] or "a=ice-pwd:"

    def written() -> str:
        keeping.sweep()
        kept = [one.body for one in keeping.journal.rows.values()]
        rows = "".join([*kept, *(one.body for one in stage.rows.rows.values())])
        for secret in ("a=ice-pwd:", "inline:", KEY, ours, "x9cml/YzichV2+XlhiMu8gx9"):
            assert secret not in rows
        return rows

    assert written()
    await phone.accept(APP if media == "encrypted" else describe("10.8.8.8"))
    written()
    await stage.until_event(phone, "call.confirmed")
    await keeping.after(4)
    assert written()
    await phone.hang_up()
    await stage.settle()


@virtual
async def test_an_app_that_was_offered_keys_before_a_crash_is_told_that_the_call_is_over() -> None:
    stage = MobileStage(HandOverPolicy(media="encrypted"))
    keeping = stage.keep_calls()
    phone = stage.app("phone-1")
    stage.ring_app(body=describe("10.7.7.7"))
    await stage.until_event(phone, "call.incoming")
    await keeping.after(2)
    after = await crash(keeping)
    await after.settle()
    assert not after.calls.active
    assert not after.engine.owners
