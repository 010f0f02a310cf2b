"""FCM against its stand-in: keys, access tokens, retries, files that change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.peers.connect_proxy import ConnectProxy
from trunkline.base.errors import ConfigError
from trunkline.net.http_proxy import parse_proxy
from trunkline.push.doubles.answers import Answers, Scripted, scripted
from trunkline.push.doubles.fcm import FakeFcm
from trunkline.push.fcm.plan import FcmPlan
from trunkline.push.fcm.pusher import FcmPusher
from trunkline.push.notification import Notification, Outcome, Purpose, PushAddress, Service
from trunkline.push.pushers import Pushers

DEADLINE_S = 60.0


TROUBLES = ["503", "drop", "500", "429", "502", "504"] * 5


class OnceEach(Answers):
    """Trouble for the first push of these targets, none for the second."""

    def __init__(self, words: dict[str, str]) -> None:
        super().__init__()
        self._words = words

    def next(self, target: str) -> Scripted | None:
        return scripted(self._words.pop(target)) if target in self._words else None


class Clock:
    """Monotonic time that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def fake(**settings: Any) -> AsyncIterator[FakeFcm]:
    one = FakeFcm(**settings)
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


@asynccontextmanager
async def pusher(stand_in: FakeFcm, folder: Path, **settings: Any) -> AsyncIterator[FcmPusher]:
    clock = settings.pop("clock", None) or Clock()
    ca = folder / "ca.pem"
    ca.write_bytes(stand_in.authority.ca_pem)
    # Patient: both sides share one loop, which may be busy, and nothing hangs unless a test says so.
    usual = {"service_account": stand_in.service_account, "base_url": stand_in.base_url, "ca": ca}
    plan = {**usual, "timeout_s": DEADLINE_S, **settings}
    one = FcmPusher(FcmPlan(**plan), clock=clock)
    try:
        await one.start()
        yield one
    finally:
        await one.stop()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("fcm")]


def call(token: str = "device:1", kind: str = "token", app: str = "") -> Notification:  # noqa: S107  (no password)
    data = {"type": "incoming_call", "callToken": "c", "callerUri": "1001@a.test"}
    return Notification(PushAddress(Service.FCM, token, kind, app), Purpose.CALL, "id", data)


async def test_a_call_is_sent(tmp_path: Path) -> None:
    async with fake() as google, pusher(google, tmp_path) as fcm:
        fate = await fcm.send(call())
        assert (fate.outcome, fate.status) == (Outcome.SENT, 200)
        push = await google.next_push()
        assert (push.kind, push.target, push.status) == ("token", "device:1", 200)
        assert push.android == {"priority": "HIGH", "ttl": "0s"}
        assert push.data["type"] == "incoming_call"
        assert fcm.health().word == "ready"
        assert (await fcm.send(call("fid-1", "fid"))).sent
        assert (await google.next_push()).kind == "fid"
        assert google.grants == 1


async def test_plain_http_will_do_on_loopback(tmp_path: Path) -> None:
    async with fake(tls=False) as google, pusher(google, tmp_path, ca=None) as fcm:
        assert (await fcm.send(call())).sent


@pytest.mark.scenario(7)
async def test_a_hundred_calls_whose_access_token_has_ended_cause_one_new_one(tmp_path: Path) -> None:
    async with fake() as google, pusher(google, tmp_path) as fcm:
        assert (await fcm.send(call())).sent
        google.expire_access()
        fates = await asyncio.gather(*[fcm.send(call(f"device:{number}")) for number in range(100)])
        assert all(fate.sent for fate in fates)
        assert google.grants == 2
        taken = [push.target for push in google.pushes.all if push.status == 200]
        assert len(taken) == 101, "each call was pushed once"


async def test_the_access_token_is_renewed_while_the_old_one_serves(tmp_path: Path) -> None:
    clock = Clock()
    async with fake() as google, pusher(google, tmp_path, clock=clock) as fcm:
        first = await fcm.access.get()
        due = []
        for seconds in (3599 - 301, 2):
            clock.now += seconds
            due.append(fcm.access.is_due)
        assert due == [False, True]
        google.oauth.then("hang")
        assert await fcm.access.get() == first, "nobody waits for the new one"
        assert await fcm.access.get() == first
        assert (await fcm.send(call())).sent
    async with fake() as google, pusher(google, tmp_path, clock=clock) as fcm:
        first = await fcm.access.get()
        clock.now += 3400
        await fcm.look()
        assert await fcm.access.get() != first
        assert google.grants == 2


async def test_a_renewal_that_fails_is_tried_again_later(tmp_path: Path) -> None:
    clock = Clock()
    async with fake() as google, pusher(google, tmp_path, clock=clock) as fcm:
        await fcm.access.get()
        clock.now += 3400
        google.oauth.then("503")
        fate = await fcm.send(call())
        assert fate.sent
        for _ in range(3):
            await fcm.access.get()
        await asyncio.sleep(0)
        clock.now += 100
        assert (await fcm.send(call())).sent, "the old one is still good"
        clock.now += 200
        assert (await fcm.send(call())).sent
        assert 3 <= google.grants <= 4


@pytest.mark.scenario(8)
@pytest.mark.parametrize("trouble", ["503", "500", "drop", "429", "503:1"])
async def test_a_call_is_tried_once_more(tmp_path: Path, trouble: str) -> None:
    async with fake(script=[trouble]) as google, pusher(google, tmp_path) as fcm:
        assert (await fcm.send(call())).sent
        assert [push.status for push in google.pushes.all][1:] == [200]


@pytest.mark.scenario(8)
@pytest.mark.asyncio(loop_factories=["patient"])
async def test_a_request_that_hangs_is_left_for_another_connection(tmp_path: Path) -> None:
    async with fake(script=["hang"]) as google, pusher(google, tmp_path, timeout_s=1.0) as fcm:
        assert (await fcm.send(call())).sent
        assert [push.status for push in google.pushes.all] == [0, 200]


