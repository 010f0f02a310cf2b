"""What the measures of the mobile gateway stand on: the scripted exchange, the seeded store, the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.mobile_exchange import OtherExchange
from bench.mobile_gateway import SECRET, gateway_settings, seed, token_of, user
from bench.mobile_outage import per_second
from bench.plan import DOMAIN
from trunkline.api.tokens import Tokens
from trunkline.app.settings.file import load_settings
from trunkline.model.tenant import SystemScope
from trunkline.store.store import Store

SCOPE = SystemScope("a test")
REGISTER = (
    "REGISTER sip:127.0.0.4 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\n"
    f"From: <sip:m1@{DOMAIN}>;tag=a\r\nTo: <sip:m1@{DOMAIN}>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n"
    "Contact: <sip:abc@127.0.0.1:5060>;expires=3600\r\n{}Content-Length: 0\r\n\r\n"
)


class Line(OtherExchange):
    """One whose words are kept."""

    def __init__(self, **more: bool | int) -> None:
        super().__init__(**more)  # type: ignore[arg-type]  # the flags of a test
        self.said: list[str] = []

    def _send(self, message: str | bytes) -> None:
        self.said.append(message if isinstance(message, str) else message.decode())

    def hears(self, text: str) -> str:
        """The first line of what it says to that, and its Contact."""
        self.said.clear()
        self.datagram_received(text.encode(), ("127.0.0.1", 5060))
        return self.said[0].partition("\r\n")[0] if self.said else ""


def answer(status: str, method: str, call_id: str) -> str:
    return (
        f"SIP/2.0 {status}\r\nVia: v\r\nFrom: f\r\nTo: <sip:m1@{DOMAIN}>;tag=ours\r\nCall-ID: {call_id}\r\n"
        f"CSeq: 1 {method}\r\nContact: <sip:here@127.0.0.1>\r\nContent-Length: 0\r\n\r\n"
    )


def test_an_account_is_registered_for_as_long_as_the_exchange_grants() -> None:
    line = Line(expires_s=60)
    assert line.hears(REGISTER.format("")) == "SIP/2.0 200 OK"
    assert "Contact: <sip:abc@127.0.0.1:5060>;expires=60\r\n" in line.said[0]
    assert (line.contacts, line.registered) == ({"m1": "sip:abc@127.0.0.1:5060"}, 1)


def test_a_nonce_is_good_for_one_register() -> None:
    line = Line(challenges=True)
    assert line.hears(REGISTER.format("")) == "SIP/2.0 401 Unauthorized"
    proof = 'Authorization: Digest nonce="1"\r\n'
    assert line.hears(REGISTER.format(proof)) == "SIP/2.0 200 OK"
    assert line.hears(REGISTER.format(proof)) == "SIP/2.0 401 Unauthorized"
    assert "stale=true" in line.said[0]


async def test_a_call_that_rings_is_given_up_once() -> None:
    line = Line()
    line.hears(REGISTER.format(""))
    one = line.call("c1", "m1")
    assert line.hears(answer("100 Trying", "INVITE", "c1")) == ""
    assert line.hears(answer("180 Ringing", "INVITE", "c1")).startswith("CANCEL sip:abc@")
    assert line.hears(answer("180 Ringing", "INVITE", "c1")) == ""
    assert line.hears(answer("200 OK", "CANCEL", "c1")) == ""
    assert line.hears(answer("487 Request Terminated", "INVITE", "c1")).startswith("ACK sip:abc@")
    assert (one.done.is_set(), one.status) == (True, 487)


@pytest.mark.parametrize("holds", [False, True])
async def test_a_call_that_is_answered_is_hung_up_unless_it_is_held(holds: bool) -> None:
    line = Line(talks=True, holds=holds)
    line.hears(REGISTER.format(""))
    one = line.call("c1", "m1")
    assert line.hears(answer("180 Ringing", "INVITE", "c1")) == ""
    assert line.hears(answer("200 OK", "INVITE", "c1")).startswith("ACK sip:here@127.0.0.1 ")
    assert [said[:3] for said in line.said[1:]] == ([] if holds else ["BYE"])
    line.hears(answer("200 OK", "BYE", "c1"))
    assert (one.done.is_set(), one.status) == (True, 200)


def test_the_gateway_finds_a_device_for_each_account(tmp_path: Path) -> None:
    seed(tmp_path, 3)
    with Store.open(tmp_path) as store:
        accounts, devices = store.mobile_accounts.load_all(SCOPE), store.mobile_devices.load_all(SCOPE)
        assert {one.account_id for one in devices} == {one.id for one in accounts}
        assert sorted(one.owner for one in devices) == [user(index) for index in range(3)]
        assert store.box.open(accounts[0].secret or "", accounts[0].tenant, accounts[0].id) == "secret"
    assert Tokens(SECRET, 86_400).read(token_of(2)).subject == user(2)


def test_the_settings_are_a_gateways(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    (tmp_path / "AuthKey_ABCDE12345.p8").touch()
    file.write_text(gateway_settings(tmp_path, "https://127.0.0.1:1", "", 500))
    settings = load_settings(file).settings
    assert (settings.exchange.enabled, settings.mobile.per_registrar_s) == (False, 500)


def test_a_line_of_requests_in_a_second_is_drawn_over_minutes() -> None:
    points = per_second([100.0, 101.0, 112.0, 500.0], 100.0, 130.0)
    assert [(point.x, point.y) for point in points] == [(0.0, 0.2), (10 / 60, 0.1), (20 / 60, 0.0)]
