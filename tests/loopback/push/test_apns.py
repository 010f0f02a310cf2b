"""Pushing by APNs against its stand-in, over real sockets and TLS."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from tests.loopback.push.apns_kit import (
    BUNDLE,
    DEADLINE_S,
    TEAM,
    TEAM_WITH_KEY,
    all_of,
    call,
    fake_apns,
    outcomes,
    pusher,
    token_of,
    until,
)
from tests.peers.connect_proxy import ConnectProxy
from tests.peers.ports import free_ports
from trunkline.base.errors import ConfigError
from trunkline.push.apns.plan import ApnsCertificate, ApnsKey, ApnsTeam
from trunkline.push.apns.provider_token import ProviderTokens
from trunkline.push.doubles.authority import Authority
from trunkline.push.notification import Fate, Outcome, Purpose


@pytest.mark.scenario(1)
async def test_a_call_is_one_voip_push(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        one = call(7)
        assert await apns.send(one) == Fate(Outcome.SENT, 200)
        push = await fake.next_push()
        assert (push.token, push.topic, push.push_type) == (token_of(7), f"{BUNDLE}.voip", "voip")
        assert (push.priority, push.expiration, push.id) == ("10", "0", one.id)
        assert push.payload["callToken"] == one.data["callToken"]
        assert (push.team, push.key_id, len(fake.pushes)) == (TEAM, "KEY0000001", 1)
        assert apns.health().word == "ready"


async def test_alerts_and_background_pushes_go_by_the_plain_topic(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        for purpose in (Purpose.ALERT, Purpose.BACKGROUND):
            assert (await apns.send(replace(call(), purpose=purpose, title="Missed", body="Alice"))).sent
        assert [(push.topic, push.push_type, push.priority) for push in fake.taken] == [
            (BUNDLE, "alert", "10"),
            (BUNDLE, "background", "5"),
        ]


async def test_one_connection_and_one_provider_token_serve_all(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        for first in range(0, 60, 20):
            assert outcomes(await all_of(apns, 20, first)) == {Outcome.SENT}
        assert (fake.accepted, len(fake.changes.seen), len(fake.taken)) == (1, 1, 60)


async def test_the_connection_is_there_before_the_first_call(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        await until(lambda: fake.accepted == 1)
        assert apns.health().word == "idle"


async def test_several_pushers_share_one_provider_token(tmp_path: Path) -> None:
    tokens = ProviderTokens()
    async with (
        fake_apns() as fake,
        pusher(fake, tmp_path, tokens=tokens) as one,
        pusher(fake, tmp_path, tokens=tokens) as other,
    ):
        await asyncio.gather(one.send(call(1)), other.send(call(2)))
        assert len(fake.taken) == 2
        assert len(fake.changes.seen) == 1


@pytest.mark.parametrize("most", [1, 3])
async def test_never_more_requests_at_once_than_apple_takes(tmp_path: Path, most: int) -> None:
    async with fake_apns(max_streams=most, delay_s=0.002) as fake, pusher(fake, tmp_path) as apns:
        await until(lambda: bool(fake.connections))
        assert outcomes(await all_of(apns, 40)) == {Outcome.SENT}
        assert len(fake.taken) == 40
        assert [one.most_at_once for one in fake.connections] == [most] * len(fake.connections)
        assert fake.accepted == len(fake.connections) <= 2


@pytest.mark.scenario(6)
async def test_a_dead_token_is_told_with_its_time(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        fake.script.add("410:1700000000,410:1700000000", token=token_of(1))
        gone = Fate(Outcome.GONE, 410, "Unregistered", since=1_700_000_000.0)
        assert await apns.send(call(1)) == gone
        assert await apns.send(call(1)) == gone
        assert len(fake.pushes) == 2
        assert apns.health().word == "ready"


async def test_too_many_pushes_to_one_phone_are_not_sent_again(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        fake.script.add("429")
        assert await apns.send(call()) == Fate(Outcome.BUSY, 429, "TooManyRequests")
        assert len(fake.pushes) == 1


async def test_a_token_of_the_other_environment_is_found_there(tmp_path: Path) -> None:
    async with (
        fake_apns() as fake,
        fake_apns(authority=fake.authority) as sandbox,
        pusher(fake, tmp_path, sandbox_url=sandbox.url) as apns,
    ):
        fake.script.add("400:BadDeviceToken")
        assert await apns.send(call(1)) == Fate(Outcome.SENT, 200, environment="sandbox")
        assert (await apns.send(call(1, environment="sandbox"))).environment == ""
        assert (len(fake.pushes), len(sandbox.taken)) == (1, 2)
        assert len(fake.changes.seen | sandbox.changes.seen) == 1


async def test_a_token_that_both_environments_refuse_is_no_token_of_ours(tmp_path: Path) -> None:
    async with (
        fake_apns() as fake,
        fake_apns(authority=fake.authority) as sandbox,
        pusher(fake, tmp_path, sandbox_url=sandbox.url) as apns,
    ):
        fake.script.add("400:DeviceTokenNotForTopic")
        sandbox.script.add("400:BadDeviceToken")
        assert await apns.send(call(1)) == Fate(Outcome.MISMATCH, 400, "DeviceTokenNotForTopic")
        assert (len(fake.pushes), len(sandbox.pushes)) == (1, 1)


@pytest.mark.scenario(6)
async def test_a_token_that_the_other_environment_calls_dead_is_told_with_its_time(tmp_path: Path) -> None:
    """Without the time a token that was registered after its death would be given up."""
    async with (
        fake_apns() as fake,
        fake_apns(authority=fake.authority) as sandbox,
        pusher(fake, tmp_path, sandbox_url=sandbox.url) as apns,
    ):
        fake.script.add("400:BadDeviceToken")
        sandbox.script.add("410:1700000000")
        gone = Fate(Outcome.GONE, 410, "Unregistered", since=1_700_000_000.0)
        assert await apns.send(call(1)) == gone


async def test_while_the_other_environment_cannot_be_asked_a_token_is_not_given_up(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        fake.script.add("400:BadDeviceToken")
        fate = await apns.send(call(1))
        assert fate.outcome is Outcome.UNAVAILABLE
        assert fate.reason.startswith("BadDeviceToken, and sandbox cannot be asked")
        assert apns.health().word == "ready"


@pytest.mark.scenario(7)
async def test_a_hundred_calls_with_an_expired_token_make_one_new_one_and_all_ring(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        assert (await apns.send(call())).sent
        fake.expire_tokens()
        assert outcomes(await all_of(apns, 100, 1)) == {Outcome.SENT}
        assert len(fake.changes.seen) == apns.tokens_made() == 2
        assert len({push.token for push in fake.taken}) == len(fake.taken) == 101
        assert len(fake.pushes) == 201
        assert fake.accepted == 1


@pytest.mark.scenario(7)
async def test_a_new_token_that_is_expired_too_is_told_and_there_is_no_third(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        fake.script.add("403:ExpiredProviderToken*")
        fates = await all_of(apns, 10)
        assert set(fates) == {Fate(Outcome.REFUSED, 403, "ExpiredProviderToken")}
        assert apns.tokens_made() == 2
        assert len(fake.pushes) == 20
        assert apns.health().word == "failing"
        assert "ExpiredProviderToken" in apns.health().why


@pytest.mark.scenario(7)
async def test_after_too_many_token_updates_there_is_an_alarm_and_no_other_token(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        fake.script.add("429:TooManyProviderTokenUpdates,403:ExpiredProviderToken,200")
        assert (await apns.send(call())).outcome is Outcome.UNAVAILABLE
        assert (await apns.send(call())).reason == "ExpiredProviderToken"
        assert (await apns.send(call())).sent
        assert (apns.tokens_made(), len(fake.pushes)) == (1, 3)
        assert apns.health().word == "failing"
        assert "TooManyProviderTokenUpdates" in apns.health().why


async def test_a_key_that_apple_does_not_know_is_an_alarm_and_nothing_is_sent_again(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        fake.script.add("403:InvalidProviderToken")
        assert await apns.send(call()) == Fate(Outcome.REFUSED, 403, "InvalidProviderToken")
        assert len(fake.pushes) == 1
        assert (apns.health().word, apns.health().why) == (
            "failing",
            f"team {TEAM}: 403 InvalidProviderToken",
        )
        assert (await apns.send(call())).sent
        assert apns.health().word == "ready"


async def test_a_connection_that_is_bound_to_an_older_key_is_left(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        fake.script.add("403:UnrelatedKeyIdInToken")
        assert (await apns.send(call())).sent
        old, new = fake.pushes
        assert old.connection != new.connection
        await until(lambda: [one.number for one in fake.connections] == [new.connection])
        fake.script.add("403:UnrelatedKeyIdInToken*")
        assert (await apns.send(call())).outcome is Outcome.REFUSED
        assert apns.health().word == "failing"


async def test_a_name_with_several_addresses_is_tried_until_one_answers(tmp_path: Path) -> None:
    port = free_ports(1)
    url = f"https://localhost:{port}"  # where that is also ::1, nobody listens there
    async with fake_apns(port=port) as fake, pusher(fake, tmp_path, production_url=url) as apns:
        assert (await apns.send(call())).sent


async def test_an_app_that_a_device_named_does_not_make_the_provider_fail(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        fake.script.add("400:TopicDisallowed,400:TopicDisallowed")
        assert (await apns.send(call(1, app="com.example.other"))).outcome is Outcome.REFUSED
        assert apns.health().word == "idle"
        assert (await apns.send(call(1))).outcome is Outcome.REFUSED
        assert apns.health().word == "failing"


async def test_what_can_never_be_delivered_does_not_get_to_apple(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        one = call()
        wrong_token = replace(one, address=replace(one.address, token="../x"))
        assert await apns.send(wrong_token) == Fate(Outcome.MISMATCH, reason="BadDeviceToken")
        assert (await apns.send(replace(one, data={"x": "y" * 6000}))).reason == "PayloadTooLarge"
        assert (await apns.send(call(team="TEAM000009"))).outcome is Outcome.REFUSED
        assert not fake.pushes


async def test_two_teams_have_a_connection_and_a_token_each(tmp_path: Path) -> None:
    other = replace(TEAM_WITH_KEY, team="TEAM000002", bundle_id="com.example.second")
    async with fake_apns() as fake, pusher(fake, tmp_path, teams=(TEAM_WITH_KEY, other)) as apns:
        assert (await apns.send(call(1))).sent
        assert (await apns.send(call(2, team="TEAM000002"))).sent
        assert {(push.team, push.topic, push.connection) for push in fake.taken} == {
            (TEAM, f"{BUNDLE}.voip", fake.taken[0].connection),
            ("TEAM000002", "com.example.second.voip", fake.taken[1].connection),
        }
        assert fake.accepted == 2


async def test_a_certificate_takes_the_place_of_a_token_and_is_read_again_when_it_changes(
    tmp_path: Path,
) -> None:
    authority, path = Authority(), tmp_path / "voip.pem"
    path.write_bytes(authority.issue([BUNDLE], client=True))
    team = ApnsTeam(TEAM, BUNDLE, certificate=ApnsCertificate(path))
    async with fake_apns(authority=authority) as fake, pusher(fake, tmp_path, teams=(team,)) as apns:
        assert (await apns.send(call())).sent
        assert not fake.changes.seen
        assert fake.connections[0].certificate == BUNDLE
        path.write_bytes(authority.issue(["com.example.renewed"], client=True))
        apns.look()
        await until(lambda: [one.certificate for one in fake.connections] == ["com.example.renewed"])
        assert (await apns.send(call(1, app="com.example.renewed"))).sent


async def test_a_proxy_leads_to_apple(tmp_path: Path) -> None:
    secret = "Basic bWU6cHc="
    async with fake_apns() as fake, ConnectProxy(authorization=secret).running() as proxy:
        url = f"http://me:pw@127.0.0.1:{proxy.port}"
        async with pusher(fake, tmp_path, proxy=url) as apns:
            assert (await apns.send(call())).sent
            assert proxy.asked == [f"127.0.0.1:{fake.port}"]
        async with pusher(fake, tmp_path, proxy=url.replace(":pw@", ":no@")) as apns:
            fate = await apns.send(call())
            assert fate.outcome is Outcome.UNAVAILABLE
            assert "refused with 407" in fate.reason
            assert ":no@" not in fate.reason + apns.health().why


async def test_a_server_that_is_not_apples_gets_no_push(tmp_path: Path) -> None:
    async with fake_apns() as fake:
        stranger = tmp_path / "stranger.pem"
        stranger.write_bytes(Authority("Somebody else").ca_pem)
        async with pusher(fake, tmp_path, ca=stranger) as apns:
            fate = await apns.send(call())
            assert fate.outcome is Outcome.UNAVAILABLE
            assert "certificate" in fate.reason
            assert apns.health().word == "failing"
        assert not fake.pushes


async def test_a_server_that_speaks_no_http2_is_told(tmp_path: Path) -> None:
    async with fake_apns() as fake:
        server = await asyncio.get_running_loop().create_server(
            asyncio.Protocol, "127.0.0.1", 0, ssl=fake.authority.server_context()
        )
        port = server.sockets[0].getsockname()[1]
        async with pusher(fake, tmp_path, production_url=f"https://127.0.0.1:{port}") as apns:
            assert "does not speak HTTP/2" in (await apns.send(call())).reason
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_1_2_and_1_3(tmp_path: Path, version: ssl.TLSVersion) -> None:
    async with fake_apns() as fake:
        fake.context.minimum_version = fake.context.maximum_version = version
        async with pusher(fake, tmp_path) as apns:
            assert (await apns.send(call())).sent


async def test_a_key_that_is_missing_is_told_and_taken_when_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "AuthKey.p8"
    team = replace(TEAM_WITH_KEY, key=ApnsKey("KEY0000001", path))
    async with fake_apns() as fake, pusher(fake, tmp_path, teams=(team,), start=False) as apns:
        with pytest.raises(ConfigError, match=r"AuthKey\.p8"):
            await apns.start()
        assert apns.health().word == "failing"
        fate = await apns.send(call())
        assert fate.outcome is Outcome.REFUSED
        assert "AuthKey.p8" in fate.reason
        assert TEAM_WITH_KEY.key is not None
        path.write_text(TEAM_WITH_KEY.key.pem)
        apns.look()
        assert apns.health().word == "ready"
        assert (await apns.send(call())).sent
        assert apns.health().word == "ready"


@pytest.mark.parametrize(
    "url", ["http://api.push.apple.com", "api.push.apple.com", "https://", "https://a:b"]
)
async def test_a_base_url_that_cannot_be_is_a_wrong_setting(tmp_path: Path, url: str) -> None:
    async with fake_apns() as fake:
        with pytest.raises(ConfigError, match="base_url"):
            async with pusher(fake, tmp_path, production_url=url):
                pass


async def test_who_goes_away_before_the_answer_leaves_nothing_open(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path, patience_s=5.0) as apns:
        fake.script.add("hang")
        sending = asyncio.create_task(apns.send(call()))
        await fake.next_push()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await until(lambda: fake.connections[0].open == 0)
        async with asyncio.timeout(DEADLINE_S):
            assert (await apns.send(call())).sent
        assert fake.accepted == 1


async def test_a_stop_ends_what_is_under_way(tmp_path: Path) -> None:
    async with fake_apns() as fake:
        async with pusher(fake, tmp_path, patience_s=5.0) as apns:
            fake.script.add("hang*")
            sending = asyncio.create_task(apns.send(call()))
            await fake.next_push()
        assert (await sending).outcome is Outcome.UNAVAILABLE
        assert (await apns.send(call())).reason == "the gateway stops"
