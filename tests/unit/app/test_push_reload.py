"""Push providers made anew by a reload: those that changed and no others, all of them or none."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from trunkline.app.addresses import HostAddresses
from trunkline.app.exchange import Exchange
from trunkline.app.live_planes import PushProviders
from trunkline.app.push_plane import UNUSABLE, PushPlane
from trunkline.app.settings import Settings
from trunkline.app.settings.file import complete, parse_settings
from trunkline.base.errors import ConfigError
from trunkline.push.notification import Service
from trunkline.push.webhook import WebhookPusher

HOOK = {"url": "https://backend.example.com/wake", "secret": "one-secret-of-the-webhooks"}
APNS = {"team_id": "FGHIJ67890", "key_id": "ABCDE12345", "bundle_id": "com.example.phone"}


def settings(**push: Any) -> Settings:
    tables = {"api": {"listen": "127.0.0.1:8080"}, "push": {"webpush": {"enabled": False}, **push}}
    return complete(parse_settings(tables, "test.toml")[0], HostAddresses("192.0.2.7"))


def plane(folder: Path, **push: Any) -> PushPlane:
    return PushPlane(settings(**push), folder, lambda: 0.0)


async def taken(one: PushPlane, new: Settings) -> str:
    """What the part says of a reload; none of it is kept when it is refused."""
    exchange = SimpleNamespace(push=one, native=SimpleNamespace(take_settings=lambda _settings: None))
    async with AsyncExitStack() as undo:
        apply = await PushProviders(cast("Exchange", exchange)).prepare(new, frozenset(), undo)
        undo.pop_all()
    return await apply()


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def write_key(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    plain = serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))


async def test_what_is_as_it_was_stays(tmp_path: Path) -> None:
    one = plane(tmp_path, webhook=HOOK, webpush={})
    key = one.vapid
    assert await taken(one, settings(webhook=HOOK, webpush={})) == ""
    assert (one.vapid, one.pushers.has(Service.WEBHOOK)) == (key, True)
    await one.stop()


async def test_a_secret_in_a_file_is_read_anew_though_the_settings_are_the_same(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("one-secret-of-the-webhooks\n")
    hook = {"url": HOOK["url"], "secret_file": str(secret)}
    one = plane(tmp_path, webhook=hook)
    secret.write_text("another-of-the-webhooks\n")
    assert await taken(one, settings(webhook=hook)) == "push services set anew: webhook"
    assert await taken(one, settings(webhook=hook)) == ""
    await one.stop()


async def test_one_key_that_cannot_be_used_refuses_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[Service] = []

    async def stop(pusher: WebhookPusher) -> None:
        stopped.append(pusher.service)

    one = plane(tmp_path, webhook=HOOK)
    key = tmp_path / "AuthKey.p8"
    key.write_text("no key")
    apns = {**APNS, "key_path": str(key)}
    expected = r"push\.apns\.key_path: saw .*AuthKey\.p8, which holds no PEM private key"
    with pytest.raises(ConfigError, match=expected):
        await taken(one, settings(webhook={**HOOK, "secret": "another-of-the-webhooks"}, apns=apns))
    assert not one.pushers.has(Service.APNS)
    # What was made before the wrong one is ended, and what there was goes on.
    monkeypatch.setattr(WebhookPusher, "stop", stop)
    with pytest.raises(ConfigError, match="API_HOOK"):
        await taken(one, settings(webhook={"url": HOOK["url"], "secret_env": "API_HOOK"}))
    assert stopped == []
    assert await taken(one, settings(webhook=HOOK)) == ""
    await one.stop()
    assert stopped == [Service.WEBHOOK]


async def test_a_service_that_was_wrong_before_refuses_nothing_until_it_is_touched(tmp_path: Path) -> None:
    fcm = {"service_account_env": "NO_SUCH_ACCOUNT"}
    one = plane(tmp_path, fcm=fcm)
    assert [(each.word, each.why) for each in one.health() if each.service is Service.FCM] == [
        ("failing", UNUSABLE)
    ]
    assert await taken(one, settings(fcm=fcm, webhook=HOOK)) == "push services set anew: webhook"
    assert one.wrong
    with pytest.raises(ConfigError, match="ANOTHER_ACCOUNT"):
        await taken(one, settings(fcm={"service_account_env": "ANOTHER_ACCOUNT"}))
    assert await taken(one, settings()) == "push services set anew: fcm, webhook"
    assert {each.word for each in one.health()} == {"unset"}
    await one.stop()


async def test_a_file_of_authorities_that_cannot_be_read_makes_services_fail_and_not_vanish(
    tmp_path: Path,
) -> None:
    ca = tmp_path / "ca.pem"
    one = plane(tmp_path, ca=str(ca), webhook=HOOK, webpush={})
    words = {each.service: (each.word, each.why) for each in one.health()}
    assert words[Service.WEBHOOK] == words[Service.WEBPUSH] == ("failing", UNUSABLE)
    assert words[Service.FCM][0] == "unset"
    assert await taken(one, settings(webhook=HOOK, webpush={})) == "push services set anew: webpush, webhook"
    assert {each.word for each in one.health() if each.service in words} == {"idle", "unset"}
    await one.stop()


WRONG: dict[str, dict[str, Any]] = {
    r"push\.apns\.key_path: saw .*file, which holds no PEM private key": {
        "apns": {**APNS, "key_path": "{file}"}
    },
    r"push\.apns\.certificate: saw .*file": {
        "apns": {"bundle_id": "com.example.phone", "certificate": "{file}"}
    },
    r"push\.fcm\.service_account_path: saw .*file, which is no JSON": {
        "fcm": {"service_account_path": "{file}"}
    },
    r"push\.webpush\.key_path: saw .*file, which has no plain PEM": {"webpush": {"key_path": "{file}"}},
    r"push\.ca: saw .*file": {"ca": "{file}"},
}


@pytest.mark.parametrize("error", WRONG)
async def test_a_dry_run_refuses_the_keys_that_a_reload_refuses(error: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("neither a key nor an account")
    push: dict[str, Any] = json.loads(json.dumps(WRONG[error]).replace("{file}", str(file)))
    one = plane(tmp_path, webhook=HOOK)
    wrong = settings(webhook=HOOK, **push)
    part = PushProviders(cast("Exchange", SimpleNamespace(push=one)))
    with pytest.raises(ConfigError, match=error) as by_dry_run:
        await part.check(wrong, frozenset())
    with pytest.raises(ConfigError, match=error) as by_reload:
        await taken(one, wrong)
    assert str(by_dry_run.value) == str(by_reload.value)
    await one.stop()


async def test_a_dry_run_starts_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def start(_pusher: WebhookPusher) -> None:
        raise AssertionError("it was started")

    one = plane(tmp_path, webhook=HOOK)
    before = one.pushers.health()
    monkeypatch.setattr(WebhookPusher, "start", start)
    key = tmp_path / "AuthKey.p8"
    write_key(key)
    other = {**HOOK, "secret": "another-of-the-webhooks"}
    await one.check(settings(webhook=other, webpush={}, apns={**APNS, "key_path": str(key)}))
    assert names_in(tmp_path) == ["AuthKey.p8"]  # no key for Web Push was kept
    assert (one.pushers.health(), one.vapid) == (before, "")
    await one.stop()


async def test_apps_subscribe_with_the_key_that_is_in_use(tmp_path: Path) -> None:
    keys = [tmp_path / "one.pem", tmp_path / "two.pem"]
    for path in keys:
        write_key(path)
    one = plane(tmp_path, webpush={"key_path": str(keys[0])})
    before = one.vapid
    async with AsyncExitStack() as undo:
        change = await one.prepare(settings(webpush={"key_path": str(keys[1])}), undo)
        undo.pop_all()
    assert one.vapid == before
    one.take(change)
    assert one.vapid not in {"", before}
    write_key(keys[1])
    assert await taken(one, settings(webpush={"key_path": str(keys[1])})) == "push services set anew: webpush"
    assert await taken(one, settings()) == "push services set anew: webpush"
    assert (one.vapid, one.offered()) == ("", frozenset())
    await one.stop()