@pytest.mark.scenario(8)
async def test_a_burst_with_trouble_in_it_reaches_every_phone_once(tmp_path: Path) -> None:
    async with fake() as google, pusher(google, tmp_path, timeout_s=8.0) as fcm:
        google.answers = OnceEach({f"device:{number}": word for number, word in enumerate(TROUBLES)})
        everybody = Pushers([fcm], queue=200)
        fates = await asyncio.gather(*[everybody.send(call(f"device:{number}")) for number in range(200)])
        assert {fate.outcome for fate in fates} == {Outcome.SENT}
        taken = [push.target for push in google.pushes.all if push.status == 200]
        assert sorted(taken) == sorted(f"device:{number}" for number in range(200))
        assert len(google.pushes.all) == 200 + len(TROUBLES)


@pytest.mark.scenario(8)
async def test_a_provider_in_trouble_is_told_of(tmp_path: Path) -> None:
    async with fake(script=["503,503:9"]) as google, pusher(google, tmp_path) as fcm:
        fate = await fcm.send(call())
        assert (fate.outcome, fate.status, fate.retry_after_s) == (Outcome.UNAVAILABLE, 503, 9.0)
        assert len(google.pushes.all) == 2
        health = fcm.health()
        assert (health.word, health.why) == ("failing", "503 UNAVAILABLE")
        assert (await fcm.send(call())).sent
        assert fcm.health().word == "ready"
        await google.stop()
        fate = await fcm.send(call())
        assert (fate.outcome, fate.status) == (Outcome.UNAVAILABLE, 0)
        assert "device" not in fate.reason


@pytest.mark.scenario(6)
async def test_a_device_that_is_gone_is_told_once(tmp_path: Path) -> None:
    async with fake(script=["device:1=404", "device:2=403"]) as google, pusher(google, tmp_path) as fcm:
        assert (await fcm.send(call("device:1"))).outcome is Outcome.GONE
        assert (await fcm.send(call("device:2"))).outcome is Outcome.MISMATCH
        assert len(google.pushes.all) == 2
        assert fcm.health().word == "ready"


async def test_tokens_that_are_none_are_told_from_our_own_mistakes(tmp_path: Path) -> None:
    async with fake() as google, pusher(google, tmp_path) as fcm:
        assert (await fcm.send(call("no token"))).outcome is Outcome.GONE
        refused = await google.next_push()
        assert refused.row()["status"] == 400
        assert "message.token" in refused.line()
        for fine in ("", "stand-in", "com.example.phone", "../x"):
            assert (await fcm.send(call(app=fine))).sent, "what is no project is not meant as one"
        for wrong in (call(kind="voip"), call(app="other-project")):
            assert (await fcm.send(wrong)).outcome is Outcome.REFUSED
        assert fcm.health().word == "ready", "no device can turn the light red"


async def test_a_key_that_google_does_not_know_is_an_alarm(tmp_path: Path) -> None:
    async with fake() as google, fake() as other:
        account = json.loads(other.service_account)
        account["token_uri"] = json.loads(google.service_account)["token_uri"]
        async with pusher(google, tmp_path, service_account=json.dumps(account)) as fcm:
            fate = await fcm.send(call())
            assert fate.outcome is Outcome.REFUSED
            assert (
                fate.reason == "no access token: 400 invalid_grant; is the key revoked, or the clock wrong?"
            )
            assert fcm.health().word == "failing"
            assert (await fcm.send(call())).outcome is Outcome.REFUSED
            assert google.grants == 1, "and is not asked for with every call"


@pytest.mark.scenario(7)
async def test_new_access_tokens_that_are_refused_too_are_not_fetched_for_ever(tmp_path: Path) -> None:
    clock = Clock()
    async with fake(script=["device:1=401"]) as google, pusher(google, tmp_path, clock=clock) as fcm:
        for _ in range(3):
            assert (await fcm.send(call())).outcome is Outcome.REFUSED
        assert google.grants == 2
        assert fcm.health().word == "failing"
        assert (await fcm.send(call("device:2"))).sent
        clock.now += 21
        assert (await fcm.send(call())).outcome is Outcome.REFUSED
        assert google.grants == 3


async def test_an_account_that_comes_late_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "account.json"
    async with fake() as google:
        one = FcmPusher(FcmPlan(service_account_path=file, base_url=google.base_url), clock=Clock())
        try:
            with pytest.raises(ConfigError, match="cannot be read"):
                await one.start()
            assert one.health().word == "failing"
            fate = await one.send(call())
            assert fate.outcome is Outcome.REFUSED
            assert "cannot be read" in fate.reason
        finally:
            await one.stop()
        async with pusher(
            google, tmp_path, service_account="", service_account_path=_written(file, google)
        ) as fcm:
            assert (await fcm.send(call())).sent
            file.write_text("broken")
            await fcm.look()
            assert (await fcm.send(call())).sent, "what was read before serves on"
            file.write_text(google.service_account + "\n")
            await fcm.look()
            assert google.grants == 2


def _written(file: Path, google: FakeFcm) -> Path:
    file.write_text(google.service_account)
    return file


@pytest.mark.rfc("9110", "9.3.6")
async def test_everything_goes_through_the_proxy(tmp_path: Path) -> None:
    async with fake() as google, ConnectProxy().running() as proxy:
        by = parse_proxy(f"http://127.0.0.1:{proxy.port}")
        async with pusher(google, tmp_path, proxy=by) as fcm:
            assert (await fcm.send(call())).sent
        where = google.base_url.removeprefix("https://")
        assert set(proxy.asked) == {where}
