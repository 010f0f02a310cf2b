"""Published configurations of other products load unchanged, and say what is not active yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkline.app.addresses import HostAddresses
from trunkline.app.settings.file import Loaded, load_settings

PUBLISHED = Path(__file__).parents[2] / "vectors/published"
HOST = HostAddresses("192.0.2.7")


def load(name: str, data: Path | None = None) -> Loaded:
    return load_settings(PUBLISHED / name, data, host=HOST, env={})


def test_the_gateways_file_gives_its_port_and_its_folder() -> None:
    loaded = load("gateway.toml")
    assert [one.url for one in loaded.settings.sip.listen] == ["udp:0.0.0.0:5060"]
    assert (loaded.data.path, loaded.data.why) == (Path("/data"), "data in the settings")
    told = {notice.split()[0] for notice in loaded.notices}
    assert told == {"auth", "apns", "fcm", "server.host", "server.port", "database.path"}


def test_a_data_folder_of_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    assert load("gateway.toml", tmp_path).data.path == tmp_path
    loaded = load_settings(PUBLISHED / "gateway.toml", None, host=HOST, env={"TRUNKLINE_DATA": str(tmp_path)})
    assert loaded.data.path == tmp_path


def test_the_servers_file_gives_its_port() -> None:
    loaded = load("voip-settings.json")
    assert [one.url for one in loaded.settings.sip.listen] == ["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060"]
    assert {notice.split()[0] for notice in loaded.notices} == {"gateways", "server.trunkPort"}


@pytest.mark.parametrize("name", ["gateway.toml", "voip-settings.json"])
def test_no_secret_of_the_file_is_told_or_kept(name: str) -> None:
    text = repr(load(name))
    for secret in ("your-jwt-secret", "your-api-key", "your-credential", "XXXXXXXXXX"):
        assert secret not in text
