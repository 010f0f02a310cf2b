"""What the API, the push services and the hand-over are told by the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkline.app import mobile_plans as plans
from trunkline.app.addresses import HostAddresses
from trunkline.app.settings import Settings
from trunkline.app.settings.file import complete, parse_settings
from trunkline.base.errors import ConfigError

DERIVED = bytes(range(32))


def settings(**tables: object) -> Settings:
    return complete(parse_settings(tables, "test.toml")[0], HostAddresses("192.0.2.7"))


KEY = {"key_path": "~/AuthKey_ABCDE12345.p8", "team_id": "FGHIJ67890", "bundle_id": "com.example.phone.voip"}


def test_nothing_is_pushed_that_nothing_is_set_for() -> None:
    bare = settings()
    assert (plans.apns_plan(bare), plans.fcm_plan(bare), plans.api_plan(bare)) == (None, None, None)


@pytest.mark.parametrize(
    "url", ["https://proxy.example.com:3128", "socks5://proxy.example.com", "http://p/x"]
)
def test_a_proxy_that_nothing_goes_through_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"http://proxy\.example\.com:3128"):
        settings(push={"proxy": url})


def test_an_apns_key_is_named_by_its_file() -> None:
    plan = plans.apns_plan(settings(push={"apns": {**KEY, "sandbox": True}}))
    assert plan is not None
    (team,) = plan.teams
    assert (team.team, team.bundle_id, plan.environment) == ("FGHIJ67890", "com.example.phone", "sandbox")
    assert team.key is not None
    assert (team.key.key_id, team.key.path) == ("ABCDE12345", Path.home() / "AuthKey_ABCDE12345.p8")


def test_an_apns_key_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = settings(push={"apns": {"key_env": "APNS", "key_id": "ABCDE12345", "team_id": "FGHIJ67890"}})
    monkeypatch.delenv("APNS", raising=False)
    with pytest.raises(
        ConfigError, match=r"push\.apns\.key_env: saw APNS, expected .* holds the key .*not set"
    ):
        plans.apns_plan(given)
    monkeypatch.setenv("APNS", "-----BEGIN PRIVATE KEY-----")
    plan = plans.apns_plan(given)
    assert plan is not None
    assert plan.teams[0].key is not None
    assert plan.teams[0].key.pem == "-----BEGIN PRIVATE KEY-----"
    assert "BEGIN" not in repr(plan)


def test_an_apns_certificate_is_the_other_way() -> None:
    plan = plans.apns_plan(settings(push={"apns": {"certificate": "/etc/voip.pem"}}))
    assert plan is not None
    assert plan.teams[0].certificate is not None
    assert (plan.teams[0].key, plan.teams[0].certificate.path) == (None, Path("/etc/voip.pem"))


def test_a_proxy_gets_its_password_from_beside_its_url(tmp_path: Path) -> None:
    file = tmp_path / "proxy.password"
    file.write_text("p@ss\nnot this\n")
    push = {
        "proxy": "http://proxy.example.com:3128",
        "proxy_username": "voice",
        "proxy_password_file": str(file),
        "apns": KEY,
        "fcm": {"service_account_path": "/data/account.json"},
    }
    given = settings(push=push)
    apns, fcm = plans.apns_plan(given), plans.fcm_plan(given)
    assert apns is not None
    assert fcm is not None
    assert apns.proxy == "http://voice:p%40ss@proxy.example.com:3128"
    assert fcm.proxy is not None
    assert (fcm.proxy.url, fcm.proxy.authorization[:6]) == ("http://proxy.example.com:3128", "Basic ")
    assert "p@ss" not in repr(apns) + repr(fcm) + repr(given)
    file.unlink()
    with pytest.raises(ConfigError, match=r"push\.proxy_password_file.*first line is the password"):
        plans.proxy_of(given)


def test_tokens_are_signed_with_the_settings_secret_or_one_of_the_data_folder() -> None:
    own = plans.auth_plan(settings(auth={"secret": "s" * 32, "api_key": "k"}), DERIVED)
    assert (own.secret, own.api_key, own.oidc) == ("s" * 32, "k", None)
    derived = plans.auth_plan(settings(), DERIVED)
    assert (derived.secret, derived.api_key, derived.expires_s) == (DERIVED.hex(), "", 2_592_000)


def test_what_stands_in_a_published_example_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", "CHANGE-ME-IN-PRODUCTION")
    given = settings(auth={"secret_env": "JWT_SECRET", "api_key": "your-api-key-here"})
    plan = plans.auth_plan(given, DERIVED)
    assert (plan.secret, plan.api_key) == (DERIVED.hex(), "")


def test_an_issuer_is_believed_for_one_audience() -> None:
    auth = {"issuer": "https://login.example.com/", "audience": "voice", "tenant_claim": "org"}
    oidc = plans.auth_plan(settings(auth=auth), DERIVED).oidc
    assert oidc is not None
    assert (oidc.issuer, oidc.audience, oidc.jwks_url, oidc.tenant_claim) == (
        "https://login.example.com/",
        "voice",
        "",
        "org",
    )


def test_the_api_is_told_where_it_is_and_what_is_in_front_of_it() -> None:
    api = {
        "listen": "[::1]:8088",
        "public_url": "https://voice.example.com/gw/",
        "root_path": "/gw/",
        "trusted_proxies": ["10.0.0.0/8"],
        "limits": {"calls": 7},
    }
    plan = plans.api_plan(settings(api=api))
    assert plan is not None
    assert (plan.host, plan.port, plan.public_url) == ("::1", 8088, "https://voice.example.com/gw")
    assert (plan.root_path, plan.proxies) == ("/gw", ("10.0.0.0/8",))
    assert (plan.limits.calls.per_minute, plan.limits.calls.burst) == (7, 3)


def test_the_hand_over_has_its_times_and_its_address() -> None:
    given = settings(
        mobile={"provisional": "on_invite", "contact_timeout_s": 5, "answer_timeout_s": 30, "media": "relay"},
        api={"public_url": "https://voice.example.com"},
    )
    policy = plans.hand_over_policy(given)
    assert (policy.provisional, policy.contact_s, policy.answer_s) == ("on_invite", 5.0, 30.0)
    assert (policy.media, policy.gateway_url) == ("relay", "https://voice.example.com")


def test_every_allowed_host_of_the_settings_is_one_to_the_accounts() -> None:
    given = settings(
        mobile={
            "domains": ["PBX.example.com", "*.voice.example.net", "192.0.2.5"],
            "registrars": "edge.example.org",
        }
    )
    allowed = plans.mobile_policy(given).listed
    assert all(allowed.takes("t", one) for one in ("pbx.example.com", "a.voice.example.net", "192.0.2.5"))
    assert not allowed.takes("t", "example.com")
    assert allowed.takes_registrar("t", "pbx.example.com", "edge.example.org")
    every = plans.mobile_policy(settings(mobile={"domains": "*", "registrars": ["198.51.100.0/24"]})).listed
    assert every.takes("t", "example.com")
    assert every.takes_registrar("t", "example.com", "198.51.100.7")


def test_a_push_service_may_write_to_the_public_address_when_nobody_is_named() -> None:
    assert (
        plans.vapid_contact(settings(api={"public_url": "https://voice.example.com"}))
        == "https://voice.example.com"
    )
    assert plans.vapid_contact(settings(api={"public_url": "http://voice.example.com"})) == ""
    named = settings(push={"webpush": {"subject": "mailto:me@example.com"}})
    assert plans.vapid_contact(named) == "mailto:me@example.com"


def test_native_apps_are_woken_as_the_settings_say() -> None:
    policy = plans.waking_policy(settings(sip={"push": {"awake_s": 0, "refresh": False}}))
    assert (policy.awake_s, policy.refresh, policy.refreshes_a_day) == (0.0, False, 3)
