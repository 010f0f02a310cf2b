"""Published configurations of other products load unchanged, and say what is not active yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkline.app.addresses import HostAddresses, HostPort
from trunkline.app.settings.file import Loaded, load_settings
from trunkline.base.errors import ConfigError

PUBLISHED = Path(__file__).parents[2] / "vectors/published"
HOST = HostAddresses("192.0.2.7")


def load(name: str, data: Path | None = None) -> Loaded:
    return load_settings(PUBLISHED / name, data, host=HOST, env={})


def load_text(text: str, tmp_path: Path) -> Loaded:
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    return load_settings(file, tmp_path, host=HOST, env={})


def test_the_gateways_file_gives_its_ports_and_its_folder() -> None:
    loaded = load("gateway.toml")
    settings = loaded.settings
    assert [one.url for one in settings.sip.listen] == ["udp:0.0.0.0:5060"]
    assert settings.api.address == HostPort("0.0.0.0", 8080)  # noqa: S104  (what the file says)
    assert (loaded.data.path, loaded.data.why) == (Path("/data"), "data in the settings")


def test_the_gateways_file_gives_its_push_services() -> None:
    push = load("gateway.toml").settings.push
    assert (push.apns.key_path, push.apns.key_name, push.apns.team_id) == (
        "/data/AuthKey_XXXXXXXXXX.p8",
        "XXXXXXXXXX",
        "XXXXXXXXXX",
    )
    assert (push.apns.bundle_id, push.apns.sandbox) == ("com.example.aria", False)
    assert push.fcm.service_account_path == "/data/firebase-service-account.json"


def test_the_gateways_file_makes_a_gateway_alone_without_the_examples_secrets() -> None:
    loaded = load("gateway.toml")
    settings = loaded.settings
    assert not settings.exchange.enabled
    assert (settings.auth.secret, settings.auth.api_key) == (None, None)
    told = {notice.split()[0] for notice in loaded.notices}
    assert told == {"auth.secret", "auth.api_key", "database.path", "this", "mobile.domains"}


def test_the_gateways_own_example_loads_too() -> None:
    loaded = load("gateway.example.toml")
    settings = loaded.settings
    assert settings.api.address == HostPort("0.0.0.0", 8080)  # noqa: S104  (what the file says)
    assert settings.api.public_url == "https://gateway.example.com"
    assert (settings.auth.secret, settings.auth.token_expiry_secs) == (None, 2_592_000)
    assert (settings.push.apns.bundle_id, settings.push.apns.sandbox) == ("com.example.aria", True)
    assert settings.push.fcm.project_id == "example-project"
    assert (settings.exchange.enabled, settings.data) == (False, ".")


def test_a_gateways_file_with_a_domain_is_an_exchange_too(tmp_path: Path) -> None:
    text = (PUBLISHED / "gateway.toml").read_text()
    assert load_text('domain = "pbx.example.com"\n' + text, tmp_path).settings.exchange.enabled
    assert load_text(text + "\n[exchange]\nenabled = true\n", tmp_path).settings.exchange.enabled


def test_an_exchange_has_no_api_until_it_is_told_to(tmp_path: Path) -> None:
    assert load_text("", tmp_path).settings.api.address is None
    assert load_text("[exchange]\nenabled = false", tmp_path).settings.api.listen == "0.0.0.0:8080"


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("[server]\nport = 8088", "0.0.0.0:8088"),
        ('[server]\nhost = "127.0.0.1"', "127.0.0.1:8080"),
        ('[server]\nhost = "::1"\nport = 80', "[::1]:80"),
        ('[server]\nlisten = "[::]:8080"', "[::]:8080"),
        ('[server]\nlisten = "off"', "off"),
    ],
)
def test_where_the_server_listens_is_where_the_api_does(text: str, listen: str, tmp_path: Path) -> None:
    assert load_text(text, tmp_path).settings.api.listen == listen


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("[server]\nport = 8080\n[api]\nlisten = 'off'", "server.port", "one of api.listen and server.port"),
        ("[server]\nport = 8080\nlisten = 'off'", "server.listen", "one of server.port and server.listen"),
        ("[apns]\nsandbox = true\n[push.apns]\nsandbox = true", "apns", "one of push.apns and apns"),
        (
            "[apns]\ntopic = 'a.b.voip'\nbundle_id = 'a.b'",
            "apns.topic",
            "one of apns.bundle_id and apns.topic",
        ),
        ("[server]\nport = 'http'", "server.port", "a port from 0 to 65535"),
        ("[server]\npublicUrl = 'voice'", "server.publicUrl", "a URL such as"),
        ("[fcm]\nprojectId = 'My App'", "fcm.projectId", "a project id such as"),
        ("[apns]\nkeyid = 'A'", "apns.keyid", "one of key_path, key_env, key_id"),
        ("[database]\nurl = 'postgres://db/voice'", "database.url", "the URL of a file such as"),
        ("[database]\nurl = 'sqlite:a.db'\npath = 'a.db'", "database.url", "one of database.path and"),
        ("apns = true", "apns", "a table of settings"),
    ],
)
def test_a_mistake_is_told_by_the_files_own_spelling(
    text: str, key: str, expected: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(text, tmp_path)
    assert caught.value.key == key
    assert caught.value.expected.startswith(expected)


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("sqlite:gateway.db?mode=rwc", "."),
        ("sqlite:///data/gateway.db", "/data"),
        ("sqlite:/data/voice/gateway.db", "/data/voice"),
        ("sqlite://gateway.db", "."),
    ],
)
def test_a_database_url_stands_for_the_folder_of_its_file(url: str, folder: str, tmp_path: Path) -> None:
    assert load_text(f'[database]\nurl = "{url}"', tmp_path).settings.data == folder


def test_a_data_folder_of_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    assert load("gateway.toml", tmp_path).data.path == tmp_path
    loaded = load_settings(PUBLISHED / "gateway.toml", None, host=HOST, env={"TRUNKLINE_DATA": str(tmp_path)})
    assert loaded.data.path == tmp_path


def test_the_servers_file_gives_its_port() -> None:
    loaded = load("voip-settings.json")
    assert [one.url for one in loaded.settings.sip.listen] == ["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060"]
    assert {notice.split()[0] for notice in loaded.notices} == {"gateways", "server.trunkPort"}


@pytest.mark.parametrize("name", ["gateway.toml", "gateway.example.toml", "voip-settings.json"])
def test_no_secret_of_the_file_is_told_or_kept(name: str) -> None:
    text = repr(load(name))
    for secret in ("your-jwt-secret", "your-api-key", "your-credential", "CHANGE-ME"):
        assert secret not in text
