"""Calls of apps that encrypt, as WebRTC does, with a PBX that does not: both pass through the gateway's relay."""

from __future__ import annotations

import pytest

from tests.link.mobile import MobileStage, until
from tests.link.phones import describe
from tests.link.test_encrypted_calls import browser, row
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
